package proxy

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"milagro.dev/identity"
	"milagro.dev/internal/telemetry"
)

const (
	// maxPeers is how many names of peers a route's metrics tell apart; the rest is
	// "other". A name that has no connection gives way to a new one.
	maxPeers = 100
	others   = "other"
)

// metrics are those of doc/proxy.md "Metrics". They are the exception to the rule
// that no label names anybody: whom a service talks to is what its operator asks.
type metrics struct {
	access atomic.Pointer[slog.Logger]
	keys   *keyring

	outcomes  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	handshake *prometheus.HistogramVec
	requests  *prometheus.HistogramVec

	mu     sync.Mutex // of routes
	routes map[string]*routeStats
}

// routeStats are the counts of one route, which survive its reload.
type routeStats struct {
	name      string
	metrics   *metrics
	handshake prometheus.Observer

	mu    sync.Mutex // of all below
	peers map[identity.Name]*peerStats
	rest  *peerStats
}

// peerStats are the counts of one peer.
type peerStats struct {
	name                     string
	connections, in, out     atomic.Int64
	open                     atomic.Int64
	last                     time.Time // when a connection was last opened; of routeStats.mu
	requests, failedRequests atomic.Int64
}

func newMetrics(t *telemetry.Metrics, keys *keyring) *metrics {
	m := &metrics{keys: keys, routes: map[string]*routeStats{},
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "milagro_proxy_outcomes_total",
			Help: "Connections (tcp) and requests (http) that have ended, by route and outcome."}, []string{"route", "outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "milagro_proxy_refused_total",
			Help: "Connections that got nowhere, by route and by the check that failed or the reason."}, []string{"route", "check"}),
		handshake: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "milagro_proxy_handshake_seconds",
			Help: "Time of complete identity TLS handshakes, by route.", Buckets: buckets()}, []string{"route"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "milagro_proxy_request_seconds",
			Help: "Time of HTTP requests, by route and class of status.", Buckets: buckets()}, []string{"route", "status"}),
	}
	t.Registry().MustRegister(m.outcomes, m.refusals, m.handshake, m.requests, m)
	return m
}

func buckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
}

func (m *metrics) route(name string) *routeStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.routes[name] == nil {
		m.routes[name] = &routeStats{name: name, metrics: m, handshake: m.handshake.WithLabelValues(name),
			peers: map[identity.Name]*peerStats{}, rest: &peerStats{name: others}}
	}
	return m.routes[name]
}

// open returns how many identity TLS connections there are.
func (m *metrics) open() (n int64) {
	for p := range m.each {
		n += p.open.Load()
	}
	return n
}

// each visits the counts of all peers of all routes.
func (m *metrics) each(yield func(*peerStats, string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for route, s := range m.routes {
		for _, p := range s.all() {
			if !yield(p, route) {
				return
			}
		}
	}
}

func (s *routeStats) all() []*peerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []*peerStats{s.rest}
	for _, p := range s.peers {
		all = append(all, p)
	}
	return all
}

// opened counts a new connection and returns where its bytes are counted, until
// closed.
func (s *routeStats) opened(peer identity.Name) *peerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[peer]
	if p == nil && len(s.peers) >= maxPeers {
		s.forget()
	}
	switch {
	case p == nil && len(s.peers) < maxPeers:
		p = &peerStats{name: peer.String()}
		s.peers[peer] = p
	case p == nil:
		p = s.rest
	}
	p.last = time.Now()
	p.connections.Add(1)
	p.open.Add(1)
	return p
}

// forget adds the counts of the name whose last connection is the longest ago to
// the others', if a name has none open.
func (s *routeStats) forget() {
	var oldest identity.Name
	var found *peerStats
	for n, p := range s.peers {
		if p.open.Load() == 0 && (found == nil || p.last.Before(found.last)) {
			oldest, found = n, p
		}
	}
	if found == nil {
		return
	}
	delete(s.peers, oldest)
	s.rest.connections.Add(found.connections.Load())
	s.rest.in.Add(found.in.Load())
	s.rest.out.Add(found.out.Load())
	s.rest.requests.Add(found.requests.Load())
	s.rest.failedRequests.Add(found.failedRequests.Load())
}

func (s *routeStats) closed(p *peerStats) {
	s.mu.Lock() // so that forget sees the last counts
	defer s.mu.Unlock()
	p.open.Add(-1)
}

// refused counts a connection that got nowhere.
func (s *routeStats) refused(how outcome, err error) {
	s.metrics.refusals.WithLabelValues(s.name, checkOf(how, err)).Inc()
}

func (s *routeStats) finished(how outcome) {
	s.metrics.outcomes.WithLabelValues(s.name, string(how)).Inc()
}

// answered counts a request; peer is nil if none was reached.
func (s *routeStats) answered(peer *peerStats, class string, began time.Time) {
	s.metrics.requests.WithLabelValues(s.name, class).Observe(time.Since(began).Seconds())
	if peer == nil {
		return
	}
	peer.requests.Add(1)
	if class == "5xx" || class == "aborted" {
		peer.failedRequests.Add(1)
	}
}

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("milagro_proxy_"+name, help, labels, nil)
}

// Describe sends nothing: what is collected changes with the peers.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect sends the counts of peers and the state of keys.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	total := described("connections_total", "Identity TLS connections, by route and peer.", "route", "peer")
	open := described("connections_open", "Identity TLS connections that are open, by route and peer.", "route", "peer")
	bytes := described("bytes_total", "Bytes inside identity TLS, by route, peer and direction; bodies alone in HTTP.", "route", "peer", "direction")
	requests := described("requests_total", "HTTP requests, by route, peer and result.", "route", "peer", "result")
	for p, route := range m.each {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, n int64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, kind, float64(n), append([]string{route, p.name}, labels...)...)
		}
		send(total, prometheus.CounterValue, p.connections.Load())
		send(open, prometheus.GaugeValue, p.open.Load())
		send(bytes, prometheus.CounterValue, p.in.Load(), "from_peer")
		send(bytes, prometheus.CounterValue, p.out.Load(), "to_peer")
		if failed, all := p.failedRequests.Load(), p.requests.Load(); all > 0 {
			send(requests, prometheus.CounterValue, all-failed, "answered")
			send(requests, prometheus.CounterValue, failed, "failed")
		}
	}
	m.keys.collect(out)
}

// errNoKey is an own side that has no credential.
var errNoKey = errors.New("no key of this name is good now")
