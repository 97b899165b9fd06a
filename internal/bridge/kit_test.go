package bridge

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"go.uber.org/goleak"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

// TestMain ends with no goroutine left. This binary is also a workload of another
// user: see TestAnotherUserGetsNothing.
func TestMain(m *testing.M) {
	if socket := os.Getenv(otherUser); socket != "" {
		os.Exit(actAsOtherUser(socket))
	}
	goleak.VerifyTestMain(m)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parseName(t testing.TB, s string) identity.Name {
	t.Helper()
	n, err := identity.ParseName(s)
	check(t, err)
	return n
}

const (
	webText = "spiffe://example.org/web"
	apiText = "spiffe://example.org/api"
)

// town is a trust domain, whose whole master secret exists nowhere but in tests.
type town struct {
	secret pairing.Secret
	domain *idtls.Domain
}

func newTown(t testing.TB, name string, epoch uint32) *town {
	t.Helper()
	secret := pairing.RandomSecret()
	master, err := keys.ParseMaster(secret.G2().Bytes())
	check(t, err)
	id, err := identity.NewDomainID(name, master.Point())
	check(t, err)
	return &town{secret: secret, domain: &idtls.Domain{
		ID: id, Name: name, Master: master, Schedule: identity.Schedule{Length: epoch}, Suites: []uint8{idtls.SuiteIdentityKey},
	}}
}

// issue returns the credential of a name in the epoch of that time.
func (w *town) issue(t testing.TB, name identity.Name, at time.Time) *idtls.Credential {
	t.Helper()
	c := &idtls.Credential{
		Name: name, Device: identity.DeviceHash{1, 2, 3}, Epoch: w.domain.Schedule.Current(uint64(at.Unix())), Domain: w.domain,
	}
	point, err := identity.Key{
		Domain: w.domain.ID, Purpose: identity.Channel, Name: name, Device: c.Device, Epoch: c.Epoch,
	}.Point()
	check(t, err)
	c.Key, err = keys.ParsePrivate(point.MulSecret(w.secret).Expose())
	check(t, err)
	return c
}

// holder is a source whose credential the test takes away and gives.
type holder struct {
	mu         sync.Mutex
	credential *idtls.Credential
}

var errTaken = errors.New("the wallet has no key of this epoch")

func (h *holder) Credential() (*idtls.Credential, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.credential == nil {
		return nil, errTaken
	}
	return h.credential, nil
}

func (h *holder) set(c *idtls.Credential) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.credential = c
}

// clock is a clock that the test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// site is a bridge with the names web and api, of a domain with epochs of a
// thousand days, so that no test meets the end of one by chance.
type site struct {
	*Bridge
	town     *town
	clock    *clock
	web, api identity.Name
	holders  map[identity.Name]*holder
}

const longEpoch = 1000 * 86400

func newSite(t testing.TB, epoch uint32, edit func(*site, *Config)) *site {
	t.Helper()
	s := &site{
		town: newTown(t, "example.org", epoch), clock: &clock{now: time.Now()},
		web: parseName(t, webText), api: parseName(t, apiText), holders: map[identity.Name]*holder{},
	}
	cfg := Config{Sources: map[identity.Name]idtls.Source{}, Clock: s.clock.time, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, name := range []identity.Name{s.web, s.api} {
		s.holders[name] = &holder{credential: s.town.issue(t, name, s.clock.now)}
		cfg.Sources[name] = s.holders[name]
	}
	cfg.Entries = []Entry{{s.web, User(uint32(os.Geteuid()))}}
	if edit != nil {
		edit(s, &cfg)
	}
	var err error
	s.Bridge, err = New(cfg)
	check(t, err)
	return s
}

// pass lets time pass and the bridge see it.
func (s *site) pass(t testing.TB, d time.Duration) {
	t.Helper()
	s.clock.advance(d)
	check(t, s.look())
}

// serve serves the Workload API until the test is over and returns the socket.
func (s *site) serve(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "b") // the path of a socket is short
	check(t, err)
	check(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "w.sock")
	l, err := s.Listen(path)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
		os.RemoveAll(dir)
	})
	return path
}

// client returns go-spiffe's client of a socket.
func client(t testing.TB, path string) *workloadapi.Client {
	t.Helper()
	c, err := workloadapi.New(t.Context(), workloadapi.WithAddr("unix://"+path))
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// source returns go-spiffe's source of a socket: what a SPIFFE program has.
func source(t testing.TB, path string) *workloadapi.X509Source {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+path)))
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}
