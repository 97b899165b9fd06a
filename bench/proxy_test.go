package main

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
)

// along runs f on the paths to a target, with what is installed of those that they
// are compared with.
func along(t *testing.T, serve func(net.Conn), f func(*testing.T, *path)) {
	t.Helper()
	l, err := newTarget(serve)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, make := range map[string]pathMaker{"milagro": sidecarPath, forwarder: forwarderPath, stunnel: stunnelPath, haproxy: haproxyPath} {
		p, err := make(l.Addr().String())
		if absent, ok := errors.AsType[*absentError](err); ok {
			t.Log(absent)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Run(name, func(t *testing.T) { f(t, p) })
		p.close()
	}
}

func TestPathsCarryWhatRowsSend(t *testing.T) {
	along(t, drain, func(t *testing.T, p *path) {
		o, err := computing(streaming)(p)
		if err != nil {
			t.Fatal(err)
		}
		if lasted, err := o.timed(64); err != nil || lasted <= 0 {
			t.Errorf("64 MiB cost %v of processor time: %v", lasted, err)
		}
		if n, err := p.resident(); err != nil || n < 1<<20 {
			t.Errorf("%d bytes are resident: %v", n, err)
		}
	})
}

func TestPathsExchangeAndConnect(t *testing.T) {
	along(t, echo, func(t *testing.T, p *path) {
		for _, work := range []func(*path) (op, error){exchanging, connecting} {
			o, err := work(p)
			if err == nil {
				err = o.run(3)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// Without keys nothing passes: TLS is mutual on every path.
func TestPathsRefuseStrangers(t *testing.T) {
	stranger, _, err := chainConfigs() // of another root
	if err != nil {
		t.Fatal(err)
	}
	stranger.InsecureSkipVerify = true
	along(t, echo, func(t *testing.T, p *path) {
		plain := &path{entry: p.middle}
		if err := plain.await(); err == nil {
			t.Error("plain bytes pass")
		}
		conn, err := tls.Dial("tcp", p.middle, stranger)
		if err != nil {
			return
		}
		defer conn.Close()
		if err := exchange(conn, make([]byte, 1)); err == nil {
			t.Error("a stranger is welcome")
		}
	})
}

func TestRowWithoutItsReferenceIsLeftOut(t *testing.T) {
	absent := func(target string) (*path, error) {
		return wrapped("no-such-program", target, func(*path) (server, client string) { return "", "" })
	}
	rows, err := measureAll([]subject{{name: "x", against: "no-such-program", setup: proxied(absent, echo, exchanging)}})
	if err != nil || rows == nil || len(rows) != 0 {
		t.Errorf("rows %v: %v", rows, err)
	}
}

func TestIdleConnectionsAreWeighed(t *testing.T) {
	l, err := newTarget(echo)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	held, err := heldBy(forwarderPath, l.Addr().String(), 200)
	if err != nil || held < 32<<10 || held > 8<<20 { // the race detector holds more
		t.Errorf("%v bytes a connection: %v", held, err)
	}
}
