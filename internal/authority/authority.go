package authority

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/mail"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
)

// expireEvery is how often what is old is forgotten.
const expireEvery = 10 * time.Minute

// Authority is one Distributed Trust Authority, open. Its handlers may be used
// by many goroutines.
type Authority struct {
	dir        string
	self       *self
	state      *state
	documents  *documents
	ceremonies *ceremonies
	issuer     *issuer
	registrar  *registrar
	logins     *logins
	lists      *revocations
	operators  *operators
	collector  *collector
	clock      func() time.Time
	log        *slog.Logger
	metrics    *telemetry.Metrics
	counters   *counters
}

// Open opens the authority that Init made in cfg.Dir. Errors name the file and
// wrap the sentinels of custody and store. A share that is missing, damaged or another's is
// no error here: the authority serves what needs no share, and Ready says why.
func Open(ctx context.Context, cfg Config) (*Authority, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Limits.check(); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if err := CheckTokenRoots(cfg.TokenRoots); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if err := CheckRegistrationRoots(cfg.Registrations, cfg.Mail); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	sender, err := mail.New(cfg.Mail)
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	if err := checkPrivate(cfg.Dir); err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	me, err := loadSelf(cfg.Dir, cfg.Protector)
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	db, err := store.Open(ctx, stateConfig(cfg.Dir))
	if err != nil {
		return nil, fmt.Errorf("open authority: %w", err)
	}
	a := assemble(cfg, me, &state{db: db}, sender)
	if err := a.documents.reload(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open authority: %w", err), db.Close())
	}
	if served, err := a.documents.published(); err == nil {
		a.issuer.roots.warn(served.Document)
		a.issuer.registrations.warn(served.Document)
	}
	return a, nil
}

func assemble(cfg Config, me *self, st *state, sender *mail.Sender) *Authority {
	v := &vault{dir: filepath.Join(cfg.Dir, sharesDir), protector: cfg.Protector}
	a := &Authority{dir: cfg.Dir, self: me, state: st, clock: cfg.Clock, log: cfg.Logger, metrics: telemetry.NewMetrics()}
	a.counters = newCounters(a.metrics)
	a.documents = &documents{self: me, state: st, vault: v, clock: cfg.Clock, log: cfg.Logger, changed: make(chan struct{}, 1)}
	a.ceremonies = newCeremonies(a.documents, cfg)
	a.issuer = &issuer{self: me, state: st, documents: a.documents, limits: cfg.Limits, clock: cfg.Clock, log: cfg.Logger, counters: a.counters,
		roots:         newRoots(cfg.TokenRoots, me.card.URL, cfg),
		registrations: newRegistrations(cfg, &postman{self: me, state: st, sender: sender, limit: cfg.Limits.Mails, log: cfg.Logger})}
	a.registrar = &registrar{state: st, documents: a.documents, clock: cfg.Clock, log: cfg.Logger}
	a.logins = &logins{self: me, state: st, documents: a.documents, clock: cfg.Clock, log: cfg.Logger, counters: a.counters}
	a.lists = &revocations{self: me, state: st, documents: a.documents, clock: cfg.Clock, log: cfg.Logger}
	a.operators = &operators{self: me, state: st, documents: a.documents, clock: cfg.Clock, log: cfg.Logger}
	a.collector = &collector{documents: a.documents, client: &dta.Client{HTTP: cfg.Peers}, log: cfg.Logger}
	a.registerGauges()
	return a
}

// Close erases what lives in memory only and closes the state. Nothing is
// served any more.
func (a *Authority) Close() error {
	a.ceremonies.close()
	return a.state.db.Close()
}

// SocketPath returns where the authority in dir serves its operator.
func SocketPath(dir string) string { return filepath.Join(dir, socketFile) }

// ListenAdmin opens the operator's socket, mode 0600, in the authority's
// directory. One that a killed process left behind is replaced: the state's lock
// says that nobody serves it.
func (a *Authority) ListenAdmin() (net.Listener, error) {
	path := SocketPath(a.dir)
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("admin socket: %w", err)
		}
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, withHint(fmt.Errorf("admin socket: %w", err), "the path of a socket has at most 107 bytes: choose a shorter directory")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), listener.Close())
	}
	return listener, nil
}

// Run serves both listeners and does what has its own time: the stamp of each
// day, and forgetting. It returns when ctx ends and all is over, or when a
// listener breaks.
func (a *Authority) Run(ctx context.Context, public, admin net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tasks := []func() error{
		func() error { return webserver.Run(ctx, public, webserver.Config{Handler: a.Public(), Logger: a.log}) },
		func() error { return webserver.Run(ctx, admin, webserver.Config{Handler: a.Admin(), Logger: a.log}) },
		func() error { a.collector.run(ctx); return nil },
		func() error { a.forget(ctx); return nil },
	}
	errs := make([]error, len(tasks))
	var all sync.WaitGroup
	for i, task := range tasks {
		all.Go(func() {
			defer cancel()
			errs[i] = task()
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// forget deletes, now and then, what has no use any more.
func (a *Authority) forget(ctx context.Context) {
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		if err := a.state.expire(ctx, a.clock()); err != nil && ctx.Err() == nil {
			a.log.Error("old rows not deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// checks are what must be so before keys are issued. A stamp is none of them:
// without one, renewals go on.
func (a *Authority) checks() []telemetry.Check {
	return []telemetry.Check{
		{Name: "domain", Run: func(context.Context) error {
			s := a.documents.served.Load()
			return s.fault
		}},
		{Name: "state", Run: func(ctx context.Context) error {
			if a.state.db.Check(ctx) != nil {
				return errors.New("the database cannot be written")
			}
			return nil
		}},
		{Name: "clock", Run: func(ctx context.Context) error {
			_, err := a.state.issued(ctx, a.clock())
			if err != nil {
				return problem.Of(err)
			}
			return nil
		}},
	}
}

// ready returns the first check that fails.
func (a *Authority) ready(ctx context.Context) error {
	for _, check := range a.checks() {
		if err := check.Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", check.Name, err)
		}
	}
	return nil
}
