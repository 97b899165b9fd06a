package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

const (
	handshakeTimeout = 10 * time.Second
	dialTimeout      = 10 * time.Second
	// alertTime is how long a refused peer may take to read why.
	alertTime = 500 * time.Millisecond
)

// errLimit is a connection beyond MaxConnections.
var errLimit = errors.New("too many connections")

// session is an open identity TLS connection.
type session struct {
	route *route
	port  *port
	peer  idtls.Peer
	conn  *tls.Conn
	stats *peerStats
	began time.Time
	// retire is the unix second from which on HTTP answers end the connection.
	retire uint64
	in     atomic.Int64 // bytes from the peer
	out    atomic.Int64 // bytes to the peer

	why atomic.Pointer[outcome]

	mu      sync.Mutex // of all below
	over    bool
	cleanup []func()
}

// accept runs the handshake of a server's route.
func (r *route) accept(o *port, raw net.Conn) (*session, error) {
	hooked := r.buffers.hook(raw)
	ctx, cancel := context.WithTimeout(o.ctx, handshakeTimeout)
	defer cancel()
	began := time.Now()
	conn := tls.Server(hooked, r.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, r.explain(err)
	}
	r.stats.handshake.Observe(time.Since(began).Seconds())
	if !o.enter(r.MaxConnections) {
		return nil, errLimit
	}
	s, err := r.newSession(o, hooked, conn)
	if err != nil {
		o.leave()
		return nil, err
	}
	s.atEnd(o.leave)
	return s, nil
}

// dial connects to the target of a client's route.
func (r *route) dial(ctx context.Context, o *port, config *tls.Config) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	defer context.AfterFunc(o.ctx, cancel)()
	began := time.Now()
	raw, err := new(net.Dialer).DialContext(ctx, r.Target.Network(), r.Target.Text())
	if err != nil {
		return nil, &unreachable{err}
	}
	hooked := r.buffers.hook(raw)
	conn := tls.Client(hooked, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		sayGoodbye(raw)
		return nil, r.explain(err)
	}
	r.stats.handshake.Observe(time.Since(began).Seconds())
	s, err := r.newSession(o, hooked, conn)
	if err != nil {
		reset(raw)
	}
	return s, err
}

// explain marks an error of a handshake that an own key would have prevented.
func (r *route) explain(err error) error {
	if _, missing := r.Source.Credential(); missing != nil {
		return fmt.Errorf("%w: %w", errNoKey, err)
	}
	return err
}

// newSession makes the connection known to who may have to close it. It ends when
// the socket is closed, whoever does that.
func (r *route) newSession(o *port, hooked *hookedConn, conn *tls.Conn) (*session, error) {
	state := conn.ConnectionState()
	peer, err := idtls.PeerOf(state)
	if err != nil {
		return nil, err
	}
	s := &session{route: r, port: o, peer: peer, conn: conn, began: time.Now(), retire: retirement(peer.Epoch, time.Now())}
	if own, err := r.Source.Credential(); err == nil && own != nil {
		s.retire = min(s.retire, retirement(own.Epoch, s.began))
	}
	hooked.session = s
	unwatch, err := idtls.Watch(closer(func() { s.end(outcomeEnded) }), state, r.Source)
	if err != nil {
		return nil, err
	}
	s.stats = r.stats.opened(peer.Name)
	hooked.then(s.close)
	s.atEnd(unwatch)
	s.atEnd(func() { r.stats.closed(s.stats) })
	o.add(s)
	s.atEnd(func() { o.remove(s) })
	forget := context.AfterFunc(o.ctx, func() { s.end(outcomeDrained) })
	s.atEnd(func() { forget() })
	// A reload may have looked at the sessions before this one was there.
	if now := o.route.Load(); now != r && now.authorize(peer) != nil {
		s.end(outcomeForbidden)
	}
	return s, nil
}

// end closes the connection from our side, for a reason. Whoever reads or writes
// it gets an error.
func (s *session) end(why outcome) {
	s.why.CompareAndSwap(nil, &why)
	reset(s.conn.NetConn())
}

// atEnd has f called once when the session is over, at once if it is.
func (s *session) atEnd(f func()) {
	s.mu.Lock()
	if !s.over {
		s.cleanup = append(s.cleanup, f)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	f()
}

// close forgets a session whose connection is closed.
func (s *session) close() {
	s.mu.Lock()
	all := s.cleanup
	s.over, s.cleanup = true, nil
	s.mu.Unlock()
	for _, f := range all {
		f()
	}
}

// received counts bytes from the peer, sent those to it.
func (s *session) received(n int) { s.in.Add(int64(n)); s.stats.in.Add(int64(n)) }
func (s *session) sent(n int)     { s.out.Add(int64(n)); s.stats.out.Add(int64(n)) }

// outcome returns how the session ended: the reason why we closed it, or what
// err says.
func (s *session) outcome(err error) outcome {
	if why := s.why.Load(); why != nil {
		return *why
	}
	return outcomeOf(err)
}

// closer is a function as an io.Closer.
type closer func()

// Close calls it.
func (c closer) Close() error { c(); return nil }

// unreachable is a target that no connection could be made to.
type unreachable struct{ error }

func (u *unreachable) Unwrap() error { return u.error }

// reset closes a connection such that the other end does not take it for the
// regular end of the bytes.
func reset(conn net.Conn) {
	if tcp, ok := bare(conn).(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is about to be closed
	}
	conn.Close()
}

// bare returns the socket itself.
func bare(conn net.Conn) net.Conn {
	if hooked, ok := conn.(*hookedConn); ok {
		return hooked.Conn
	}
	return conn
}

// sayGoodbye closes a connection whose last word is an alert: closed with bytes
// unread, the socket would be reset and the alert be lost.
func sayGoodbye(raw net.Conn) {
	if half, ok := bare(raw).(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = raw.SetReadDeadline(time.Now().Add(alertTime))
		_, _ = io.CopyN(io.Discard, raw, 64<<10) // whatever it is, nobody wants it
	}
	raw.Close()
}

// retirement returns when a connection in this epoch should give way to a new one:
// at its end, or in the middle of what is left of the time in which peers accept it.
func retirement(e identity.Epoch, at time.Time) uint64 {
	now, last := uint64(max(0, at.Unix())), e.End()+e.Skew()
	if now < e.End() || now >= last {
		return e.End()
	}
	return now + (last-now+1)/2
}

// sessionOf returns the session of a connection of HTTP, nil if it has none.
func sessionOf(conn net.Conn) *session {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if hooked, ok := conn.(*hookedConn); ok {
		return hooked.session
	}
	return nil
}
