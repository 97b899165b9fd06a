package idtls

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"milagro.dev/identity"
)

// sweepInterval bounds how late a connection is closed. A second is promised,
// and the deny list takes its part of that to be read.
const sweepInterval = time.Second / 2

// Watch closes conn, a connection with this state made with a config of this
// source, when a handshake with its peer would be refused because of the time
// or the deny list: within a second after the peer's epoch and its skew have
// passed, or Domain.Revoked names it. Authorizers are not asked again. Stop ends
// the watch and may be called often; it is needed only if conn is no socket, for
// a socket's end is noticed. Dial, Listen, Transport and Server watch by
// themselves.
//
// Of a *tls.Conn the connection below is cut off, TCP with a reset: nothing
// waits for a peer that does not read, and neither end takes it for the end of
// what was to be said. Own reads and writes then fail with net.ErrClosed.
//
// An error means that conn is not watched: the handshake is not complete, the
// source has no credential or does not know the peer's domain.
func Watch(conn io.Closer, state tls.ConnectionState, source Source) (stop func(), err error) {
	peer, err := PeerOf(state)
	if err != nil {
		return nil, err
	}
	own, err := credential(source)
	if err != nil {
		return nil, err
	}
	d := realmOf(source, own.Domain, peer.Domain).domain
	if d == nil {
		return nil, fmt.Errorf("domain %v of %v is unknown", peer.Domain, peer.Name)
	}
	return d.watch(conn, peer).stop, nil
}

// watches are the connections to watch with peers of one domain. Its zero
// value is empty. One goroutine runs while there are any.
type watches struct {
	mu    sync.Mutex // of all below
	added []*watched // since the last sweep
	open  int        // watched, neither stopped nor dropped
	wake  chan struct{}
}

// watched is a connection that is watched. It is small and keeps alive nothing
// but the socket: there may be very many.
type watched struct {
	set    *watches
	peer   Peer
	conn   io.Closer
	socket syscall.RawConn // nil if conn is none
	over   atomic.Bool
}

// watch changes nothing but how long conn lives, so it may be called before the
// peer has proved that it holds the leaf's key.
func (d *Domain) watch(conn io.Closer, peer Peer) *watched {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	w := &watched{set: &d.watches, peer: peer, conn: conn}
	if s, ok := conn.(syscall.Conn); ok {
		w.socket, _ = s.SyscallConn() // nil on error: then only stop ends it early
	}
	s := w.set
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added = append(s.added, w)
	s.open++
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
		go d.sweep(s.wake)
	}
	return w
}

// stop ends the watch. The last one wakes the goroutine, which then ends.
func (w *watched) stop() {
	if !w.over.CompareAndSwap(false, true) {
		return
	}
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	if w.set.open--; w.set.open == 0 && w.set.wake != nil {
		select {
		case w.set.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

// sweep looks at every connection once an interval until none is left.
func (d *Domain) sweep(wake <-chan struct{}) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	var all []*watched
	for {
		select {
		case <-ticker.C:
		case <-wake:
		}
		all = d.watches.take(all)
		now := unixNow()
		all = slices.DeleteFunc(all, func(w *watched) bool { return w.done(d, now) })
		if d.watches.rest() {
			return
		}
		if cap(all) > 1024 && len(all) < cap(all)/4 {
			all = slices.Clone(all) // a crowd has left
		}
	}
}

func (s *watches) take(all []*watched) []*watched {
	s.mu.Lock()
	defer s.mu.Unlock()
	all = append(all, s.added...)
	s.added = nil
	return all
}

// rest reports whether none is left; then the next one starts a goroutine.
func (s *watches) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open > 0 {
		return false
	}
	s.added, s.wake = nil, nil
	return true
}

// done reports whether w is to be watched no longer, and closes its connection
// if it must not live on. The close has a goroutine of its own: it may take long,
// and others are due too.
func (w *watched) done(d *Domain, now uint64) bool {
	switch {
	case w.over.Load():
		return true
	case w.closed():
		w.stop()
		return true
	case d.accepts(w.peer.Epoch, now) == nil && d.revoked(w.peer) == nil:
		return false
	}
	w.stop()
	go w.cut()
	return true
}

// cut resets a TCP connection: crypto/tls would report its plain end as io.EOF,
// as if the peer had said all.
func (w *watched) cut() {
	if tcp, ok := w.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = w.conn.Close() // nobody is left to be told
}

// closed reports whether the socket is closed at this end.
func (w *watched) closed() bool { return w.socket != nil && w.socket.Control(func(uintptr) {}) != nil }

// retirement returns the second from which on a connection made by now should
// give way to a new one: the end of the epoch, after which it is accepted for
// the skew only. One that was made later already lives half of what is left: a new
// one would be no better until the key behind it is renewed.
func retirement(e identity.Epoch, now uint64) uint64 {
	last := e.End() + e.Skew()
	if now < e.End() || now >= last {
		return e.End()
	}
	return now + (last-now+1)/2
}
