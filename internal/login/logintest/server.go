package logintest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/login"
	"milagro.dev/wallet"
)

// patience is how long a server may take until it is ready, or says that it is not.
const patience = 30 * time.Second

// Domain is a running trust domain: *authoritytest.Domain.
type Domain interface {
	// AddService makes the master of the service of a card.
	AddService(ctx context.Context, card *dta.LoginCard) error
	// ApproveLogin has two operators of each authority approve one delivery.
	ApproveLogin(ctx context.Context, service string) error
	// RegisterLogin returns a code of each authority for a name.
	RegisterLogin(ctx context.Context, name identity.Name, service string) (map[uint32]dta.Code, error)
	// Register returns a code of each authority for a name and a purpose.
	Register(ctx context.Context, name identity.Name, purpose identity.Purpose) (map[uint32]dta.Code, error)
}

// Config of a login server.
type Config struct {
	Domain    Domain
	Published *dta.Published // a document of it, of any revision
	Service   string         // login
	// Origin is where people reach it, if not at its own address: a proxy's.
	Origin string
	// Host is what people call the machine: 127.0.0.1. Browsers have WebAuthn for names
	// alone, such as localhost.
	Host string
	// Login is how it serves; Dir and Protector are made.
	Login login.Config
	// Over serves over identity TLS as well, as Login.Name, which is enrolled then.
	Over Over
}

// Over says on which channels a server serves.
type Over uint8

const (
	// HTTP is channel kind 0 alone.
	HTTP Over = iota
	// Both is channel kinds 0 and 1.
	Both
)

// Server is a login server that runs.
type Server struct {
	Card *dta.LoginCard
	// Dir is its directory; KeyFile, outside it, unseals what is there.
	Dir, KeyFile string
	// Login is open while the server runs.
	Login *login.Server

	config    Config
	wallet    *wallet.Wallet
	stretched *stretched
	root      string
	address   string
	channel   string
	cancel    context.CancelFunc
	over      chan error
}

// New makes a login server that serves logins, and ends with the test.
func New(t testing.TB, cfg Config) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Make(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Make makes a login server that serves logins; Close ends it.
func Make(ctx context.Context, cfg Config) (*Server, error) {
	s, err := Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	err = cfg.Domain.AddService(ctx, s.Card)
	if err == nil {
		err = cfg.Domain.ApproveLogin(ctx, s.Card.Service)
	}
	if err == nil && cfg.Over == Both {
		err = s.enrol(ctx)
	}
	if err == nil {
		err = s.Start(ctx)
	}
	if err == nil {
		err = s.AwaitReady(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// enrol gets the server its channel key.
func (s *Server) enrol(ctx context.Context) error {
	codes, err := s.config.Domain.Register(ctx, s.config.Login.Name, identity.Channel)
	if err != nil {
		return err
	}
	_, err = s.wallet.Enrol(ctx, s.config.Login.Name, identity.Channel, codes)
	return err
}

// Prepare makes a login server whose domain is pinned and has no service for it
// yet. It does not run.
func Prepare(ctx context.Context, cfg Config) (s *Server, err error) {
	if cfg.Service == "" {
		cfg.Service = "login"
	}
	if cfg.Login.Refresh == 0 {
		cfg.Login.Refresh = 50 * time.Millisecond
	}
	s = &Server{config: cfg, stretched: newStretched()}
	if s.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if cfg.Origin == "" {
		cfg.Origin = s.URL()
	}
	if s.channel, err = freeAddress(); err != nil {
		return nil, err
	}
	// Not the test's directory: a socket's path has at most 107 bytes.
	if s.root, err = os.MkdirTemp("", "login"); err != nil {
		return nil, err
	}
	s.Dir, s.KeyFile = filepath.Join(s.root, "dir"), filepath.Join(s.root, "key")
	if s.config.Login.Protector, err = custody.NewKeyFile(s.KeyFile); err != nil {
		return nil, err
	}
	s.config.Login.Dir = s.Dir
	s.Card, err = login.Init(ctx, login.InitConfig{Dir: s.Dir, Protector: s.config.Login.Protector, Service: cfg.Service, Origin: cfg.Origin,
		Database: cfg.Login.Database})
	if err != nil {
		return nil, err
	}
	if s.wallet, err = s.Wallet(); err != nil {
		return nil, err
	}
	document := cfg.Published.Document
	_, err = s.wallet.Pin(ctx, document.Authorities()[0].URL, document.ID())
	return s, err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// URL returns where the server serves: its origin.
func (s *Server) URL() string {
	_, port, _ := net.SplitHostPort(s.address) // of a listener
	return "http://" + net.JoinHostPort(cmp.Or(s.config.Host, "127.0.0.1"), port)
}

// Channel returns the address where it serves over identity TLS.
func (s *Server) Channel() string { return s.channel }

// Operator speaks to the server's admin socket.
func (s *Server) Operator() *login.Operator { return login.NewOperator(login.SocketPath(s.Dir)) }

// Wallet opens the server's wallet, as another process may.
func (s *Server) Wallet() (*wallet.Wallet, error) {
	return wallet.Open(wallet.Config{Dir: login.WalletDir(s.Dir), Clock: s.config.Login.Clock})
}

// Configure changes how the server is opened from its next start on.
func (s *Server) Configure(change func(*login.Config)) { change(&s.config.Login) }

// Start serves a server that does not run, at its address.
func (s *Server) Start(ctx context.Context) error {
	var l login.Listeners
	var err error
	if l.Public, err = net.Listen("tcp", s.address); err != nil {
		return err
	}
	if s.config.Over == Both {
		if l.Channel, err = net.Listen("tcp", s.channel); err != nil {
			return errors.Join(err, l.Public.Close())
		}
	}
	opened, err := login.Open(ctx, s.config.Login)
	if err != nil {
		return errors.Join(err, closeAll(l))
	}
	if l.Admin, err = opened.ListenAdmin(); err != nil {
		return errors.Join(err, closeAll(l), opened.Close())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.Login, s.cancel, s.over = opened, cancel, make(chan error, 1)
	go func() { s.over <- errors.Join(opened.Run(running, l), opened.Close()) }()
	return nil
}

func closeAll(l login.Listeners) error {
	err := l.Public.Close()
	if l.Channel != nil {
		err = errors.Join(err, l.Channel.Close())
	}
	return err
}

// AwaitReady waits until people can log in.
func (s *Server) AwaitReady(ctx context.Context) error {
	return s.await(ctx, func(status int, _ string) bool { return status == http.StatusOK })
}

// AwaitFault waits until nobody can log in, and the readiness says this.
func (s *Server) AwaitFault(ctx context.Context, says func(body string) bool) error {
	return s.await(ctx, func(status int, body string) bool { return status != http.StatusOK && says(body) })
}

func (s *Server) await(ctx context.Context, reached func(status int, body string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		status, body, err := s.Ready(ctx)
		if err == nil && reached(status, body) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s is %d %s", s.URL(), status, body), err, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Ready returns what /readyz says.
func (s *Server) Ready(ctx context.Context) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/readyz", nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return response.StatusCode, string(b), err
}

// Stop ends the server; its directory stays.
func (s *Server) Stop() error {
	if s.cancel == nil {
		return nil
	}
	// A connection that was never used would hold up the server for 5 s.
	http.DefaultClient.CloseIdleConnections()
	s.cancel()
	s.cancel = nil
	return <-s.over
}

// Restart is Stop, Start and AwaitReady.
func (s *Server) Restart(ctx context.Context) error {
	err := errors.Join(s.Stop(), s.Start(ctx))
	if err != nil {
		return err
	}
	return s.AwaitReady(ctx)
}

// Close stops the server and removes its directory.
func (s *Server) Close() error { return errors.Join(s.Stop(), os.RemoveAll(s.root)) }

// Replica makes and starts another server of the same keys and the same PostgreSQL
// database, at an address of its own; Close ends it.
func (s *Server) Replica(ctx context.Context) (*Server, error) {
	r := &Server{Card: s.Card, config: s.config, wallet: s.wallet, stretched: s.stretched}
	var err error
	if r.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if r.root, err = os.MkdirTemp("", "login"); err != nil {
		return nil, err
	}
	r.Dir, r.KeyFile = filepath.Join(r.root, "dir"), s.KeyFile
	r.config.Login.Dir, r.config.Over = r.Dir, HTTP
	if err := os.CopyFS(r.Dir, keepers{os.DirFS(s.Dir)}); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := private(r.Dir); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.Start(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.AwaitReady(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
