package proxy

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/telemetry"
)

// Config of a Proxy.
type Config struct {
	// Logger gets what the operator must know. Nil stands for none.
	Logger *slog.Logger
	// Metrics get the proxy's own beside those of every server. Nil stands for new ones.
	Metrics *telemetry.Metrics
	// Keep renews the keys of a name until ctx ends (wallet.Keep). Nil if another
	// process does.
	Keep func(context.Context, identity.Name) error
	// Ahead reports whether the key of the next epoch of a name is in the wallet
	// (wallet.Outlook). Nil if nobody knows.
	Ahead func(identity.Name) (bool, error)
}

// Plan is what a Proxy is to do.
type Plan struct {
	Routes []Route
	// Drain is how long connections may go on after their route has gone, or the
	// proxy was told to end.
	Drain time.Duration
	// AccessLog gets a line for each connection or request; nil for none.
	AccessLog *slog.Logger
}

// Proxy serves routes. Its methods may be called by many goroutines.
type Proxy struct {
	log     *slog.Logger
	metrics *metrics
	keys    *keyring
	buffers *buffers

	ctx context.Context // of everything that is open; cancel cuts it
	cut context.CancelFunc
	wg  sync.WaitGroup // of all goroutines

	mu     sync.Mutex // of all below; Apply holds it to its end
	ports  map[Address]*port
	drain  time.Duration
	ending bool
}

// New returns a proxy that does nothing yet.
func New(c Config) *Proxy {
	log := cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	p := &Proxy{log: log, buffers: newBuffers(), ports: map[Address]*port{}, drain: defaultDrain}
	p.ctx, p.cut = context.WithCancel(context.Background())
	p.keys = newKeyring(log, c.Keep, c.Ahead)
	p.metrics = newMetrics(cmp.Or(c.Metrics, telemetry.NewMetrics()), p.keys)
	return p
}

// Run serves until ctx ends; then it closes the listeners, lets connections go on
// for the time of Plan.Drain, cuts what is left, and returns when every goroutine
// has. It is called once; without it a Proxy is never over.
func (p *Proxy) Run(ctx context.Context) error {
	<-ctx.Done()
	p.mu.Lock()
	p.ending = true
	ports, drain := p.ports, p.drain
	p.ports = map[Address]*port{}
	p.mu.Unlock()
	p.log.Info("draining", "connections", p.metrics.open(), "at most", drain.String())
	for _, port := range ports {
		p.wg.Go(func() { port.end(drain) })
	}
	p.keys.stop()
	p.wg.Wait()
	p.cut()
	p.log.Info("all connections are closed")
	return nil
}

// Address returns where the route of this name listens, nil if there is none: the
// port is the one that the system has chosen where 0 was asked for.
func (p *Proxy) Address(route string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range p.ports {
		if port.route.Load().Name == route {
			return port.listener.Addr().String()
		}
	}
	return ""
}
