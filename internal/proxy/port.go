package proxy

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"milagro.dev/idtls"
)

// port is a socket that listens, with the route that its next connection takes.
type port struct {
	proxy    *Proxy
	listener net.Listener
	route    atomic.Pointer[route]
	gate     gate

	ctx context.Context // of its connections
	cut context.CancelFunc
	wg  sync.WaitGroup // of its goroutines but accept
	// accepted is closed when accept has returned: then wg gets no new connection.
	accepted chan struct{}

	mu       sync.Mutex // of all below
	sessions map[*session]struct{}
	open     int // connections that count against MaxConnections
}

func newPort(p *Proxy, r *route) (*port, error) {
	listener, err := listen(p.ctx, r.Listen, r.ListenMode)
	if err != nil {
		return nil, err
	}
	port := &port{proxy: p, listener: listener, gate: newGate(), accepted: make(chan struct{}), sessions: map[*session]struct{}{}}
	port.ctx, port.cut = context.WithCancel(p.ctx)
	port.route.Store(r)
	return port, nil
}

// accept takes connections until the listener closes.
func (o *port) accept() {
	defer close(o.accepted)
	pause := time.Duration(0)
	for {
		conn, err := o.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no file descriptor is left, for instance
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			o.proxy.log.Error("no connection accepted", "route", o.route.Load().Name, "error", err)
			time.Sleep(pause)
			continue
		}
		pause = 0
		leave := o.gate.enter(o.ctx, conn)
		o.wg.Go(func() {
			defer leave()
			o.route.Load().handle(o, conn, leave)
		})
	}
}

// end stops listening, lets connections go on for at most drain and returns when
// they are over.
func (o *port) end(drain time.Duration) {
	o.listener.Close()
	cut := time.AfterFunc(drain, o.cut)
	<-o.accepted
	o.wg.Go(func() { o.route.Load().retire(drain) })
	o.wg.Wait()
	cut.Stop()
	o.cut()
}

// enter counts a connection; false if there are as many as the route allows.
func (o *port) enter(limit int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open >= limit {
		return false
	}
	o.open++
	return true
}

func (o *port) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
}

func (o *port) add(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sessions[s] = struct{}{}
}

func (o *port) remove(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.sessions, s)
}

// expel closes the connections with peers whom authorize does not welcome.
func (o *port) expel(authorize idtls.Authorizer) {
	o.mu.Lock()
	all := slices.Collect(maps.Keys(o.sessions))
	o.mu.Unlock() // the end of a session takes it
	for _, s := range all {
		if authorize(s.peer) != nil {
			s.end(outcomeForbidden)
		}
	}
}
