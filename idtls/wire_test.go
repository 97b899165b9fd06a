package idtls

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// wire is one end of a connection in memory that behaves as a socket where
// net.Pipe does not: a write waits for no reader, so that a goodbye holds up
// nobody, and it tells whether it is closed at this end.
type wire struct {
	net.Conn
	begin  sync.Once // the goroutine that sends
	queue  chan []byte
	done   chan struct{}
	closed atomic.Bool
}

func newWire() (a, b *wire) {
	c, s := net.Pipe()
	return newEnd(c), newEnd(s)
}

func newEnd(conn net.Conn) *wire {
	return &wire{Conn: conn, queue: make(chan []byte, 1024), done: make(chan struct{})}
}

func (w *wire) Write(b []byte) (int, error) {
	if w.closed.Load() {
		return 0, net.ErrClosed
	}
	w.begin.Do(func() { go w.send() })
	select {
	case w.queue <- slices.Clone(b):
		return len(b), nil
	case <-w.done:
		return 0, net.ErrClosed
	}
}

func (w *wire) send() {
	defer w.Conn.Close()
	for {
		var b []byte
		select {
		case b = <-w.queue:
		case <-w.done:
			select {
			case b = <-w.queue:
			default:
				return
			}
		}
		if _, err := w.Conn.Write(b); err != nil {
			return
		}
	}
}

// Close lets what was written arrive, unless nobody reads it for a second.
func (w *wire) Close() error {
	if !w.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	w.begin.Do(func() { _ = w.Conn.Close() })
	_ = w.Conn.SetReadDeadline(time.Unix(1, 0))
	_ = w.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	close(w.done)
	return nil
}

// A write does not wait, so it has no deadline: crypto/tls sets one that has
// passed when it closes.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil && w.closed.Load() {
		err = net.ErrClosed
	}
	return n, err
}

func (w *wire) SyscallConn() (syscall.RawConn, error) { return wireControl{w}, nil }

type wireControl struct{ w *wire }

func (c wireControl) Control(func(uintptr)) error {
	if c.w.closed.Load() {
		return net.ErrClosed
	}
	return nil
}

func (wireControl) Read(func(uintptr) bool) error  { return errors.ErrUnsupported }
func (wireControl) Write(func(uintptr) bool) error { return errors.ErrUnsupported }

// wires is a listener in memory.
type wires chan *wire

func (l wires) Accept() (net.Conn, error) {
	w, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return w, nil
}

func (l wires) Close() error   { return nil }
func (l wires) Addr() net.Addr { return &net.TCPAddr{} }

// shake makes a connection that both ends watch, over wires.
func shake(t *testing.T, web, api Source) (client, server *wire) {
	t.Helper()
	clientEnd, err := ClientConfig(web, anyone)
	check(t, err)
	serverEnd, err := ServerConfig(api, anyone)
	check(t, err)
	client, server = newWire()
	ends := make(chan error, 1)
	go func() {
		conn := tls.Server(server, serverEnd)
		err := conn.Handshake()
		if err == nil {
			_, err = Watch(conn, conn.ConnectionState(), api)
		}
		ends <- err
	}()
	_, err = join(t.Context(), client, clientEnd, web)
	check(t, err)
	check(t, <-ends)
	return client, server
}
