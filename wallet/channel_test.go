package wallet

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// until sleeps to the unix second.
func until(unix uint64) { time.Sleep(time.Until(time.Unix(int64(unix), 0))) }

// TestPeersThatStraddleAnEpochAreNeverRefused lets one wallet take the next
// key before the epoch ends, its clock being fast, and another keep the last one
// as long as peers accept it, nobody renewing it.
func TestPeersThatStraddleAnEpochAreNeverRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 100)
		late, lateName := c.enrolled(t)
		early, earlyName := c.enrolled(t)
		fast := must(Open(Config{Dir: early.Dir(), Client: c.client(), Logger: testLogger(t),
			Clock: func() time.Time { return time.Now().Add(15 * time.Second) }}))(t)
		ahead := fast.Source(earlyName)
		epoch := identity.EpochAt(late.now(), 100)
		until(epoch.End() - 20)
		must(fast.Renew(t.Context(), earlyName))(t)
		apart := 0
		for now := epoch.End() - 20; now < epoch.End()+epoch.Skew(); now += 5 {
			until(now)
			slow := late.Source(lateName) // as after a restart
			if must(slow.Credential())(t).Epoch != must(ahead.Credential())(t).Epoch {
				apart++
			}
			for _, ends := range [][2]idtls.Source{{slow, ahead}, {ahead, slow}} {
				if err := call(t, ends[0], ends[1]); err != nil {
					t.Fatalf("%d s after the epoch's end: %v", int64(now)-int64(epoch.End()), err)
				}
			}
		}
		if apart < 20 {
			t.Errorf("their epochs differed in %d calls: the test shows little", apart)
		}
	})
}

// TestOpenConnectionSurvivesRotationAndRenewal speaks once a second over one
// connection while both wallets renew, take the next key and follow a new
// document; then its own epoch and skew are over.
func TestOpenConnectionSurvivesRotationAndRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 20)
		web, webName, stopWeb := c.kept(t)
		defer stopWeb()
		api, apiName, stopAPI := c.kept(t)
		defer stopAPI()
		from, to := web.Source(webName), api.Source(apiName)
		conn := watchedEcho(t, from, to)
		epoch := must(from.Credential())(t).Epoch
		epochs := map[identity.Epoch]bool{}
		for now := web.now() + 1; now <= epoch.End()+epoch.Skew(); now++ {
			until(now)
			if err := echo(conn); err != nil {
				t.Fatalf("%d s after the epoch's end: %v", int64(now)-int64(epoch.End()), err)
			}
			if now == epoch.End() {
				f := c.successor()
				f.Suites = []byte{1, 2}
				c.revise(t, f)
				must(web.Refresh(t.Context(), "example.org"))(t)
				must(api.Refresh(t.Context(), "example.org"))(t)
			}
			epochs[must(from.Credential())(t).Epoch] = true
		}
		if len(epochs) < 2 {
			t.Errorf("%d epochs: nothing rotated", len(epochs))
		}
		time.Sleep(2 * time.Second)
		if err := echo(conn); err == nil {
			t.Error("it lives past its epoch and skew")
		}
		check(t, call(t, from, to))
	})
}

// watchedEcho opens a connection to a server that says all back.
func watchedEcho(t *testing.T, from, to idtls.Source) *tls.Conn {
	t.Helper()
	client := must(idtls.ClientConfig(from, idtls.Member("example.org")))(t)
	server := must(idtls.ServerConfig(to, idtls.Member("example.org")))(t)
	a, b := net.Pipe()
	go func() {
		conn := tls.Server(b, server)
		if conn.Handshake() != nil {
			return
		}
		if stop, err := idtls.Watch(conn, conn.ConnectionState(), to); err == nil {
			defer stop()
			_, _ = io.Copy(conn, conn)
		}
	}()
	conn := tls.Client(a, client)
	check(t, conn.Handshake())
	must(idtls.Watch(conn, conn.ConnectionState(), from))(t)
	return conn
}

func echo(conn *tls.Conn) error {
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}
