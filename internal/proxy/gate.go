package proxy

import (
	"container/list"
	"context"
	"net"
	"sync"
	"time"
)

const (
	// maxHandshakes is how many connections of a port may be without a known peer.
	maxHandshakes = 256
	// handshakePatience is for how long none of them makes room for others.
	handshakePatience = time.Second
)

// gate bounds the connections that have not said who they are. When it is full,
// the next ones wait in the kernel's backlog, until one is done or the oldest has
// had its time and is closed: who does not get on keeps nobody out.
type gate struct {
	slots chan struct{}

	mu      *sync.Mutex // of pending
	pending *list.List  // of *waiting, oldest first
}

type waiting struct {
	conn  net.Conn
	since time.Time
}

func newGate() gate {
	return gate{slots: make(chan struct{}, maxHandshakes), mu: new(sync.Mutex), pending: list.New()}
}

// enter waits for a place for conn and returns what gives it up, as often as it is
// called. When ctx ends there is place for all.
func (g gate) enter(ctx context.Context, conn net.Conn) (leave func()) {
	for {
		select {
		case g.slots <- struct{}{}:
			return g.admit(conn)
		default:
		}
		wait := time.NewTimer(g.evict())
		select {
		case g.slots <- struct{}{}:
			wait.Stop()
			return g.admit(conn)
		case <-ctx.Done():
			wait.Stop()
			return func() {}
		case <-wait.C:
		}
	}
}

func (g gate) admit(conn net.Conn) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.pending.PushBack(&waiting{conn, time.Now()})
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.pending.Remove(e)
		<-g.slots
	})
}

// evict closes the oldest connection if it has had its time, and returns when to
// look again.
func (g gate) evict() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	oldest := g.pending.Front()
	if oldest == nil {
		return time.Millisecond
	}
	w := oldest.Value.(*waiting)
	if left := handshakePatience - time.Since(w.since); left > 0 {
		return left
	}
	reset(w.conn)
	return 10 * time.Millisecond
}
