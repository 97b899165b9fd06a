package idtls

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"milagro.dev/identity"
)

// openWatches returns how many connections are watched with peers of d, and
// whether the goroutine runs.
func openWatches(d *Domain) (open int, runs bool) {
	d.watches.mu.Lock()
	defer d.watches.mu.Unlock()
	return d.watches.open, d.watches.wake != nil
}

func TestConnectionLivesAcrossItsEpochAndEndsWithTheSkew(t *testing.T) {
	a := newAuthority("example.org")
	for _, length := range []uint32{day, 10} {
		synctest.Test(t, func(t *testing.T) {
			renew := func(path string) *renewing {
				d := a.domain(t)
				d.Schedule.Length = length
				return &renewing{t: t, issuer: a, domain: d, name: parseName(t, "spiffe://example.org"+path)}
			}
			web, api := renew("/web"), renew("/api")
			client, server := shake(t, web, api)
			epoch := api.last.Epoch
			at(epoch.End() + epoch.Skew())
			synctest.Wait()
			if client.closed.Load() || server.closed.Load() {
				t.Fatalf("length %d: closed before its time", length)
			}
			later, _ := shake(t, web, api)
			time.Sleep(2 * time.Second) // the second that ends, and the sweep's
			synctest.Wait()
			if !client.closed.Load() || !server.closed.Load() {
				t.Errorf("length %d: lives on past its epoch and skew: client %v, server %v", length, client.closed.Load(), server.closed.Load())
			}
			if later.closed.Load() {
				t.Errorf("length %d: a connection of the next epoch is closed too", length)
			}
			later.Close()
			time.Sleep(2 * time.Second)
			for _, d := range []*Domain{web.domain, api.domain} {
				at(api.last.Epoch.End() + epoch.Skew() + 2)
				synctest.Wait()
				if open, runs := openWatches(d); open > 0 || runs {
					t.Errorf("length %d: %d watched, goroutine runs: %v", length, open, runs)
				}
			}
		})
	}
}

func TestRevokedPeerIsCutOffWithinASecond(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		web, api, cron := a.member(t, "/web"), a.member(t, "/api"), a.member(t, "/cron")
		denied := make([]atomic.Bool, 2)
		api.Domain.Revoked = func(p Peer) bool { return denied[0].Load() && p.Name == web.Name }
		cron.Domain.Revoked = func(p Peer) bool { return denied[1].Load() && p.Name == api.Name }
		atClient, atServer := shake(t, holder{web}, holder{api})
		cronToAPI, apiToCron := shake(t, holder{cron}, holder{api})
		time.Sleep(90 * time.Minute)
		denied[0].Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if !atServer.closed.Load() {
			t.Error("a server goes on with a client that is revoked")
		}
		if atClient.closed.Load() || cronToAPI.closed.Load() || apiToCron.closed.Load() {
			t.Error("more was closed than the revoked peer's connection, at the end that knows")
		}
		denied[1].Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if !cronToAPI.closed.Load() {
			t.Error("a client goes on with a server that is revoked")
		}
		for _, w := range []*wire{atClient, apiToCron} {
			w.Close()
		}
		time.Sleep(time.Second)
	})
}

func TestFederatedPeersAreWatchedByTheirDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newAbroad(t)
		var denied atomic.Bool
		x.foreign[0].Domain.Revoked = func(Peer) bool { return denied.Load() }
		back := Federate(holder{x.peer}, func() []Foreign {
			return []Foreign{{Domain: x.own.Domain, Names: patterns(t, "spiffe://example.org/**")}}
		})
		client, server := shake(t, back, x.source())
		time.Sleep(5 * time.Second)
		denied.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if !server.closed.Load() || client.closed.Load() {
			t.Errorf("closed at server %v, at client %v", server.closed.Load(), client.closed.Load())
		}
		client.Close()
		time.Sleep(time.Second)
	})
}

// TestWatchEndsWithTheConnection leaves a hundred connections to the sweep and
// stops others by hand. The bubble tells if the goroutine were left.
func TestWatchEndsWithTheConnection(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		own := a.member(t, "/api")
		state := stateOf(forgery{credential: a.member(t, "/web")}.leaf(t))
		var wires []*wire
		for range 100 {
			w, _ := newWire()
			wires = append(wires, w)
			_, err := Watch(w, state, holder{own})
			check(t, err)
		}
		for _, w := range wires[1:] {
			w.Close()
		}
		time.Sleep(sweepInterval)
		synctest.Wait()
		if open, _ := openWatches(own.Domain); open != 1 {
			t.Errorf("%d watched, 1 is open", open)
		}
		wires[0].Close()
		time.Sleep(sweepInterval)
		synctest.Wait()
		if open, runs := openWatches(own.Domain); open != 0 || runs {
			t.Errorf("%d watched, goroutine runs: %v", open, runs)
		}

		plain, _ := net.Pipe() // no socket: only stop ends it
		stop, err := Watch(plain, state, holder{own})
		check(t, err)
		other, err := Watch(plain, state, holder{own})
		check(t, err)
		time.Sleep(10 * sweepInterval)
		stop()
		stop()
		if open, runs := openWatches(own.Domain); open != 1 || !runs {
			t.Errorf("stopped twice: %d watched, goroutine runs: %v", open, runs)
		}
		began := time.Now()
		other()
		synctest.Wait()
		if _, runs := openWatches(own.Domain); runs || time.Since(began) > 0 {
			t.Errorf("the last stop does not end the goroutine at once")
		}
	})
}

// stuck never comes back from Close, as a connection may that waits to say
// goodbye to a peer that does not read.
type stuck struct{ until chan struct{} }

func (s stuck) Close() error { <-s.until; return nil }

func TestOneCloseHoldsUpNoOther(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		own := a.member(t, "/api")
		var denied atomic.Bool
		own.Domain.Revoked = func(Peer) bool { return denied.Load() }
		state := stateOf(forgery{credential: a.member(t, "/web")}.leaf(t))
		bad := stuck{make(chan struct{})}
		good, _ := newWire()
		for _, conn := range []io.Closer{bad, good} {
			_, err := Watch(conn, state, holder{own})
			check(t, err)
		}
		denied.Store(true)
		time.Sleep(sweepInterval)
		synctest.Wait()
		if !good.closed.Load() {
			t.Error("one that waits holds up the next")
		}
		close(bad.until)
	})
}

func TestWatchRefusesWhatItCannotWatch(t *testing.T) {
	a := newAuthority("example.org")
	own := a.member(t, "/api")
	good := stateOf(forgery{credential: a.member(t, "/web")}.leaf(t))
	unfinished := good
	unfinished.HandshakeComplete = false
	stranger := stateOf(forgery{credential: newAuthority("example.com").member(t, "/web")}.leaf(t))
	for fault, x := range map[string]struct {
		state  tls.ConnectionState
		source Source
		says   string
	}{
		"a handshake under way": {unfinished, holder{own}, "handshake"},
		"a foreign peer":        {stranger, holder{own}, "is unknown"},
		"no credential":         {good, empty{}, "wallet is empty"},
	} {
		_, err := Watch(stuck{}, x.state, x.source)
		if err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", fault, err)
		}
	}
	if open, runs := openWatches(own.Domain); open > 0 || runs {
		t.Errorf("%d watched, goroutine runs: %v", open, runs)
	}
}

// TestDialAndListenWatch uses sockets. The server learns of the revocation
// first: a connection dies at the end that knows, and the other hears of it.
func TestDialAndListenWatch(t *testing.T) {
	leak := goleak.IgnoreCurrent()
	a := newAuthority("example.org")
	web, api := a.member(t, "/web"), a.member(t, "/api")
	var denied atomic.Bool
	api.Domain.Revoked = func(p Peer) bool { return denied.Load() && p.Name == web.Name }
	l, err := Listen("tcp", "127.0.0.1:0", holder{api}, anyone)
	check(t, err)
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = io.Copy(io.Discard, conn)
			conn.Close()
		}
		ended <- err
	}()
	conn, err := Dial(t.Context(), "tcp", l.Addr().String(), holder{web}, anyone)
	check(t, err)
	_, err = conn.Write([]byte("hello"))
	check(t, err)
	for _, d := range []*Domain{api.Domain, web.Domain} { // TLS 1.3: the client is done first
		for range 5000 {
			if open, _ := openWatches(d); open == 1 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if open, _ := openWatches(d); open != 1 {
			t.Fatalf("%d connections watched", open)
		}
	}
	denied.Store(true)
	began := time.Now()
	_, err = io.ReadAll(conn)
	if took := time.Since(began); err == nil || took > 3*time.Second {
		t.Errorf("after %v the client reads %v: a cut must not look like an end", took, err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the server reads %v", err)
	}
	_ = conn.Close() // cannot say goodbye any more
	check(t, l.Close())
	noneLeft(t, web.Domain, api.Domain, leak)
}

// noneLeft waits for the last sweep.
func noneLeft(t *testing.T, web, api *Domain, leak goleak.Option) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, d := range []*Domain{web, api} {
		for open, runs := openWatches(d); open > 0 || runs; open, runs = openWatches(d) {
			if ctx.Err() != nil {
				t.Fatalf("%d watched, goroutine runs: %v", open, runs)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := goleak.Find(leak); err != nil {
		t.Error(err)
	}
}

// TestThiefIsWatchedInVain: the watch begins before a client of Listen has
// proved that it holds its leaf's key, and ends with the connection.
func TestThiefIsWatchedInVain(t *testing.T) {
	a := newAuthority("example.org")
	api := a.member(t, "/api")
	copied := *forgery{credential: a.member(t, "/web")}.leaf(t)
	copied.PrivateKey = newKey(t)
	synctest.Test(t, func(t *testing.T) {
		api := &Credential{Name: api.Name, Device: api.Device, Epoch: api.Epoch, Key: api.Key, Domain: a.domain(t)}
		at(api.Epoch.Start + 1)
		l := &listener{Listener: make(wires, 1), verifier: &verifier{source: holder{api}, authorize: anyone, role: asClient}}
		l.config = serverConfig(t, api, anyone)
		client, server := newWire()
		l.Listener.(wires) <- server
		conn, err := l.Accept()
		check(t, err)
		done := make(chan error)
		go func() { done <- errors.Join(conn.(*tls.Conn).Handshake(), conn.Close()) }()
		thief := tls.Client(client, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{copied}})
		_ = thief.Handshake()
		go io.Copy(io.Discard, client)
		if err := <-done; err == nil {
			t.Error("a thief is let in")
		}
		if open, _ := openWatches(api.Domain); open != 1 {
			t.Errorf("%d watched: the test shows nothing", open)
		}
		time.Sleep(sweepInterval)
		synctest.Wait()
		if open, runs := openWatches(api.Domain); open > 0 || runs {
			t.Errorf("%d watched, goroutine runs: %v", open, runs)
		}
		client.Close()
	})
}

// TestConnectionsRetireInTime: in time to move over, and not again and again
// while the key behind the peer is not renewed.
func TestConnectionsRetireInTime(t *testing.T) {
	e := identity.Epoch{Start: 86400, Length: 86400}
	for _, x := range [][2]uint64{
		{e.Start, e.End()}, {e.End() - 1, e.End()}, {e.End(), e.End() + 150}, {e.End() + 200, e.End() + 250},
		{e.End() + 299, e.End() + 300}, {e.End() + 300, e.End()},
	} {
		if got := retirement(e, x[0]); got != x[1] {
			t.Errorf("made at end%+d: retires at end%+d, not end%+d", int64(x[0]-e.End()), int64(got-e.End()), int64(x[1]-e.End()))
		}
	}
	now, made := e.End(), 0
	for ; now < e.End()+300; made++ {
		now = retirement(e, now)
	}
	if made > 12 {
		t.Errorf("%d connections in one skew", made)
	}
}
