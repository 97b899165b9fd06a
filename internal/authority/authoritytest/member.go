package authoritytest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"milagro.dev/internal/authority"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/dkg"
)

// Member is one authority of a domain.
type Member struct {
	Card *dkg.Card
	// Dir is its directory; KeyFile, in it, unseals what is there.
	Dir     string
	KeyFile string
	// Authority is open while the member runs.
	Authority *authority.Authority

	index     uint32
	config    Config
	address   string
	protector custody.Protector
	cancel    context.CancelFunc
	over      chan error
	operators []ed25519.PrivateKey
}

// newMember makes an authority and starts it.
func newMember(ctx context.Context, index uint32, cfg Config) (*Member, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Member{index: index, config: cfg, address: listener.Addr().String()}
	if err := m.initialise(ctx, fmt.Sprintf("operator %d", index)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return m, m.serve(ctx, listener)
}

func (m *Member) initialise(ctx context.Context, name string) (err error) {
	// Not the test's directory: a socket's path has at most 107 bytes.
	if m.Dir, err = os.MkdirTemp("", "dta"); err != nil {
		return err
	}
	m.KeyFile = filepath.Join(m.Dir, "key")
	if m.protector, err = custody.NewKeyFile(m.KeyFile); err != nil {
		return err
	}
	m.Card, err = authority.Init(ctx, m.Dir, m.protector, name, m.URL())
	return err
}

// URL returns where the member serves.
func (m *Member) URL() string { return "http://" + m.address }

// Operator speaks to the member's admin socket.
func (m *Member) Operator() *authority.Operator {
	return authority.NewOperator(authority.SocketPath(m.Dir))
}

// Start serves a member that was stopped, at its old address.
func (m *Member) Start(ctx context.Context) error {
	listener, err := net.Listen("tcp", m.address)
	if err != nil {
		return err
	}
	return m.serve(ctx, listener)
}

func (m *Member) serve(ctx context.Context, public net.Listener) error {
	cfg := authority.Config{Dir: m.Dir, Protector: m.protector, Clock: m.config.Clock, Limits: m.config.Limits, Logger: m.config.Logger,
		Mail: m.config.Mail}
	if m.config.TokenRoots != nil {
		cfg.TokenRoots = m.config.TokenRoots(m.index)
	}
	if m.config.Registrations != nil {
		cfg.Registrations = m.config.Registrations(m.index)
	}
	opened, err := authority.Open(ctx, cfg)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	admin, err := opened.ListenAdmin()
	if err != nil {
		return errors.Join(err, public.Close(), opened.Close())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.Authority, m.cancel, m.over = opened, cancel, make(chan error, 1)
	go func() { m.over <- errors.Join(opened.Run(running, public, admin), opened.Close()) }()
	return nil
}

// Stop ends the member; its directory stays. A member that is down stays down.
func (m *Member) Stop() error {
	if m.cancel == nil {
		return nil
	}
	// A connection that was never used would hold up the server for 5 s.
	http.DefaultClient.CloseIdleConnections()
	m.cancel()
	m.cancel = nil
	return <-m.over
}

// Restart is Stop and Start.
func (m *Member) Restart(ctx context.Context) error { return errors.Join(m.Stop(), m.Start(ctx)) }

func (m *Member) remove() error { return errors.Join(m.Stop(), os.RemoveAll(m.Dir)) }
