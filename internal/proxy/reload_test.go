package proxy

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReloadKeepsWhatIsTheSame(t *testing.T) {
	w := newTown()
	route := w.serverRoute(t, target(t, echo), webName)
	s := start(t, Config{}, route)
	where := s.Address("in")
	conn, err := w.peer(t, webName, where)
	check(t, err)
	other := w.serverRoute(t, target(t, echo), webName)
	other.Name, other.Listen = "other", address(t, "[::1]:0")
	check(t, s.Apply(s.plan(t, time.Minute, route, other)))
	if s.Address("in") != where || s.Address("other") == "" {
		t.Errorf("in is at %s, other at %q", s.Address("in"), s.Address("other"))
	}
	if got, err := said(conn, "still here"); got != "still here" {
		t.Errorf("the connection under way: %v", err)
	}
	if strings.Contains(s.log.String(), "route changed") {
		t.Error("the same route was changed")
	}
	fresh, err := w.peer(t, webName, s.Address("other"))
	check(t, err)
	if got, err := said(fresh, "hello"); got != "hello" {
		t.Error(err)
	}
}

func TestReloadClosesWhoIsNoLongerWelcome(t *testing.T) {
	w := newTown()
	route := w.serverRoute(t, target(t, echo), webName, dbName)
	s := start(t, Config{}, route)
	where := s.Address("in")
	web, err := w.peer(t, webName, where)
	check(t, err)
	db, err := w.peer(t, dbName, where)
	check(t, err)
	for _, conn := range []net.Conn{web, db} {
		if got, err := said(conn, "hello"); got != "hello" {
			t.Fatal(err)
		}
	}
	route.Allow = patterns(t, dbName)
	check(t, s.Apply(s.plan(t, time.Minute, route)))
	if _, err := web.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("web's connection: %v", err)
	}
	s.awaitLine(t, "forbidden", webName)
	if got, err := said(db, "still here"); got != "still here" {
		t.Errorf("db's connection: %v", err)
	}
	if again, err := w.peer(t, webName, where); err == nil {
		if _, err = said(again, "hello"); err == nil {
			t.Error("web came back")
		}
	}
}

func TestReloadLeadsNewConnectionsElsewhere(t *testing.T) {
	for _, protocol := range []Protocol{TCP, HTTP} {
		w := newTown()
		answer := func(text string) Address {
			return target(t, func(conn net.Conn) {
				for {
					if _, err := conn.Read(make([]byte, 1000)); err != nil {
						return
					}
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"+text)
				}
			})
		}
		route := w.serverRoute(t, answer("1"), webName)
		route.Protocol = protocol
		s := start(t, Config{}, route)
		ask := func(conn net.Conn) string {
			t.Helper()
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			buffer := make([]byte, 1000)
			n, err := conn.Read(buffer)
			if err != nil {
				t.Error(err)
				return ""
			}
			return string(buffer[n-1 : n])
		}
		old, err := w.peer(t, webName, s.Address("in"))
		check(t, err)
		if got := ask(old); got != "1" {
			t.Fatalf("%s: before, %q", protocol, got)
		}
		route.Target = answer("2")
		check(t, s.Apply(s.plan(t, time.Minute, route)))
		fresh, err := w.peer(t, webName, s.Address("in"))
		check(t, err)
		if got := ask(fresh); got != "2" {
			t.Errorf("%s: a new connection goes to %q", protocol, got)
		}
		if protocol == TCP {
			if got := ask(old); got != "1" {
				t.Errorf("the connection under way goes to %q", got)
			}
		} else if _, err := old.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the idle connection of the old route: %v", err)
		}
		old.Close()
		fresh.Close()
		s.stop()
	}
}

func TestRemovedRoutesDrain(t *testing.T) {
	w := newTown()
	route, stays := w.serverRoute(t, target(t, echo), webName), w.serverRoute(t, target(t, echo), webName)
	stays.Name, stays.Listen = "stays", address(t, "[::1]:0")
	s := start(t, Config{}, route, stays)
	where := s.Address("in")
	conn, err := w.peer(t, webName, where)
	check(t, err)
	if got, err := said(conn, "hello"); got != "hello" {
		t.Fatal(err)
	}
	check(t, s.Apply(s.plan(t, 300*time.Millisecond, stays)))
	began := time.Now()
	if _, err := net.Dial("tcp", where); err == nil {
		t.Error("the removed route still listens")
	}
	if got, err := said(conn, "still here"); got != "still here" {
		t.Errorf("the connection under way: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || time.Since(began) < 250*time.Millisecond || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	s.awaitLine(t, "drained")
}

func TestABadReloadChangesNothing(t *testing.T) {
	w := newTown()
	route := w.serverRoute(t, target(t, echo), webName)
	s := start(t, Config{}, route)
	taken := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer taken.Close()
	route.Allow = patterns(t, dbName)
	fresh, blocked := w.serverRoute(t, target(t, echo), webName), w.serverRoute(t, target(t, echo), webName)
	fresh.Name, fresh.Listen = "fresh", address(t, "[::1]:0")
	blocked.Name, blocked.Listen = "blocked", address(t, taken.Addr().String())
	if err := s.Apply(s.plan(t, time.Minute, route, fresh, blocked)); err == nil || !strings.Contains(err.Error(), "route blocked: ") {
		t.Errorf("error %v", err)
	}
	if s.Address("fresh") != "" {
		t.Error("a route of a refused plan listens")
	}
	conn, err := w.peer(t, webName, s.Address("in"))
	check(t, err)
	if got, err := said(conn, "hello"); got != "hello" {
		t.Errorf("the old rights: %v", err)
	}
}

func TestDrainLetsConnectionsEnd(t *testing.T) {
	w := newTown()
	s := start(t, Config{}, w.serverRoute(t, target(t, echo), webName))
	check(t, s.Apply(s.plan(t, patience, s.ports[address(t, "127.0.0.1:0")].route.Load().Route)))
	where := s.Address("in")
	conn, err := w.peer(t, webName, where)
	check(t, err)
	if got, err := said(conn, "hello"); got != "hello" {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		s.stop()
		close(over)
	}()
	await(t, "the listener to close", func() bool {
		c, err := net.Dial("tcp", where)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if _, err := s.Ready(); err == nil {
		t.Error("a proxy that drains is ready")
	}
	if got, err := said(conn, "still here"); got != "still here" {
		t.Errorf("the connection under way: %v", err)
	}
	select {
	case <-over:
		t.Error("the proxy ended before its connection")
	default:
	}
	conn.Close()
	<-over
	if err := s.Apply(Plan{}); err == nil {
		t.Error("an ended proxy takes a plan")
	}
}

func TestSocketsAreForTheirOwnerAlone(t *testing.T) {
	w := newTown()
	path := filepath.Join(t.TempDir(), "s")
	route := w.clientRoute(t, "127.0.0.1:1")
	route.Listen = address(t, "unix:"+path)
	s := start(t, Config{}, route)
	if info := must(os.Stat(path))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	route.ListenMode = 0o660
	check(t, s.Apply(s.plan(t, time.Minute, route)))
	if info := must(os.Stat(path))(t); info.Mode().Perm() != 0o660 {
		t.Errorf("after the reload, mode %v", info.Mode())
	}
	second := New(Config{})
	if err := second.Apply(s.plan(t, time.Minute, route)); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("a socket that answers was taken: %v", err)
	}
	s.stop()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	left := must(net.Listen("unix", path))(t).(*net.UnixListener)
	left.SetUnlinkOnClose(false)
	left.Close()
	start(t, Config{}, route)
	if err := removeStale(t.TempDir()); err == nil {
		t.Error("a directory was removed")
	}
}

func TestAThousandConnectionsLeaveNothing(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, echo), nil)
	where := out.Address("out")
	for range 10 {
		var open []net.Conn
		for range 100 {
			conn := must(net.Dial("tcp", where))(t)
			io.WriteString(conn, "x")
			open = append(open, conn)
		}
		for i, conn := range open {
			if i%2 == 0 { // the others are closed at once, whatever is under way
				conn.SetDeadline(time.Now().Add(patience))
				if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			conn.Close()
		}
	}
	for _, s := range []*served{in, out} {
		await(t, "the end of all connections", func() bool { return s.Proxy.metrics.open() == 0 })
		for _, port := range s.ports {
			await(t, "an empty port", func() bool {
				port.mu.Lock()
				defer port.mu.Unlock()
				return len(port.sessions) == 0 && port.open == 0 && len(port.gate.slots) == 0
			})
		}
	}
}

// Handshakes that do not get on make room for those that do.
func TestSilentConnectionsKeepNobodyOut(t *testing.T) {
	w := newTown()
	s := start(t, Config{}, w.serverRoute(t, target(t, echo), webName))
	where := s.Address("in")
	for range maxHandshakes + 100 {
		dial(t, where)
	}
	began := time.Now()
	conn, err := w.peer(t, webName, where)
	check(t, err)
	if got, err := said(conn, "hello"); got != "hello" || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
