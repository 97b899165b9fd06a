package login

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/mail"
	"milagro.dev/internal/oidc"
	"milagro.dev/internal/store"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

const (
	// sweepEvery is how often sessions that are past are forgotten.
	sweepEvery = 5 * time.Second
	// tidyEvery is how often other old things are, and the journal is completed.
	tidyEvery = 10 * time.Minute
)

// Server is the login server of one service, open. Its handlers may be used by
// many goroutines.
type Server struct {
	dir       string
	self      *self
	state     *state
	realm     *realm
	gate      *gate
	registrar *registrar
	registry  *registry
	journal   *journal
	outbox    *outbox
	desk      *desk
	council   *council
	provider  *oidc.Provider // nil without OpenID
	ownership *ownership
	pages     http.Handler // nil without pages
	name      identity.Name
	auditLife time.Duration
	clock     func() time.Time
	log       *slog.Logger
	metrics   *telemetry.Metrics
	counters  *counters
}

// Listeners are where a server serves; Channel, for logins over identity TLS
// (channel kind 1), may be nil.
type Listeners struct {
	Public, Admin, Channel net.Listener
}

// Open opens the login server that Init made in cfg.Dir. Errors name the file and
// wrap the sentinels of custody and store. A domain document or a server key that
// is missing or does not fit is no error here: the server comes up, says in its
// readiness what is wrong, and serves as soon as it is right.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	s, err := open(ctx, cfg.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("open login server: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := checkPrivate(cfg.Dir); err != nil {
		return nil, err
	}
	me, err := loadSelf(cfg.Dir, cfg.Protector)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, stateConfig(cfg.Dir, cfg.Database))
	if err != nil {
		return nil, err
	}
	journal, err := openJournal(cfg.Dir) // nobody else has it: the database's lock is here
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s, err := assemble(cfg, me, &state{db: db}, journal)
	if err == nil {
		err = s.prepare(ctx, cfg.Start)
	}
	if err == nil && cfg.OpenID == WithOpenID {
		s.provider, err = s.newProvider(ctx, cfg)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close(), journal.close())
	}
	return s, nil
}

func assemble(cfg Config, me *self, st *state, j *journal) (*Server, error) {
	s := &Server{dir: cfg.Dir, pages: cfg.Pages, self: me, state: st, journal: j, name: cfg.Name, auditLife: cfg.AuditLife, clock: cfg.Clock, log: cfg.Logger, metrics: telemetry.NewMetrics()}
	s.counters = newCounters(s.metrics)
	client := &dta.Client{HTTP: cfg.Peers}
	w, err := wallet.Open(wallet.Config{Dir: WalletDir(cfg.Dir), Client: client, Clock: cfg.Clock, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	ring := &keyring{dir: cfg.Dir, protector: cfg.Protector}
	s.realm = &realm{self: me, domain: cfg.Domain, wallet: w, keyring: ring, log: cfg.Logger, every: cfg.Refresh,
		courier: &courier{keyring: ring, client: client, signing: me.signing, clock: cfg.Clock, log: cfg.Logger,
			asked: map[uint32]*asking{}, why: map[uint32]string{}}}
	s.realm.now.Store(&served{fault: errors.New("it is starting")})
	sender, err := mail.New(cfg.Mail)
	if err != nil {
		return nil, err
	}
	s.outbox = &outbox{state: st, realm: s.realm, signing: me.signing, client: client, mailer: &mailer{sender}, clock: cfg.Clock, log: cfg.Logger,
		counters: s.counters, woken: make(chan struct{}, 1)}
	notary, err := newNotary(me)
	if err != nil {
		return nil, err
	}
	s.gate = &gate{realm: s.realm, state: st, journal: j, outbox: s.outbox, verifier: newVerifier(cfg.Batching, s.counters.batch), notary: notary,
		sessions: int64(cfg.Sessions), finishing: make(chan struct{}, maxFinishing), clock: cfg.Clock, log: cfg.Logger, counters: s.counters,
		watermark: identity.NewWatermark(identity.Epoch{})}
	s.registrar = &registrar{realm: s.realm, state: st, clock: cfg.Clock, log: cfg.Logger}
	s.registry = &registry{state: st, realm: s.realm, journal: j, outbox: s.outbox, clock: cfg.Clock, log: cfg.Logger}
	s.desk = newDesk(&inviter{realm: s.realm, state: st, signing: me.signing, origin: me.card.Origin, mailer: s.outbox.mailer, byMail: cfg.ByMail,
		asked: make(chan identity.Name, askedAtOnce), clock: cfg.Clock, log: cfg.Logger}, newRelay(s.realm, cfg.Peers), cfg.Proxies)
	s.outbox.inviter = s.desk.inviter
	s.council = &council{operators: cfg.Operators, server: me.card.Ed25519, state: st, inviter: s.desk.inviter, add: s.addApplication, clock: cfg.Clock, log: cfg.Logger}
	s.ownership = &ownership{statements: s.reader(cfg), state: st, registry: s.registry}
	s.registerGauges()
	return s, nil
}

// prepare makes the state fit to be served.
func (s *Server) prepare(ctx context.Context, start Start) error {
	s.realm.reload()
	if err := s.registry.recover(ctx); err != nil {
		return err
	}
	if start == Restored {
		if err := s.state.restored(ctx, s.clock()); err != nil {
			return err
		}
	}
	return s.sweep(ctx)
}

// Close closes the state. Nothing is served any more.
func (s *Server) Close() error { return errors.Join(s.state.db.Close(), s.journal.close()) }

// SocketPath returns where the login server in dir serves its operator.
func SocketPath(dir string) string { return filepath.Join(dir, socketFile) }

// ListenAdmin opens the operator's socket, mode 0600, in the server's directory.
// One that a killed process left behind is replaced.
func (s *Server) ListenAdmin() (net.Listener, error) {
	path := SocketPath(s.dir)
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

// Run serves the listeners and does what has its own time: the newest domain
// document, the server key, its own channel key, what others are told, and
// forgetting. It returns when ctx ends and all is over, or when a listener breaks.
func (s *Server) Run(ctx context.Context, l Listeners) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tasks := []func() error{
		func() error {
			return webserver.Run(ctx, l.Public, webserver.Config{Handler: s.Public(), Logger: s.log})
		},
		func() error { return webserver.Run(ctx, l.Admin, webserver.Config{Handler: s.Admin(), Logger: s.log}) },
		func() error { s.realm.run(ctx); return nil },
		func() error { s.outbox.run(ctx); return nil },
		func() error { s.desk.inviter.run(ctx); return nil },
		func() error { s.forget(ctx); return nil },
	}
	if s.provider != nil {
		tasks = append(tasks, func() error { s.provider.Run(ctx); return nil })
	}
	if l.Channel != nil {
		tasks = append(tasks, func() error { return s.serveChannel(ctx, l.Channel) }, func() error { s.keep(ctx); return nil })
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

// serveChannel serves everybody of the domain over identity TLS.
func (s *Server) serveChannel(ctx context.Context, l net.Listener) error {
	config, err := idtls.ServerConfig(s.realm.wallet.Source(s.name), idtls.Member(s.name.Domain()), "h2", "http/1.1")
	if err != nil {
		return err
	}
	return webserver.Run(ctx, tls.NewListener(l, config), webserver.Config{Handler: s.Bound(), Logger: s.log})
}

// keep renews the server's channel key, from when it is enrolled.
func (s *Server) keep(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.realm.wallet.Keep(ctx, s.name)
		if ctx.Err() != nil {
			return
		}
		s.log.Error("channel key not renewed", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(sweepEvery):
		}
	}
}

// forget deletes, now and then, what has no use any more.
func (s *Server) forget(ctx context.Context) {
	sweep, tidy := time.NewTicker(sweepEvery), time.NewTicker(tidyEvery)
	defer sweep.Stop()
	defer tidy.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			err = s.sweep(ctx)
		case <-tidy.C:
			err = errors.Join(s.state.expireAudit(ctx, s.clock(), s.auditLife), s.state.expireInvitations(ctx, s.clock()),
				s.state.expireProposals(ctx, s.clock(), s.auditLife), s.registry.reconcile(ctx))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("old rows not deleted", "error", err)
		}
	}
}

// sweep forgets old sessions, and learns what other servers of this database did.
func (s *Server) sweep(ctx context.Context) error {
	open, err := s.state.expireSessions(ctx, s.clock())
	if err != nil {
		return err
	}
	s.gate.open.Store(open)
	highest, err := s.state.highest(ctx)
	if err == nil {
		s.gate.watermark.Raise(highest)
	}
	return err
}

// checks are what must be so before people log in.
func (s *Server) checks() []telemetry.Check {
	checks := []telemetry.Check{
		{Name: "service", Run: func(context.Context) error { return s.realm.now.Load().fault }},
		{Name: "state", Run: func(ctx context.Context) error {
			if s.state.db.Check(ctx) != nil {
				return errors.New("the database cannot be written")
			}
			return nil
		}},
	}
	if s.name.IsZero() {
		return checks
	}
	source := s.realm.wallet.Source(s.name)
	return append(checks, telemetry.Check{Name: "channel", Run: func(context.Context) error {
		if _, err := source.Credential(); err != nil {
			return fmt.Errorf("no channel key of %v for the present time", s.name)
		}
		return nil
	}})
}
