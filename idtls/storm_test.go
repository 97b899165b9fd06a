package idtls

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milagro.dev/ibs"
)

// hall is a server that many connect to at once over real sockets. Its
// handshakes end in welcome or refused.
type hall struct {
	listener         net.Listener
	all              sync.WaitGroup
	welcome, refused atomic.Int64
	unexpected       atomic.Pointer[error]
}

func newHall(t *testing.T, config *tls.Config) *hall {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	h := &hall{listener: listener}
	h.all.Go(func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			h.all.Go(func() { h.serve(tls.Server(raw, config)) })
		}
	})
	return h
}

func (h *hall) serve(conn *tls.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	switch err := conn.HandshakeContext(ctx); {
	case err == nil:
		h.welcome.Add(1)
		_, _ = conn.Write([]byte{1})
	case errors.Is(err, ibs.ErrSignature):
		h.refused.Add(1)
	default:
		h.unexpected.Store(&err)
	}
}

func (h *hall) close() {
	h.listener.Close()
	h.all.Wait()
}

// visit returns nil iff the hall's server finished the handshake.
func (h *hall) visit(config *tls.Config) error {
	raw, err := net.Dial("tcp", h.listener.Addr().String())
	if err != nil {
		return err
	}
	conn := tls.Client(raw, config)
	defer conn.Close()
	if err := conn.Handshake(); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}

// forger returns what makes configs of peers with a bad signature each, fast: one
// key, and a device that changes.
func forger(t *testing.T, c *Credential) func() *tls.Config {
	t.Helper()
	key := newKey(t)
	good := bindingOf(t, forgery{credential: c, key: key}.leaf(t))
	var n atomic.Uint32
	return func() *tls.Config {
		i := n.Add(1)
		content := slices.Clone(good)
		content[64], content[65], content[66] = byte(i), byte(i>>8), byte(i>>16)
		b, err := parseBinding(content)
		if err != nil {
			panic(err)
		}
		template, err := profile(b)
		if err != nil {
			panic(err)
		}
		leaf, err := selfSign(template, key)
		if err != nil {
			panic(err)
		}
		return &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*leaf}}
	}
}

// TestFloodOfForgersLeavesOthersServed has forgers knock without pause, while
// known peers come again and strangers come for the first time.
func TestFloodOfForgersLeavesOthersServed(t *testing.T) {
	const flood, atOnce = 200, 16
	a := newAuthority("example.org")
	api := a.member(t, "/api")
	h := newHall(t, serverConfig(t, api, anyone))
	known := clientConfig(t, a.member(t, "/known"), anyone)
	check(t, h.visit(known))
	next := forger(t, a.member(t, "/forger"))
	var knocked, forgers sync.WaitGroup
	before := settled()
	tickets := make(chan struct{}, flood)
	for range flood {
		tickets <- struct{}{}
	}
	close(tickets)
	knocked.Add(atOnce)
	for range atOnce {
		forgers.Go(func() {
			first := sync.OnceFunc(knocked.Done)
			for range tickets {
				if err := h.visit(next()); err == nil {
					t.Error("a forger is welcome")
				}
				first()
			}
		})
	}
	knocked.Wait() // now it is a flood
	for i := range 10 {
		if err := h.visit(known); err != nil {
			t.Errorf("known peer, visit %d: %v", i, err)
		}
		if err := h.visit(clientConfig(t, a.member(t, "/stranger"), anyone)); err != nil {
			t.Errorf("stranger %d: %v", i, err)
		}
	}
	forgers.Wait()
	h.close()
	if err := h.unexpected.Load(); err != nil {
		t.Error(*err)
	}
	if w, r := h.welcome.Load(), h.refused.Load(); w != 21 || r != flood {
		t.Errorf("%d welcome, %d refused; should be 21 and %d", w, r, flood)
	}
	if after := settled(); after > before+1<<20 {
		t.Errorf("%d bytes are in use after the flood, %d before", after, before)
	}
	if c := &api.Domain.proved.cold; len(c.known) != 0 || c.lanes[strangers].waiting != 0 || c.lanes[familiars].waiting != 0 {
		t.Error("somebody still waits")
	}
}

// settled returns the bytes of the heap that are in use.
func settled() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestForgersLeaveNoTrace needs no sockets: the checks alone.
func TestForgersLeaveNoTrace(t *testing.T) {
	d := newDoor(t)
	forged := d.leaf(t, "/forger")
	known := stateOf(d.leaf(t, "/known"))
	check(t, d.verify(known))
	before, goroutines := settled(), runtime.NumGoroutine()
	for round := range 4 {
		var states []tls.ConnectionState
		for i := range 100 {
			states = append(states, bogus(forged, 100*round+i))
		}
		wait := d.crowd(states)
		check(t, d.verify(known))
		for _, err := range wait() {
			if !errors.Is(err, ibs.ErrSignature) {
				t.Fatal(err)
			}
		}
	}
	if after := settled(); after > before+256<<10 {
		t.Errorf("%d bytes are in use after the flood, %d before", after, before)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if n := len(d.domain.proved.signatures.young); n != 1 {
		t.Errorf("%d signatures remembered", n)
	}
}
