package authority

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/telemetry"
)

// counters are what an authority counts. No label comes from the network: a
// purpose is one that was issued, a kind is one of package problem's.
type counters struct {
	issued    *prometheus.CounterVec
	refused   *prometheus.CounterVec
	delivered prometheus.Counter
}

func newCounters(m *telemetry.Metrics) *counters {
	c := &counters{
		issued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milagro_issuances_total", Help: "Shares issued, by purpose and by what entitled to them.",
		}, []string{"purpose", "basis"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milagro_refusals_total", Help: "Requests refused, by kind of problem.",
		}, []string{"kind"}),
		delivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "milagro_server_key_deliveries_total", Help: "Shares of login servers' keys delivered.",
		}),
	}
	m.Registry().MustRegister(c.issued, c.refused, c.delivered)
	return c
}

func (c *counters) refusal(p *problem.Problem) { c.refused.WithLabelValues(string(p.Kind)).Inc() }

// registerGauges adds what is read off when somebody looks.
func (a *Authority) registerGauges() {
	for _, root := range a.issuer.roots.byIssuer {
		a.metrics.Registry().MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "milagro_token_keys_age_seconds",
			Help:        "Seconds since the keys of an issuer of tokens were fetched, which happens when they are needed; NaN without any.",
			ConstLabels: prometheus.Labels{"root": root.Name}}, root.keys.seconds))
	}
	gauge := func(name, help string, read func() float64) {
		a.metrics.Registry().MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	gauge("milagro_log_length", "Rows of the issuance log.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		n, err := a.state.issued(ctx, a.clock())
		if err != nil && n == 0 {
			return math.NaN()
		}
		return float64(n)
	})
	gauge("milagro_stamp_age_days", "Days since the day for which the domain document is stamped; NaN without a stamp.", func() float64 {
		s, err := a.documents.published()
		if err != nil || s.Stamp == nil {
			return math.NaN()
		}
		return float64(int64(a.documents.today()) - int64(s.Stamp.Day))
	})
	gauge("milagro_document_revision", "Revision of the domain document that is served; 0 without one.", func() float64 {
		s, err := a.documents.published()
		if err != nil {
			return 0
		}
		return float64(s.Document.Revision())
	})
	gauge("milagro_epoch_start_seconds", "First second of the current epoch of purpose channel, in unix time.", func() float64 {
		s, err := a.documents.published()
		if err != nil {
			return math.NaN()
		}
		schedule, _ := s.Document.Schedule(identity.Channel)
		return float64(schedule.Current(unixSeconds(a.clock())).Start)
	})
}
