package login_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// newcomer is a login server whose service is in the document and which runs, while
// nobody has approved the delivery of its key.
func newcomer(t testing.TB, edit func(*logintest.Config)) *stage {
	t.Helper()
	c := noon()
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Clock: c.Now})
	cfg := logintest.Config{Domain: d, Published: d.Published, Login: login.Config{Clock: c.Now}}
	if edit != nil {
		edit(&cfg)
	}
	server, err := logintest.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &stage{Server: server, domain: d, clock: c, t: t}
	s.done(d.AddService(t.Context(), server.Card))
	return s
}

// says waits until the readiness has all of these texts.
func (s *stage) says(texts ...string) {
	s.t.Helper()
	s.done(s.AwaitFault(s.t.Context(), func(body string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(body, text) })
	}))
}

func (s *stage) approve(index int) {
	s.t.Helper()
	s.done(s.domain.Members[index-1].ApproveLogin(s.t.Context(), s.Card.Service))
}

// files returns the names of the server's files of this pattern.
func (s *stage) files(pattern string) (names []string) {
	s.t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.Dir, pattern))
	s.done(err)
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names
}

// TestServerKeyComesShareByShare: what is missing is said exactly; each share is on
// the disk as soon as it is here, outlives a restart, and is gone when the key is
// whole.
func TestServerKeyComesShareByShare(t *testing.T) {
	t.Parallel()
	s := newcomer(t, nil)
	s.done(s.domain.Members[2].Stop())
	s.done(s.Start(t.Context()))
	s.says("server key: 0 of 2 shares", "authority 1: two operators have not approved", "authority 2: two operators have not approved",
		"authority 3: it does not answer")
	if _, err := s.Operator().Status(t.Context()); err != nil {
		t.Error(err)
	}
	s.approve(1)
	s.says("server key: 1 of 2 shares; authority 2: two operators have not approved; authority 3: it does not answer")
	if shares := s.files("server-share-*"); len(shares) != 1 || !strings.HasPrefix(shares[0], "server-share-1-") {
		t.Errorf("shares %q", shares)
	}
	s.done(s.Stop())
	s.done(s.Start(t.Context()))
	s.says("server key: 1 of 2 shares; authority 2")
	s.approve(2)
	s.done(s.AwaitReady(t.Context()))
	if shares, key := s.files("server-share-*"), s.files("server-key-*"); len(shares) != 0 || len(key) != 1 {
		t.Errorf("shares %q, keys %q", shares, key)
	}
	s.done(s.domain.Members[2].Start(t.Context()))
	s.logsIn(s.Person(t, alice, right))
	for _, m := range s.domain.Members {
		s.done(m.Stop())
	}
	s.done(s.Restart(t.Context()))
}

// TestServerKeyThatDoesNotFitIsNotUsed puts something else in its place. The server
// comes up, says what is wrong, leaves the file alone, and asks for no other.
func TestServerKeyThatDoesNotFitIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.permitted(p)
	path := filepath.Join(s.Dir, s.files("server-key-*")[0])
	whole, err := custody.ReadSecretFile(path)
	s.done(err)
	mine, err := custody.FromKeyFile(s.KeyFile)
	s.done(err)
	stranger, err := custody.NewKeyFile(filepath.Join(t.TempDir(), "key"))
	s.done(err)
	service := s.domain.Published.Document.Services()[0]
	purpose := fmt.Sprintf("server key %x %x", s.domain.Published.Document.ServiceID(service), service.Generation.Bytes())
	own, err := mine.Open(whole, purpose)
	s.done(err)
	other, err := keys.CombineServer(2, []keys.ServerShare{stolenShare(t, s.domain.Members[0], s.domain.Published.Document.Generation()).ServerShare(),
		stolenShare(t, s.domain.Members[1], s.domain.Published.Document.Generation()).ServerShare()})
	s.done(err)
	seal := func(by custody.Protector, secret []byte, purpose string) []byte {
		sealed, err := by.Seal(secret, purpose)
		s.done(err)
		return sealed
	}
	identity := make([]byte, keys.ServerKeySize)
	identity[0] = 0xc0
	for _, c := range []struct {
		why string
		put []byte
	}{
		{"the sealed server key is damaged", whole[:len(whole)-1]},
		{"the sealed server key is damaged", nil},
		{"the sealed server key is damaged", seal(mine, own[1:], purpose)},
		{"the sealed server key was sealed with another key", seal(stranger, own, purpose)},
		{"that of another service or generation", seal(mine, own, purpose+"0")},
		{"does not fit", seal(mine, other.Expose(), purpose)},
		{"the sealed server key", seal(mine, identity, purpose)},
	} {
		s.done(s.Stop())
		s.done(os.WriteFile(path, c.put, 0o600))
		s.done(s.Start(t.Context()))
		s.says(c.why)
		_, err := p.Begun(t.Context(), right, none)
		refused(t, err, problem.Unavailable)
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.put) {
			t.Errorf("%s: the file was changed", c.why)
		}
	}
	s.done(os.WriteFile(path, whole, 0o600))
	s.done(s.AwaitReady(t.Context())) // without a restart
	s.logsIn(p)
}

// TestLostAnswerTakesNoSecondApproval: the same request is sent again, hours later
// too, and gets the same bytes.
func TestLostAnswerTakesNoSecondApproval(t *testing.T) {
	t.Parallel()
	lossy := &losing{lose: true}
	s := newcomer(t, func(c *logintest.Config) { c.Login.Peers = &http.Client{Transport: lossy} })
	s.done(s.domain.ApproveLogin(t.Context(), s.Card.Service))
	s.done(s.Start(t.Context()))
	for range 2 {
		s.eventually("answers are lost", lossy.lostAll)
		s.says("0 of 2 shares", "it does not answer")
		s.clock.forward(time.Hour)
	}
	lossy.set(false)
	s.done(s.AwaitReady(t.Context()))
}

// losing is a transport that loses answers with server key shares, if it is so set.
type losing struct {
	mu   sync.Mutex
	lose bool
	lost map[string]bool // hosts
}

func (l *losing) set(lose bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = lose
}

// lostAll reports whether all three authorities' answers were lost since it last
// said so.
func (l *losing) lostAll() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lost) < 3 {
		return false
	}
	l.lost = nil
	return true
}

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK || r.URL.Path != "/v1/login/key" {
		return response, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lose {
		return response, nil
	}
	if l.lost == nil {
		l.lost = map[string]bool{}
	}
	l.lost[r.URL.Host] = true
	return nil, errors.Join(errors.New("the answer was lost"), response.Body.Close())
}

// TestLyingAuthorityMakesNoServerKey: its share is named and dropped; others make
// the key.
func TestLyingAuthorityMakesNoServerKey(t *testing.T) {
	t.Parallel()
	s := newcomer(t, nil)
	liar := s.domain.Members[0]
	s.done(liar.Stop())
	listener, err := net.Listen("tcp", strings.TrimPrefix(liar.URL(), "http://"))
	s.done(err)
	stand := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string][]byte{"reply": bytes.Repeat([]byte{1}, 1500)})
	})}}
	stand.Start()
	defer stand.Close()
	s.done(s.Start(t.Context()))
	s.says("0 of 2 shares", "authority 1: its share does not verify")
	if shares := s.files("server-share-*"); len(shares) != 0 {
		t.Errorf("shares %q", shares)
	}
	s.approve(2)
	s.approve(3)
	s.done(s.AwaitReady(t.Context()))
}

// TestDamagedShareIsLeftAlone: it is named, and the other authorities make the key.
func TestDamagedShareIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newcomer(t, nil)
	s.done(s.Start(t.Context()))
	s.approve(1)
	s.says("1 of 2 shares")
	s.done(s.Stop())
	path := filepath.Join(s.Dir, s.files("server-share-1-*")[0])
	s.done(os.WriteFile(path, []byte("share"), 0o600))
	s.clock.forward(2 * time.Second) // else the approvals are the same as before
	s.approve(1)
	s.done(s.Start(t.Context()))
	s.says("0 of 2 shares", "authority 1: a damaged share of it is in the way")
	s.approve(2)
	s.approve(3)
	s.done(s.AwaitReady(t.Context()))
}
