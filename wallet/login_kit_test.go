package wallet_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/wallet"
)

const (
	alice   = "acct:alice@example.org"
	service = "login"

	rightPIN, wrongPIN, newPIN = "472916", "472961", "830147"
)

// house is a real trust domain with a real login server.
type house struct {
	*authoritytest.Domain
	server *logintest.Server
}

// newHouse makes one, of three authorities of which two are enough unless d says
// otherwise.
func newHouse(t *testing.T, d authoritytest.Config, l logintest.Config) *house {
	t.Helper()
	if d.Threshold == 0 {
		d.Threshold = 2
	}
	d.Limits = authority.DefaultLimits()
	d.Limits.Enrolments.Count = 1_000 // of one name, in a test
	l.Domain = authoritytest.New(t, d)
	l.Published = l.Domain.(*authoritytest.Domain).Published
	l.Login.Clock = d.Clock
	l.Login.Refresh = time.Second // there is no newer document
	return &house{l.Domain.(*authoritytest.Domain), logintest.New(t, l)}
}

// wallet opens a wallet that has pinned the house's domain.
func (h *house) wallet(t *testing.T, cfg wallet.Config) *wallet.Wallet {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "wallet")
	}
	w, err := wallet.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	wallet.CheapPINs(w)
	if _, err := w.Pin(t.Context(), h.Members[0].URL(), h.Published.Document.ID()); err != nil {
		t.Fatal(err)
	}
	return w
}

// someone is a person with a wallet of her own.
type someone struct {
	*wallet.Wallet
	house *house
	name  identity.Name
}

// newcomer has a wallet, which c may say more of, that has pinned the domain.
func (h *house) newcomer(t *testing.T, name string, c wallet.Config) *someone {
	t.Helper()
	return &someone{h.wallet(t, c), h, parseName(t, name)}
}

// registered is a newcomer who has registered and logged in.
func (h *house) registered(t *testing.T, name string, c wallet.Config) *someone {
	t.Helper()
	p := h.newcomer(t, name, c)
	if err := p.register(t); err != nil {
		t.Fatal(err)
	}
	return p
}

// registration has fresh codes of every authority.
func (p *someone) registration(t *testing.T) wallet.Registration {
	t.Helper()
	return wallet.Registration{Name: p.name, Service: service, PIN: []byte(rightPIN), Codes: p.house.Codes(t, p.name, identity.MPin)}
}

func (p *someone) register(t *testing.T) error {
	t.Helper()
	_, err := p.Register(t.Context(), p.registration(t))
	return err
}

func (p *someone) logIn(t *testing.T, pin string) error {
	t.Helper()
	_, err := p.Login(t.Context(), wallet.LoginRequest{Name: p.name, Service: service, PIN: []byte(pin)})
	return err
}

func (p *someone) changePIN(t *testing.T, from, to string) error {
	t.Helper()
	_, err := p.ChangePIN(t.Context(), wallet.PINChange{Name: p.name, Service: service, Old: []byte(from), New: []byte(to)})
	return err
}

// login returns the one login that the wallet has.
func (p *someone) login(t *testing.T) *wallet.Login {
	t.Helper()
	all, err := p.Logins()
	if err != nil || len(all) != 1 {
		t.Fatalf("%d logins, %v", len(all), err)
	}
	return all[0]
}

// files returns what the wallet's directory has but locks, by path.
func (p *someone) files(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(p.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// elsewhere is the same person with a copy of the wallet.
func (p *someone) elsewhere(t *testing.T, c wallet.Config) *someone {
	t.Helper()
	c.Dir = filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(c.Dir, os.DirFS(p.Dir())); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		mode := fs.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		return errors.Join(err, os.Chmod(path, mode))
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.house.newcomer(t, p.name.String(), c)
}

// wire is a transport that remembers what it carried and may fail.
type wire struct {
	mu   sync.Mutex
	sent []byte
	cut  func(*http.Request) bool // before the request, or after it if lost
	lost func(*http.Request) bool
}

var errCut = errors.New("the wire is cut")

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	cut, lost := w.cut, w.lost
	w.mu.Unlock()
	if cut != nil && cut(r) {
		return nil, errCut
	}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		w.sent = append(append(w.sent, r.URL.String()...), b...)
		w.mu.Unlock()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && lost != nil && lost(r) {
		resp.Body.Close()
		return nil, errCut
	}
	return resp, err
}

func (w *wire) client() *dta.Client { return &dta.Client{HTTP: &http.Client{Transport: w}} }

func (w *wire) set(cut, lost func(*http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut, w.lost = cut, lost
}

func to(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Path == path }
}

// clock goes on by itself and can be set.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }
