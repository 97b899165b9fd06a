//go:build linux

package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/wallet"
)

const roleService = "service"

const (
	// callEvery is the pause between two connections to a peer, and between two
	// messages on an open one.
	callEvery = 50 * time.Millisecond
	// answerWithin is how long a peer may take: a service that waits longer has
	// failed its own callers.
	answerWithin = 3 * time.Second
)

// tally is what a service has done so far; it prints it as one line of JSON.
type tally struct {
	Calls    int      // new connections that were answered
	Echoes   int      // messages answered on long connections
	Streams  int      // long connections so far, one an epoch and peer
	Epoch    uint64   // start of the epoch of the credential in use
	Failures []string // all of them
}

// mesh is a service that echoes lines to its peers and asks all of them for echoes,
// over new connections and long ones. It links the library and keeps its keys, or
// knows nothing of us and has a sidecar that does.
type mesh struct {
	name   identity.Name
	plain  bool // behind a sidecar
	wallet *wallet.Wallet
	source idtls.Source
	peers  map[identity.Name]string // addresses

	mu    sync.Mutex
	tally tally
}

// service is role service: flags, then NAME=ADDRESS for each peer.
func service(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(roleService, flag.ContinueOnError)
	plain := flags.Bool("plain", false, "leave TLS and keys to a sidecar")
	dir, as, listen := flags.String("dir", "", "wallet"), flags.String("as", "", "name"), flags.String("listen", "", "address")
	if err := flags.Parse(args); err != nil {
		return err
	}
	w, err := wallet.Open(wallet.Config{Dir: *dir, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	m := &mesh{plain: *plain, wallet: w, peers: map[identity.Name]string{}}
	if m.name, err = identity.ParseName(*as); err != nil {
		return err
	}
	m.source = w.Source(m.name)
	var welcome []identity.Name
	for _, arg := range flags.Args() {
		text, address, _ := strings.Cut(arg, "=")
		n, err := identity.ParseName(text)
		if err != nil {
			return err
		}
		m.peers[n] = address
		welcome = append(welcome, n)
	}
	listener, err := m.listen(*listen, welcome)
	if err != nil {
		return err
	}
	return m.run(ctx, listener)
}

func (m *mesh) listen(address string, welcome []identity.Name) (net.Listener, error) {
	if m.plain {
		return net.Listen("tcp", address)
	}
	return idtls.Listen("tcp", address, m.source, idtls.Exactly(welcome...))
}

func (m *mesh) run(ctx context.Context, listener net.Listener) error {
	running, ctx := errgroup.WithContext(ctx)
	if !m.plain {
		running.Go(func() error { return m.wallet.Keep(ctx, m.name) })
	}
	running.Go(func() error { return m.echo(listener) })
	for peer := range m.peers {
		running.Go(func() error {
			if err := m.met(ctx, peer); err != nil {
				return err
			}
			running.Go(func() error { return m.calls(ctx, peer) })
			return m.streams(ctx, peer)
		})
	}
	running.Go(func() error { return m.report(ctx) })
	return running.Wait()
}

// echo answers every line with itself.
func (m *mesh) echo(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			io.Copy(conn, conn)
		}()
	}
}

// line is one connection to a peer.
type line struct {
	conn net.Conn
	read *bufio.Reader
}

func newLine(conn net.Conn) *line { return &line{conn: conn, read: bufio.NewReader(conn)} }

func (m *mesh) dial(ctx context.Context, peer identity.Name) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if m.plain {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.peers[peer])
		return newLine(conn), err
	}
	conn, err := idtls.Dial(ctx, "tcp", m.peers[peer], m.source, idtls.Exactly(peer))
	return newLine(conn), err
}

// ask sends a line and waits for it to come back.
func (l *line) ask(text string) error {
	l.conn.SetDeadline(time.Now().Add(answerWithin))
	if _, err := fmt.Fprintln(l.conn, text); err != nil {
		return err
	}
	back, err := l.read.ReadString('\n')
	if err == nil && strings.TrimSpace(back) != text {
		err = fmt.Errorf("%q came back as %q", text, back)
	}
	return err
}

// met waits until a peer answers for the first time: not all start at once.
func (m *mesh) met(ctx context.Context, peer identity.Name) error {
	for ctx.Err() == nil {
		if l, err := m.dial(ctx, peer); err == nil {
			if errors.Join(l.ask("first"), l.conn.Close()) == nil {
				return nil
			}
		}
		time.Sleep(callEvery)
	}
	return ctx.Err()
}

// calls asks a peer over one new connection after the other.
func (m *mesh) calls(ctx context.Context, peer identity.Name) error {
	return m.again(ctx, func() {
		l, err := m.dial(ctx, peer)
		if err == nil {
			err = errors.Join(l.ask("call"), l.conn.Close())
		}
		m.count(err, "call of "+peer.String(), func(t *tally) { t.Calls++ })
	})
}

// streams keeps a connection to a peer open, and puts a new one in its place when
// an epoch has passed: the old one has its skew to live then.
func (m *mesh) streams(ctx context.Context, peer identity.Name) error {
	var open *line
	var since identity.Epoch
	return m.again(ctx, func() {
		if now := m.epoch(); open == nil || now != since {
			next, err := m.dial(ctx, peer)
			m.count(err, "long connection to "+peer.String(), func(t *tally) { t.Streams++ })
			if err != nil {
				return
			}
			if open != nil {
				open.conn.Close()
			}
			open, since = next, now
		}
		err := open.ask("echo")
		m.count(err, "long connection with "+peer.String(), func(t *tally) { t.Echoes++ })
		if err != nil {
			open = nil
		}
	})
}

// epoch returns the domain's epoch by the clock.
func (m *mesh) epoch() identity.Epoch {
	c, err := m.source.Credential()
	if err != nil {
		return identity.Epoch{}
	}
	return c.Domain.Schedule.Current(uint64(time.Now().Unix()))
}

func (m *mesh) again(ctx context.Context, do func()) error {
	for ctx.Err() == nil {
		do()
		time.Sleep(callEvery)
	}
	return ctx.Err()
}

func (m *mesh) count(err error, what string, success func(*tally)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.tally.Failures = append(m.tally.Failures, fmt.Sprintf("%s %s: %v", time.Now().UTC().Format(time.StampMilli), what, err))
		return
	}
	success(&m.tally)
}

// report prints the tally again and again.
func (m *mesh) report(ctx context.Context) error {
	out := json.NewEncoder(os.Stdout)
	return m.again(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c, err := m.source.Credential(); err == nil {
			m.tally.Epoch = c.Epoch.Start
		}
		out.Encode(m.tally)
	})
}
