package agent

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"milagro.dev/wallet"
)

// Revocations are the gauges of what a wallet has heard of revoked devices
// (spec/revocations.md): how old each authority's list is, how many devices are
// refused by them, and how long a channel lives where no list is heard. It is a
// prometheus.Collector.
type Revocations struct {
	// Program is the second word of each metric: "agent" or "proxy".
	Program string
	Wallet  *wallet.Wallet
	// Domains returns the domains of the names that the program speaks as.
	Domains func() []string
}

func (r Revocations) name(what string) string { return "milagro_" + r.Program + "_" + what }

func (r Revocations) age() *prometheus.Desc {
	return prometheus.NewDesc(r.name("revocation_list_age_seconds"),
		"Age of the newest list of revocations of an authority; absent without one.", []string{"domain", "authority"}, nil)
}

func (r Revocations) devices() *prometheus.Desc {
	return prometheus.NewDesc(r.name("revoked_devices"), "Devices that so many lists name that they are refused.", []string{"domain"}, nil)
}

func (r Revocations) bound() *prometheus.Desc {
	return prometheus.NewDesc(r.name("revocation_bound_seconds"),
		"How long a channel of a revoked device lives at most where no list is heard.", []string{"domain"}, nil)
}

// Describe implements prometheus.Collector.
func (r Revocations) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{r.age(), r.devices(), r.bound()} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (r Revocations) Collect(out chan<- prometheus.Metric) {
	for _, domain := range r.Domains() {
		heard, err := r.Wallet.Revocations(domain)
		if err != nil {
			continue // not pinned yet, of which readiness speaks
		}
		out <- prometheus.MustNewConstMetric(r.devices(), prometheus.GaugeValue, float64(len(heard.Revoked)), domain)
		out <- prometheus.MustNewConstMetric(r.bound(), prometheus.GaugeValue, heard.Bound.Seconds(), domain)
		for _, list := range heard.Lists {
			if list.Sequence > 0 {
				out <- prometheus.MustNewConstMetric(r.age(), prometheus.GaugeValue, list.Age.Seconds(), domain, strconv.FormatUint(uint64(list.Index), 10))
			}
		}
	}
}

// domains returns the domains of the names that are kept, in order.
func (a *Agent) domains() []string {
	wards, _ := a.all()
	var domains []string
	for _, w := range wards {
		domains = append(domains, w.name.Domain())
	}
	slices.Sort(domains)
	return slices.Compact(domains)
}
