package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// serveTCP joins a peer to the target of a server's route.
func (r *route) serveTCP(o *port, s *session) {
	local, err := r.dialLocal(o.ctx)
	if err == nil && r.Local == LocalPlain {
		local = r.buffers.hook(local)
	}
	if err == nil && r.ProxyProtocol == ProxyProtocolV2 {
		err = announce(local, s)
	}
	if err != nil {
		r.stats.refused(outcomeOf(err), err)
		reset(s.conn.NetConn())
	} else {
		err = s.join(local)
	}
	r.stats.line(lineOf(s, err))
}

// serveClientTCP joins a program to the target of a client's route.
func (r *route) serveClientTCP(o *port, local net.Conn) {
	began := time.Now()
	s, err := r.dial(o.ctx, o, r.tls)
	if err != nil {
		r.stats.refused(outcomeOf(err), err)
		resetLocal(local)
		r.stats.line(line{peer: claimed(err), remote: local.RemoteAddr(), began: began, outcome: outcomeOf(err), err: err})
		return
	}
	err = s.join(local)
	l := lineOf(s, err)
	if l.outcome == outcomeDeclined { // TLS 1.3 tells a client so after its handshake
		r.stats.refused(l.outcome, err)
	}
	l.remote, l.began = local.RemoteAddr(), began
	r.stats.line(l)
}

// dialLocal connects to the program of a server's route.
func (r *route) dialLocal(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, r.Target.Network(), r.Target.Text())
	if err != nil {
		return nil, &unreachable{err}
	}
	if r.Local == LocalPlain {
		return raw, nil
	}
	conn := tls.Client(r.buffers.hook(raw), r.LocalTLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		sayGoodbye(raw)
		return nil, &unreachable{err}
	}
	return conn, nil
}

// localServer is the server's end of the hop from the program of a client's route.
func (r *route) localServer(ctx context.Context, raw net.Conn) (net.Conn, error) {
	if r.Local == LocalPlain {
		return raw, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Server(raw, r.LocalTLS)
	return conn, conn.HandshakeContext(ctx)
}

// join carries bytes both ways until both have ended, or one has broken. The end of
// the bytes of one side is passed on while the other side goes on. A side that
// breaks off is not passed on as an end: the other one is reset.
func (s *session) join(local net.Conn) error {
	cut := sync.OnceFunc(func() {
		reset(s.conn.NetConn())
		resetLocal(local)
	})
	defer context.AfterFunc(s.port.ctx, func() {
		s.end(outcomeDrained) // first, or the cut looks like a side that broke off
		cut()
	})()
	if idle := s.route.IdleTimeout.Duration; idle > 0 {
		defer s.watchIdle(idle, cut)()
	}
	other := make(chan error, 1)
	s.port.wg.Go(func() {
		err := s.port.proxy.buffers.transfer(s.conn, local, s.sent)
		if err != nil {
			cut()
		}
		other <- err
	})
	err := s.port.proxy.buffers.transfer(local, s.conn, s.received)
	if err != nil {
		cut()
	}
	err = firstCause(err, <-other)
	local.Close()
	s.conn.Close()
	return err
}

// firstCause prefers the error that is not the echo of our own closing.
func firstCause(a, b error) error {
	if a == nil || errors.Is(a, net.ErrClosed) && b != nil {
		return b
	}
	return a
}

// watchIdle calls cut once no byte has passed for the time idle.
func (s *session) watchIdle(idle time.Duration, cut func()) (stop func()) {
	var mu sync.Mutex
	last, over := int64(-1), false
	var timer *time.Timer
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		if now := s.in.Load() + s.out.Load(); now != last {
			last = now
			timer.Reset(idle)
			return
		}
		idleOutcome := outcomeIdle
		s.why.CompareAndSwap(nil, &idleOutcome)
		cut()
	}
	mu.Lock()
	defer mu.Unlock()
	last = s.in.Load() + s.out.Load()
	timer = time.AfterFunc(idle, look)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		timer.Stop()
	}
}

// halfConn is a connection one direction of which can be ended.
type halfConn interface{ CloseWrite() error }

// transfer copies from one connection to the other and passes on the end.
func (b *buffers) transfer(to, from net.Conn, count func(int)) error {
	var err error
	if secure, ok := from.(*tls.Conn); ok {
		err = b.copyRecords(to, secure, count)
	} else {
		err = b.copyReady(to, bare(from), count)
	}
	if err != nil {
		return err
	}
	err = closeWrite(to)
	if errors.Is(err, net.ErrClosed) || isNotConnected(err) {
		return nil // it has ended by itself
	}
	return err
}

// resetLocal resets the plain side, whatever it speaks.
func resetLocal(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	reset(conn)
}

// write passes bytes on and counts them. More than a record goes to the socket at once.
func write(to io.Writer, b []byte, count func(int)) error {
	var hooked *hookedConn
	if secure, ok := to.(*tls.Conn); ok && len(b) > fullRecord {
		hooked, _ = secure.NetConn().(*hookedConn)
	}
	if hooked != nil {
		hooked.collect()
	}
	n, err := to.Write(b)
	if hooked != nil {
		err = errors.Join(err, hooked.release())
	}
	count(n)
	return err
}

// closeWrite ends the bytes to a connection: for TLS by a close_notify.
func closeWrite(to net.Conn) error {
	half, ok := bare(to).(halfConn)
	if !ok {
		return to.Close()
	}
	return half.CloseWrite()
}
