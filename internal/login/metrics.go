package login

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"milagro.dev/internal/problem"
	"milagro.dev/internal/telemetry"
)

// The outcomes of logins. Why one was refused is told to nobody who reads metrics:
// only the audit has it.
const (
	outcomeAccepted   = "accepted"
	outcomeRefused    = "refused"
	outcomePossession = "possession"
)

// counters are what a login server counts. No label comes from the network, and
// none says anything about a name.
type counters struct {
	logins  *prometheus.CounterVec
	refused *prometheus.CounterVec
	batches prometheus.Histogram
	sent    *prometheus.CounterVec
}

func newCounters(m *telemetry.Metrics) *counters {
	c := &counters{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milagro_logins_total", Help: "Logins that came to their second pass, by outcome.",
		}, []string{"outcome"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milagro_refusals_total", Help: "Requests refused, by kind of problem.",
		}, []string{"kind"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "milagro_login_batch_size", Help: "Logins verified together.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64},
		}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "milagro_outbox_tries_total", Help: "Tries to send what others are told, by what it is and by outcome.",
		}, []string{"kind", "outcome"}),
	}
	m.Registry().MustRegister(c.logins, c.refused, c.batches, c.sent)
	for _, outcome := range []string{outcomeAccepted, outcomeRefused, outcomePossession} {
		c.logins.WithLabelValues(outcome)
	}
	return c
}

func (c *counters) login(outcome string) { c.logins.WithLabelValues(outcome).Inc() }

func (c *counters) refusal(p *problem.Problem) { c.refused.WithLabelValues(string(p.Kind)).Inc() }

func (c *counters) batch(size int) { c.batches.Observe(float64(size)) }

func (c *counters) try(kind string, err error) {
	outcome := "sent"
	if err != nil {
		outcome = "failed"
	}
	c.sent.WithLabelValues(kind, outcome).Inc()
}

// registerGauges adds what is read off when somebody looks.
func (s *Server) registerGauges() {
	gauge := func(name, help string, read func() float64) {
		s.metrics.Registry().MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	gauge("milagro_login_sessions", "Logins between their two passes, about.", func() float64 { return float64(s.gate.open.Load()) })
	gauge("milagro_login_queue", "Proofs that wait for a processor.", func() float64 { return float64(s.gate.verifier.queued()) })
	gauge("milagro_server_key", "1 if logins are served, with the key of the service; else 0.", func() float64 {
		if s.realm.now.Load().fault != nil {
			return 0
		}
		return 1
	})
	gauge("milagro_document_revision", "Revision of the domain document that is gone by; 0 without one.", func() float64 {
		if d := s.realm.now.Load().document; d != nil {
			return float64(d.Revision())
		}
		return 0
	})
	waiting := func(read func(backlog) int64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			b, err := s.state.backlog(ctx)
			if err != nil {
				return math.NaN()
			}
			return float64(read(b))
		}
	}
	gauge("milagro_notices_waiting", "Notices of revoked devices that an authority does not have yet.", waiting(func(b backlog) int64 { return b.notices }))
	gauge("milagro_mails_waiting", "Mails about locked devices that no mail server has taken yet.", waiting(func(b backlog) int64 { return b.mails }))
}
