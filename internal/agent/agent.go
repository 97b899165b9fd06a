package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/systemd"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

const (
	// beatEvery is how often the agent looks after its names.
	beatEvery = time.Second
	// lookEvery is how often it looks whether there are other names, and at one that
	// has all its keys.
	lookEvery = 5 * time.Second
	// stuckAfter is how long one look may take before the agent is taken for stuck.
	stuckAfter = 30 * time.Second
	// roundAtMost is how long the service manager waits for the first tries.
	roundAtMost = 30 * time.Second
	// grace is for requests under way at the end.
	grace = 500 * time.Millisecond
)

// Agent keeps the names of one wallet. Its methods may be called by many
// goroutines.
type Agent struct {
	wallet   *wallet.Wallet
	clock    func() time.Time
	log      *slog.Logger
	notify   *systemd.Notifier
	metrics  *telemetry.Metrics
	counters *counters
	poked    chan struct{} // look now
	began    time.Time
	beat     atomic.Int64 // when it looked last, in nanoseconds since began; 0 if not yet

	mu     sync.Mutex // of all below
	plan   Plan
	listed time.Time // when the wallet was looked through for names
	wards  map[identity.Name]*ward
	pins   map[Domain]*pin
	status string // that the service manager was told
	up     bool   // it was told that the agent is ready
}

// New opens the wallet in c.Dir. Errors are those of a plan that contradicts itself
// and of wallet.Open.
func New(c Config) (*Agent, error) {
	c = c.withDefaults()
	if err := c.Plan.check(); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	a := &Agent{clock: c.Clock, log: c.Logger, notify: c.Notify, metrics: telemetry.NewMetrics(), plan: c.Plan,
		poked: make(chan struct{}, 1), began: time.Now(), wards: map[identity.Name]*ward{}, pins: map[Domain]*pin{}}
	a.counters = newCounters(a.metrics, c.Version)
	a.metrics.Registry().MustRegister(outlooks{a})
	var err error
	a.wallet, err = wallet.Open(wallet.Config{Dir: c.Dir, Client: c.Client, Clock: c.Clock, Logger: slog.New(sayOnce(c.Logger.Handler())), Renewed: a.renewed})
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	a.metrics.Registry().MustRegister(Revocations{Program: "agent", Wallet: a.wallet, Domains: a.domains})
	return a, nil
}

// Wallet returns the wallet that the agent keeps.
func (a *Agent) Wallet() *wallet.Wallet { return a.wallet }

// Apply makes the agent keep what p says from now on. Names that stay are not
// disturbed; those that wait to try again, try now. It refuses a plan that contradicts
// itself and goes on with the old one.
func (a *Agent) Apply(p Plan) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	a.mu.Lock()
	a.plan, a.listed = p, time.Time{}
	for _, w := range a.wards {
		wake(w.enrolSoon)
	}
	a.mu.Unlock()
	wake(a.poked)
	return nil
}

// Reload applies the plan that load returns, and tells the service manager when it
// begins and ends. With an error, which is logged too, the agent goes on as it was.
func (a *Agent) Reload(load func() (Plan, error)) error {
	told := a.notify.Reloading()
	p, err := load()
	if err == nil {
		err = a.Apply(p)
	}
	if err != nil {
		a.log.Error("configuration not read again: the old one stays in force", "error", err)
	} else {
		a.log.Info("configuration read again")
	}
	if told = errors.Join(told, a.notify.Ready(a.Status())); told != nil {
		a.log.Warn("the service manager was not told", "error", told)
	}
	return err
}

// Run keeps the names, and serves metrics and probes on listener if it is not nil,
// until ctx ends, which is no error. It returns when all is over.
func (a *Agent) Run(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var served error
	if listener != nil {
		running.Go(func() {
			defer cancel()
			served = webserver.Run(ctx, listener, webserver.Config{Handler: a.Handler(), Logger: a.log, Grace: grace})
		})
	}
	running.Go(func() { a.notify.Watchdog(ctx, a.alive) })
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		a.supervise(ctx, &running)
		a.look()
		a.beat.Store(max(1, int64(time.Since(a.began))))
		select {
		case <-ctx.Done():
		case <-a.poked:
		case <-ticker.C:
		}
	}
	err := a.notify.Stopping()
	cancel()
	running.Wait()
	return errors.Join(served, err)
}

// alive reports whether the agent still looks after its names.
func (a *Agent) alive() bool {
	return time.Since(a.began)-time.Duration(a.beat.Load()) < stuckAfter
}

// supervise starts to keep what is wanted, and ceases to keep what is not.
func (a *Agent) supervise(ctx context.Context, running *sync.WaitGroup) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.listed.IsZero() && time.Since(a.listed) < lookEvery {
		return
	}
	a.listed = time.Now()
	a.supervisePins(ctx, running)
	wanted := a.wanted()
	for name, w := range a.wards {
		if _, still := wanted[name]; !still {
			w.cancel()
			delete(a.wards, name)
			a.counters.forget(name)
			a.log.Info("no longer kept", "name", name)
		}
	}
	for _, config := range sorted(wanted) {
		if w, known := a.wards[config.Name]; known {
			w.configure(config)
			continue
		}
		w := newWard(a, config)
		life, cancel := context.WithCancel(ctx)
		w.cancel = cancel
		a.wards[config.Name] = w
		running.Go(func() { w.run(life) })
		a.log.Info("kept", "name", config.Name)
	}
}

// wanted returns the names to keep. The caller holds the lock.
func (a *Agent) wanted() map[identity.Name]Name {
	wanted := map[identity.Name]Name{}
	if a.plan.Scope == Everything {
		found, err := a.wallet.Kept()
		for _, name := range found {
			wanted[name] = Name{Name: name}
		}
		if err != nil { // one that does not read may be one that was kept
			a.log.Debug("the wallet does not read", "error", err)
			for name := range a.wards {
				wanted[name] = Name{Name: name}
			}
		}
	}
	for _, n := range a.plan.Names {
		wanted[n.Name] = n
	}
	return wanted
}

// sorted returns names in order of their text.
func sorted(names map[identity.Name]Name) []Name {
	return slices.SortedFunc(maps.Values(names), func(a, b Name) int { return cmp.Compare(a.Name.String(), b.Name.String()) })
}

// wake makes who waits for c go on; who does not wait yet, will not have to.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// rest waits until soon is woken, the pause is over or ctx ends.
func rest(ctx context.Context, pause time.Duration, soon chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-soon:
	case <-timer.C:
	}
}
