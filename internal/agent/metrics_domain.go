package agent

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// revocations are the gauges of what the wallet has heard of revoked devices, of
// the domains of all names that are kept (spec/revocations.md).
type revocations struct{ agent *Agent }

func (revocations) age() *prometheus.Desc {
	return prometheus.NewDesc("milagro_agent_revocation_list_age_seconds",
		"Age of the newest list of revocations of an authority; absent without one.", []string{"domain", "authority"}, nil)
}

func (revocations) devices() *prometheus.Desc {
	return prometheus.NewDesc("milagro_agent_revoked_devices", "Devices that so many lists name that they are refused.", []string{"domain"}, nil)
}

func (revocations) bound() *prometheus.Desc {
	return prometheus.NewDesc("milagro_agent_revocation_bound_seconds",
		"How long a channel of a revoked device lives at most where no list is heard.", []string{"domain"}, nil)
}

// Describe implements prometheus.Collector.
func (r revocations) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{r.age(), r.devices(), r.bound()} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (r revocations) Collect(out chan<- prometheus.Metric) {
	for _, domain := range r.agent.domains() {
		heard, err := r.agent.wallet.Revocations(domain)
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
