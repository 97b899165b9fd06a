package agent

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"milagro.dev/identity"
	"milagro.dev/internal/telemetry"
	"milagro.dev/wallet"
)

// counters are what an agent counts. Names are labels, unlike at an authority: there
// are as many as the wallet and the plan have, and a host's operator knows them.
type counters struct {
	renewals   *prometheus.CounterVec
	enrolments *prometheus.CounterVec
	answers    *prometheus.CounterVec
}

func newCounters(m *telemetry.Metrics, v Version) *counters {
	c := &counters{
		renewals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milagro_agent_renewals_total", Help: "Tries to renew a key, by name and outcome.",
		}, []string{"name", "outcome"}),
		enrolments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milagro_agent_enrolments_total", Help: "Tries to enrol, by name and outcome.",
		}, []string{"name", "outcome"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milagro_agent_authority_answers_total", Help: "What authorities did when they were asked for a share, by name, index and outcome.",
		}, []string{"name", "authority", "outcome"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "milagro_build_info", Help: "1; the labels say what this program was built from.",
		ConstLabels: prometheus.Labels{"version": v.Version, "revision": v.Revision, "backend": v.Backend, "go": runtime.Version()},
	})
	build.Set(1)
	m.Registry().MustRegister(c.renewals, c.enrolments, c.answers, build)
	return c
}

func (c *counters) renewal(r wallet.Renewal) {
	if r.Report == nil || len(r.Report.Keys) == 0 {
		c.renewals.WithLabelValues(r.Name.String(), verdict(r.Err)).Inc()
	}
	if r.Report == nil {
		return
	}
	for _, k := range r.Report.Keys {
		c.renewals.WithLabelValues(r.Name.String(), verdict(k.Err)).Inc()
	}
	c.report(r.Name, r.Report)
}

func (c *counters) enrolment(n identity.Name, report *wallet.Report, err error) {
	c.enrolments.WithLabelValues(n.String(), verdict(err)).Inc()
	if report != nil {
		c.report(n, report)
	}
}

func (c *counters) report(n identity.Name, r *wallet.Report) {
	for _, k := range r.Keys {
		for _, a := range k.Authorities {
			c.answers.WithLabelValues(n.String(), strconv.FormatUint(uint64(a.Index), 10), string(a.Outcome)).Inc()
		}
	}
}

// forget drops what was counted for a name that is no longer kept.
func (c *counters) forget(n identity.Name) {
	for _, v := range []*prometheus.CounterVec{c.renewals, c.enrolments, c.answers} {
		v.DeletePartialMatch(prometheus.Labels{"name": n.String()})
	}
}

func verdict(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

// outlooks are the gauges that are read off when somebody looks.
type outlooks struct{ agent *Agent }

func (outlooks) remaining() *prometheus.Desc {
	return prometheus.NewDesc("milagro_agent_key_remaining_seconds",
		"Seconds until the epoch of the key in use ends; negative while peers still accept it, absent without one.", []string{"name", "purpose", "service"}, nil)
}

func (outlooks) ahead() *prometheus.Desc {
	return prometheus.NewDesc("milagro_agent_next_key", "1 if the next epoch's key is in hand, else 0.", []string{"name", "purpose", "service"}, nil)
}

func (outlooks) ready() *prometheus.Desc {
	return prometheus.NewDesc("milagro_agent_ready", "1 if the name has all its keys, else 0.", []string{"name"}, nil)
}

func (outlooks) renewed() *prometheus.Desc {
	return prometheus.NewDesc("milagro_agent_last_renewal_timestamp_seconds", "When keys of the name were renewed last; absent if not since the start.", []string{"name"}, nil)
}

// Describe implements prometheus.Collector.
func (o outlooks) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{o.remaining(), o.ahead(), o.ready(), o.renewed()} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (o outlooks) Collect(out chan<- prometheus.Metric) {
	wards, _ := o.agent.all()
	now := o.agent.clock()
	for _, w := range wards {
		w.collect(o, now, out)
	}
}

func (w *ward) collect(o outlooks, now time.Time, out chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{w.name.String()}, labels...)...)
	}
	gauge(o.ready(), truth(w.lack == "" && !w.looked.IsZero()))
	if !w.renewed.IsZero() {
		gauge(o.renewed(), float64(w.renewed.Unix()))
	}
	for _, k := range w.outlook {
		if !k.Now.IsZero() {
			gauge(o.remaining(), time.Unix(int64(k.Now.End()), 0).Sub(now).Seconds(), string(k.Purpose), k.Service)
		}
		gauge(o.ahead(), truth(k.Ahead), string(k.Purpose), k.Service)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Handler serves /metrics, /healthz and /readyz.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics.Handler())
	mux.Handle("GET /healthz", telemetry.Alive())
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		telemetry.Ready(a.checks()...).ServeHTTP(w, r)
	})
	return a.metrics.Observe(mux)
}

// checks are one for each name and each domain to be pinned.
func (a *Agent) checks() []telemetry.Check {
	check := func(name, trouble string) telemetry.Check {
		return telemetry.Check{Name: name, Run: func(context.Context) error {
			if trouble != "" {
				return errors.New(trouble)
			}
			return nil
		}}
	}
	stuck := ""
	switch {
	case a.beat.Load() == 0:
		stuck = "it has just begun"
	case !a.alive():
		stuck = "it does not get on: is the disk there?"
	}
	checks := []telemetry.Check{check("agent", stuck)}
	wards, pins := a.all()
	for _, w := range wards {
		lack, _ := w.state()
		checks = append(checks, check(w.name.String(), lack))
	}
	for _, p := range pins {
		_, trouble := p.state()
		checks = append(checks, check("domain at "+p.domain.URL, trouble))
	}
	return checks
}
