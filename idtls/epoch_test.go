package idtls

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
)

// at sleeps until the unix time. Inside a synctest bubble that takes no time.
func at(unix uint64) { time.Sleep(time.Until(time.Unix(int64(unix), 0))) }

func TestEpochIsAcceptedFromSkewToSkew(t *testing.T) {
	a := newAuthority("example.org")
	for _, length := range []uint32{day, 10} {
		synctest.Test(t, func(t *testing.T) {
			d := a.domain(t)
			d.Schedule.Length = length
			epoch := identity.EpochAt(unixNow()+10*day, length)
			skew := uint64(min(300, length))
			own := a.issue(t, d, parseName(t, "spiffe://example.org/verifier"), epoch)
			v := &verifier{source: holder{own}, authorize: anyone, role: asClient}
			state := stateOf(forgery{credential: a.issue(t, d, parseName(t, "spiffe://example.org/peer"), epoch)}.leaf(t))
			for _, moment := range []struct {
				unix uint64
				want Check
			}{
				{epoch.Start - skew - 1, CheckEpoch},
				{epoch.Start - skew, ""},
				{epoch.End() + skew, ""},
				{epoch.End() + skew + 1, CheckEpoch},
			} {
				at(moment.unix)
				if err := v.verify(state); failedCheck(err) != moment.want {
					t.Errorf("length %d, %d s after its start: %v", length, int64(moment.unix-epoch.Start), err)
				}
			}
		})
	}
}

func TestBindingIsAcceptedFromSkewToSkew(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		own := a.member(t, "/verifier")
		from, until := own.Epoch.Start+10_000, own.Epoch.Start+20_000
		v := &verifier{source: holder{own}, authorize: anyone, role: asClient}
		state := stateOf(forgery{credential: a.member(t, "/peer"), binding: func(b *binding) {
			b.notBefore, b.notAfter = from, until
		}}.leaf(t))
		for _, moment := range []struct {
			unix uint64
			want Check
		}{{from - 301, CheckTime}, {from - 300, ""}, {until + 300, ""}, {until + 301, CheckTime}} {
			at(moment.unix)
			if err := v.verify(state); failedCheck(err) != moment.want {
				t.Errorf("%d s after its start: %v", int64(moment.unix-from), err)
			}
		}
	})
}

// TestOwnCredentialOutOfTimeIsNotShown: peers would refuse it without a word.
func TestOwnCredentialOutOfTimeIsNotShown(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		own := a.member(t, "/web")
		if _, err := current(holder{own}, unixNow()); err != nil {
			t.Fatal(err)
		}
		at(own.Epoch.End() + 301)
		if _, err := current(holder{own}, unixNow()); err == nil {
			t.Fatal("shown after its end")
		}
	})
}

// renewing hands out the credential of the epoch, as a wallet does whose clock
// is some time behind.
type renewing struct {
	behind time.Duration
	t      testing.TB
	issuer authority
	domain *Domain
	name   identity.Name

	mu   sync.Mutex
	last *Credential
}

func (r *renewing) Credential() (*Credential, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if epoch := r.domain.Schedule.Current(unixNow() - uint64(r.behind.Seconds())); r.last == nil || r.last.Epoch != epoch {
		r.last = r.issuer.issue(r.t, r.domain, r.name, epoch)
	}
	return r.last, nil
}

// TestEpochsPassUnderTraffic crosses three epochs of ten seconds, the peer's
// clock four seconds behind, with a handshake every half second: none is refused.
func TestEpochsPassUnderTraffic(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		renew := func(path string) *renewing {
			d := a.domain(t)
			d.Schedule.Length = 10
			d.Watermark = identity.NewWatermark(identity.Epoch{})
			return &renewing{t: t, issuer: a, domain: d, name: parseName(t, "spiffe://example.org"+path)}
		}
		web, api := renew("/web"), renew("/api")
		api.behind = 4 * time.Second
		client, err := ClientConfig(web, Exactly(api.name))
		check(t, err)
		server, err := ServerConfig(api, Exactly(web.name))
		check(t, err)
		seen := map[identity.Epoch]bool{}
		for range 70 {
			out := pipe(client, server)
			if out.client != nil || out.server != nil {
				t.Fatalf("at %v: client %v, server %v", time.Now(), out.client, out.server)
			}
			peer, err := PeerOf(out.clientState)
			check(t, err)
			seen[peer.Epoch] = true
			time.Sleep(500 * time.Millisecond)
		}
		if len(seen) < 4 {
			t.Fatalf("only %d epochs seen", len(seen))
		}
	})
}

// pipe runs a handshake that succeeds, in memory, so that time may stand still.
func pipe(client, server *tls.Config) outcome {
	var out outcome
	c, s := net.Pipe()
	defer c.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.Close()
		conn := tls.Server(s, server)
		if out.server = conn.Handshake(); out.server == nil {
			_, out.server = conn.Write([]byte{1})
		}
		out.serverState = conn.ConnectionState()
	}()
	conn := tls.Client(c, client)
	if out.client = conn.Handshake(); out.client == nil {
		_, out.client = io.ReadFull(conn, make([]byte, 1))
	}
	out.clientState = conn.ConnectionState()
	<-done
	return out
}
