package wallet_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
	"milagro.dev/wallet"
)

// spellings are the forms in which a secret could be somewhere.
func spellings(secret string) []string {
	b := []byte(secret)
	all := []string{secret, hex.EncodeToString(b)}
	for shift := range 3 { // inside a longer base64, at any offset
		coded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), b...))
		all = append(all, coded[4*min(shift, 1):len(coded)-len(coded)%4-4])
	}
	return all
}

// shared is a buffer that many may write.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestThePINIsInNoFileRequestLogOrError(t *testing.T) {
	t.Parallel()
	logs, net := &shared{}, &wire{}
	all := slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h := newHouse(t, authoritytest.Config{Logger: all}, logintest.Config{})
	p := h.newcomer(t, alice, wallet.Config{Client: net.client(), Logger: all})
	pins := map[string]string{"first": "Canary-one-4471", "second": "Canary-two-8812", "wrong": "Canary-bad-1093"}
	var said []string
	heard := func(r *wallet.Report, err error) {
		if r != nil {
			said = append(said, r.Text())
		}
		if err != nil {
			said = append(said, err.Error(), hint(err))
		}
	}
	q := p.registration(t)
	q.PIN = []byte(pins["first"])
	net.set(to("/v1/mpin/row"), nil)
	heard(p.Register(t.Context(), q))
	net.set(nil, nil)
	heard(p.Register(t.Context(), q))
	for _, pin := range []string{pins["wrong"], pins["first"]} {
		heard(nil, p.logIn(t, pin))
	}
	for _, old := range []string{pins["wrong"], pins["first"]} {
		heard(p.ChangePIN(t.Context(), wallet.PINChange{Name: p.name, Service: service, Old: []byte(old), New: []byte(pins["second"])}))
	}
	heard(p.RenewPermits(t.Context(), p.name, service))
	heard(p.Register(t.Context(), wallet.Registration{Name: p.name, Service: service, PIN: []byte(pins["first"] + "\x00")}))
	if err := p.logIn(t, pins["second"]); err != nil {
		t.Fatal(err)
	}
	places := maps.Clone(p.files(t))
	places["a report or an error"] = strings.Join(said, "\n")
	places["the log"] = logs.String()
	places["a request"] = string(net.sent)
	if len(net.sent) < 10_000 || len(logs.String()) == 0 || len(said) < 10 {
		t.Fatal("little was looked at")
	}
	for title, pin := range pins {
		for where, content := range places {
			for _, spelling := range spellings(pin) {
				if strings.Contains(content, spelling) {
					t.Errorf("the %s PIN is in %s as %q", title, where, spelling)
				}
			}
		}
	}
}

// deviceKeyOf returns the device key in a wallet's files, as a thief reads it.
func deviceKeyOf(t *testing.T, files map[string]string) crypto.Signer {
	t.Helper()
	for path, content := range files {
		if filepath.Base(path) != "device.pem" || !strings.Contains(path, "logins") {
			continue
		}
		block, _ := pem.Decode([]byte(content))
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return key.(crypto.Signer)
	}
	t.Fatal("no device key")
	return nil
}

// A thief has all files of a wallet, its device key among them, and all authorities
// to ask, but no PIN.
func TestAWalletWithoutItsPINGetsNothingThatLogsIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	victim := h.registered(t, alice, wallet.Config{})
	thief := victim.elsewhere(t, wallet.Config{})
	if _, err := thief.RenewPermits(t.Context(), victim.name, service); err != nil {
		t.Errorf("permits need the device key alone: %v", err)
	}
	signer := deviceKeyOf(t, thief.files(t))
	site, _ := h.Published.Document.Service(service)
	key := identity.Key{Name: victim.name, Service: h.Published.Document.ServiceID(site)}
	device, err := identity.DeviceOf(signer)
	if err != nil {
		t.Fatal(err)
	}
	word := dta.Voucher{Domain: h.Published.Document.ID(), Service: key.Service, Index: 1, Name: key.Name, Old: device.Hash(), New: device.Hash()}
	for title, evidence := range map[string]func(*dta.Request) ([]byte, error){
		"nothing":           nil,
		"a code of his own": func(q *dta.Request) ([]byte, error) { return dta.CodeEvidence(dta.NewCode(q.Index)), nil },
		"a voucher that he signed": func(q *dta.Request) ([]byte, error) {
			mine := word
			mine.Index = q.Index
			return dta.SuccessionEvidence(mine.Sign(make([]byte, 64)), signer, q)
		},
	} {
		for _, purpose := range []identity.Purpose{identity.MPin, identity.Channel, identity.Decrypt} {
			k := key
			if k.Purpose = purpose; purpose != identity.MPin {
				schedule, _ := h.Published.Document.Schedule(purpose)
				k.Service, k.Epoch = identity.ServiceID{}, schedule.Current(h.Now())
			}
			_, err := new(dta.Client).Apply(t.Context(), dta.Application{Domain: h.Published, Key: k, Signer: signer, Evidence: evidence, Now: h.Now})
			failed, ok := errors.AsType[*dta.ApplyError](err)
			if !ok {
				t.Fatalf("%s for %s: %v", title, purpose, err)
			}
			for _, o := range failed.Outcomes {
				if o.Err == nil {
					t.Errorf("%s for %s: authority %d gave a share", title, purpose, o.Authority.Index)
				}
			}
		}
	}
	for i := range 6 {
		if err := thief.logIn(t, wrongPIN); !errors.Is(err, problem.LoginRefused) {
			t.Errorf("guess %d: %v", i+1, err)
		}
	}
	if err := thief.logIn(t, rightPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("after five guesses, the right PIN: %v", err)
	}
}

// A copy from before a change of PIN and one from after have nothing in common: the
// identity points differ, and so do the salts.
func TestTwoSnapshotsAroundAChangeOfPINShareNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{})
	before, was := p.files(t), p.login(t).Device
	if err := p.changePIN(t, rightPIN, newPIN); err != nil {
		t.Fatal(err)
	}
	after := p.files(t)
	if p.login(t).Device == was {
		t.Error("the device key is the same: one point was split with two PINs")
	}
	compared := 0
	for path, content := range before {
		if !strings.Contains(path, "logins") || filepath.Base(path) == "login" {
			continue
		}
		if _, there := after[path]; there {
			t.Errorf("%s is still there", path)
		}
		for _, secret := range secrets(t, h, content) {
			compared++
			for _, now := range after {
				if strings.Contains(now, secret) {
					t.Errorf("%s: %d bytes of it are in the wallet yet", filepath.Base(path), len(secret))
				}
			}
		}
	}
	if compared < 5 {
		t.Errorf("compared %d secrets", compared)
	}
	if old := deviceKeyOf(t, before); old.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(deviceKeyOf(t, after).Public()) {
		t.Error("the device key is the same")
	}
}

// secrets returns those fields of a token or permit that are a point, a salt or a
// device: all but what tells the service.
func secrets(t *testing.T, h *house, content string) (all []string) {
	t.Helper()
	domain := h.Published.Document.ID()
	site, _ := h.Published.Document.Service(service)
	id := h.Published.Document.ServiceID(site)
	r := encoding.OpenList([]byte(content))
	for r.More() && r.Err() == nil {
		part := string(r.Bytes(64 << 10))
		if (len(part) == 48 || len(part) == mpin.SaltSize) && part != string(domain[:]) && part != string(id[:]) {
			all = append(all, part)
		}
	}
	return all
}

func TestNothingOfAnAttemptIsStoredAndNoAnswerIsGivenTwice(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	net := &wire{}
	p := h.registered(t, alice, wallet.Config{Client: net.client()})
	if err := p.logIn(t, rightPIN); err != nil { // has the next permit, if it can be had
		t.Fatal(err)
	}
	if _, err := p.RenewPermits(t.Context(), p.name, service); err != nil {
		t.Fatal(err)
	}
	before := p.files(t)
	var proofs [][]byte
	net.set(func(r *http.Request) bool {
		if r.URL.Path != "/v1/mpin/finish" {
			return false
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		proofs = append(proofs, b)
		if now := p.files(t); !maps.Equal(now, before) {
			t.Error("an attempt is on the disk")
		}
		return true
	}, nil)
	if err := p.logIn(t, rightPIN); !errors.Is(err, errCut) {
		t.Errorf("error = %v", err)
	}
	if len(proofs) != 1 {
		t.Fatalf("%d proofs were sent", len(proofs))
	}
	if now := p.files(t); !maps.Equal(now, before) {
		t.Error("an attempt that failed is on the disk")
	}
	net.set(nil, nil)
	var q mpin.FinishRequest
	if err := json.Unmarshal(proofs[0], &q); err != nil {
		t.Fatal(err)
	}
	if _, err := new(dta.Client).FinishLogin(t.Context(), h.server.URL(), q); err != nil {
		t.Errorf("the first time it arrives: %v", err)
	}
	if _, err := new(dta.Client).FinishLogin(t.Context(), h.server.URL(), q); !errors.Is(err, problem.SessionUnknown) {
		t.Errorf("the second time: %v", err)
	}
}

func TestLoginFilesAreNamedWhenDamagedAndLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{})
	use := func() error {
		_, loginsErr := p.Logins()
		_, lastErr := p.LastStatement(p.name, service)
		return errors.Join(loginsErr, lastErr, p.logIn(t, rightPIN))
	}
	if err := use(); err != nil {
		t.Fatal(err)
	}
	looked := 0
	for path, good := range p.files(t) {
		if next := filepath.Base(path); !strings.Contains(path, "logins") || strings.HasPrefix(next, "permit") && !current(t, h, next) {
			continue
		}
		looked++
		at := len(good) / 3
		for title, bad := range map[string]string{"empty": "", "cut": good[:at], "longer": good + "x",
			"altered": good[:at] + string(good[at]^1) + good[at+1:]} {
			write(t, path, bad)
			if err := use(); !errors.Is(err, wallet.ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s %s: %v", filepath.Base(path), title, err)
			}
			if b, err := os.ReadFile(path); filepath.Base(path) != "statement" && (err != nil || string(b) != bad) {
				t.Errorf("%s %s: it was overwritten", filepath.Base(path), title)
			}
		}
		write(t, path, good)
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := use(); filepath.Base(path) != "statement" && (!errors.Is(err, wallet.ErrPermissions) || !strings.Contains(hint(err), "chmod 600 "+path)) {
			t.Errorf("%s open to others: %v", filepath.Base(path), err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if looked != 5 {
		t.Errorf("looked at %d files", looked)
	}
	if err := use(); err != nil {
		t.Error(err)
	}
}

// current reports whether a permit's file is that of the present epoch.
func current(t *testing.T, h *house, base string) bool {
	t.Helper()
	schedule, _ := h.Published.Document.Schedule(identity.Permit)
	return slices.Equal(strings.Split(base, "-")[1:], strings.Split(strings.ReplaceAll(schedule.Current(h.Now()).String(), "/", "-"), "-"))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
