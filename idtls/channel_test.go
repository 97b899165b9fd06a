package idtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
	"milagro.dev/keys"
)

func TestDialAndListenKnowEachOther(t *testing.T) {
	a := newAuthority("example.org")
	web, api := a.member(t, "/web"), a.member(t, "/api")
	l, err := Listen("tcp", "127.0.0.1:0", holder{api}, Exactly(web.Name))
	check(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if conn.(*tls.Conn).Handshake() == nil {
			peer, _ := PeerOf(conn.(*tls.Conn).ConnectionState())
			fmt.Fprint(conn, peer.Name)
		}
	}()
	conn, err := Dial(t.Context(), "tcp", l.Addr().String(), holder{web}, Exactly(api.Name))
	check(t, err)
	defer conn.Close()
	peer, err := PeerOf(conn.ConnectionState())
	check(t, err)
	if want := (Peer{Name: api.Name, Device: api.Device, Epoch: api.Epoch, Domain: api.Domain.ID}); peer != want {
		t.Errorf("client sees %+v", peer)
	}
	said, err := io.ReadAll(conn)
	if string(said) != web.Name.String() || err != nil {
		t.Errorf("server saw %q, error %v", said, err)
	}
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	check(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	source := holder{newAuthority("example.org").member(t, "/web")}
	if _, err := Dial(ctx, "tcp", l.Addr().String(), source, anyone); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// TestPeerOfKnowsOnlyWhatWasAccepted tries it on states that no completed
// handshake of this package leaves.
func TestPeerOfKnowsOnlyWhatWasAccepted(t *testing.T) {
	a := newAuthority("example.org")
	leaf := forgery{credential: a.member(t, "/web")}.leaf(t)
	good := stateOf(leaf)
	if _, err := PeerOf(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*tls.ConnectionState){
		"handshake under way": func(s *tls.ConnectionState) { s.HandshakeComplete = false },
		"TLS 1.2":             func(s *tls.ConnectionState) { s.Version = tls.VersionTLS12 },
		"no certificate":      func(s *tls.ConnectionState) { s.PeerCertificates = nil },
		"a chain":             func(s *tls.ConnectionState) { s.PeerCertificates = append(s.PeerCertificates, leaf.Leaf) },
		"other name beside the binding": func(s *tls.ConnectionState) {
			f := forgery{credential: a.member(t, "/web"), template: setNames(nil, "spiffe://example.org/admin")}
			s.PeerCertificates = stateOf(f.leaf(t)).PeerCertificates
		},
	} {
		state := good
		edit(&state)
		if peer, err := PeerOf(state); err == nil || peer != (Peer{}) {
			t.Errorf("%s: %+v, %v", name, peer, err)
		}
	}
}

func TestHTTPRunsOverIdentityTLS(t *testing.T) {
	a := newAuthority("example.org")
	web, api := a.member(t, "/web"), a.member(t, "/api")
	url := serveHTTP(t, api, Exactly(web.Name))
	transport, err := Transport(holder{web}, Exactly(api.Name))
	check(t, err)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for range 3 {
		response, err := client.Get(url)
		check(t, err)
		body, err := io.ReadAll(response.Body)
		check(t, err)
		check(t, response.Body.Close())
		if want := "HTTP/2.0 " + web.Name.String(); string(body) != want {
			t.Errorf("%q, not %q", body, want)
		}
	}
	stranger, err := Transport(holder{a.member(t, "/stranger")}, Exactly(api.Name))
	check(t, err)
	defer stranger.CloseIdleConnections()
	// Its error is the alert or, if HTTP/2 has noticed the end first, that.
	if response, err := (&http.Client{Transport: stranger}).Get(url); err == nil {
		t.Errorf("a stranger was served: %s", response.Status)
	}
	wrong, err := Transport(holder{web}, Exactly(web.Name))
	check(t, err)
	if _, err := (&http.Client{Transport: wrong}).Get(url); failedCheck(err) != CheckAuthorizer {
		t.Errorf("a wrong server was asked: %v", err)
	}
	if _, err := client.Get(strings.Replace(url, "https:", "http:", 1)); err == nil || !strings.Contains(err.Error(), "https://") {
		t.Errorf("asked in clear: %v", err)
	}
}

// serveHTTP serves one handler that says who asks, and returns its URL.
func serveHTTP(t *testing.T, own *Credential, authorize Authorizer) string {
	t.Helper()
	server, err := Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := PeerOf(*r.TLS)
		fmt.Fprint(w, r.Proto, " ", peer.Name)
		if err != nil {
			t.Error(err)
		}
	}), holder{own}, authorize)
	check(t, err)
	server.ErrorLog = quiet(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	done := make(chan error)
	go func() { done <- server.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		check(t, server.Close())
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "https://" + l.Addr().String()
}

// TestConcurrentHandshakesShareOneLeaf begins with credentials that nobody has
// used, and leaves no goroutine behind, which the bubble would tell.
func TestConcurrentHandshakesShareOneLeaf(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		client, server := clientConfig(t, a.member(t, "/web"), anyone), serverConfig(t, a.member(t, "/api"), anyone)
		var mu sync.Mutex
		leaves := map[string]bool{}
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				out := pipe(client, server)
				if out.client != nil || out.server != nil {
					t.Errorf("client %v, server %v", out.client, out.server)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				leaves[string(out.clientState.PeerCertificates[0].Raw)] = true
				leaves[string(out.serverState.PeerCertificates[0].Raw)] = true
			})
		}
		all.Wait()
		if len(leaves) != 2 {
			t.Errorf("%d leaves, not one for each end", len(leaves))
		}
	})
}

// TestBadOwnCredentialIsNamedHere: the error is on this end, where it can be mended.
func TestBadOwnCredentialIsNamedHere(t *testing.T) {
	a := newAuthority("example.org")
	api := a.member(t, "/api")
	for fault, edit := range map[string]func(*Credential){
		"key of another name":      func(c *Credential) { c.Key = a.member(t, "/other").Key },
		"key of another device":    func(c *Credential) { c.Device[0]++ },
		"no name":                  func(c *Credential) { c.Name = identity.Name{} },
		"domain of another name":   func(c *Credential) { c.Domain.Name = "example.com" },
		"domain of another master": func(c *Credential) { c.Domain.Master = newAuthority("example.org").domain(t).Master },
		"no domain":                func(c *Credential) { c.Domain = nil },
		"bad schedule":             func(c *Credential) { c.Domain.Schedule.PreviousLastStart = 5 },
	} {
		c := a.member(t, "/web")
		edit(c)
		out := connect(t, clientConfig(t, c, anyone), serverConfig(t, api, anyone))
		if out.client == nil || !strings.Contains(out.client.Error(), "own credential") {
			t.Errorf("%s as client: %v", fault, out.client)
		}
		c = a.member(t, "/web")
		edit(c)
		out = connect(t, clientConfig(t, api, anyone), serverConfig(t, c, anyone))
		if out.server == nil || !strings.Contains(out.server.Error(), "own credential") {
			t.Errorf("%s as server: %v", fault, out.server)
		}
	}
}

var errEmpty = errors.New("wallet is empty")

type empty struct{}

func (empty) Credential() (*Credential, error) { return nil, errEmpty }

func TestSourceErrorsComeThrough(t *testing.T) {
	config, err := ClientConfig(empty{}, anyone)
	check(t, err)
	out := connect(t, config, serverConfig(t, newAuthority("example.org").member(t, "/api"), anyone))
	if !errors.Is(out.client, errEmpty) {
		t.Fatal(out.client)
	}
	if errors.Is(out.client, keys.ErrKey) {
		t.Fatal("a key that does not exist is bad")
	}
}
