package wallet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

// serviceOf is a login service whose master is that of poly.
func (c *town) serviceOf(t *testing.T, poly *vss.Polynomial) dta.Service {
	t.Helper()
	s := dta.Service{Name: "login", Generation: keysGeneration(1), Origin: "https://login.example.org", LoginKey: make([]byte, 32)}
	s.Master = must(keys.ParsePinMaster(poly.At(0).G1().Bytes()))(t)
	for _, b := range c.authorities {
		s.Public = append(s.Public, poly.At(b.index).G1())
	}
	return s
}

// withServices publishes a document that lists services.
func (c *town) withServices(t *testing.T, services ...dta.Service) {
	t.Helper()
	f := c.fields
	hash := c.published.Document.Hash()
	f.Revision, f.Predecessor, f.Services = c.published.Document.Revision()+1, hash[:], services
	f.Schedules[identity.Permit] = identity.Schedule{Length: 30 * day}
	c.revise(t, f)
}

// hold puts a login into w as a registration would have.
func (c *town) hold(t *testing.T, w *Wallet, n identity.Name) {
	t.Helper()
	at := must(w.site(n, "login"))(t)
	dir := w.loginDir(n, "login")
	check(t, w.disk.makeDir(dir))
	id, signer, err := w.makeKey(dir)
	check(t, err)
	k := testToken(t)
	k.key = identity.Key{Domain: c.id(), Purpose: identity.MPin, Service: at.id, Name: n, Device: must(identity.DeviceOf(signer))(t).Hash()}
	check(t, w.disk.create(filepath.Join(dir, id, tokenFile), k.bytes()))
	check(t, w.writeLogin(&account{dir, loginRecord{Name: n, Service: "login", Active: id}}))
}

func TestAServiceThatTheDocumentListsNoMoreIsNamed(t *testing.T) {
	c := newTown(t, 2, 2, day)
	first := c.serviceOf(t, vss.NewPolynomial(2))
	c.withServices(t, first)
	w, n := c.enrolled(t)
	c.hold(t, w, n)
	for title, services := range map[string][]dta.Service{
		"no service":     nil,
		"another master": {c.serviceOf(t, vss.NewPolynomial(2))},
	} {
		c.withServices(t, services...)
		must(w.Refresh(t.Context(), "example.org"))(t)
		_, loginErr := w.Login(t.Context(), LoginRequest{Name: n, Service: "login", PIN: []byte("4729")})
		_, permitErr := w.RenewPermits(t.Context(), n, "login")
		for what, err := range map[string]error{"login": loginErr, "permit": permitErr} {
			if !errors.Is(err, ErrService) || hint(err) == "" {
				t.Errorf("%s, %s: %v", title, what, err)
			}
		}
		if r, err := w.Renew(t.Context(), n); err != nil || len(r.Keys) != 1 {
			t.Errorf("%s: other keys: %v", title, err)
		}
	}
	c.withServices(t)
	must(w.Refresh(t.Context(), "example.org"))(t)
	if _, err := w.Register(t.Context(), Registration{Name: n, Service: "login", PIN: []byte("4729"), Codes: c.register()}); !errors.Is(err, ErrRegistered) {
		t.Errorf("register: %v", err)
	}
}

func TestALoginRecordThatNoWalletWritesIsDamaged(t *testing.T) {
	w, n := newTown(t, 2, 2, day).pinned(t), name(t, "acct:alice@example.org")
	dir := w.loginDir(n, "login")
	check(t, os.MkdirAll(dir, 0o700))
	good := loginRecord{Name: n, Service: "login", Active: strings.Repeat("ab", loginID/2)}
	check(t, w.writeLogin(&account{dir, good}))
	must(w.account(n, "login"))(t)
	for title, change := range map[string]func(*loginRecord){
		"another name":           func(r *loginRecord) { r.Name = name(t, "acct:bob@example.org") },
		"another service":        func(r *loginRecord) { r.Service = "shop" },
		"no service":             func(r *loginRecord) { r.Service = "../shop" },
		"no key":                 func(r *loginRecord) { r.Active = "" },
		"a path for a key":       func(r *loginRecord) { r.Active = "../../names" },
		"a path for another key": func(r *loginRecord) { r.Pending = ".." },
		"one key twice":          func(r *loginRecord) { r.Pending = r.Active },
		"half a way":             func(r *loginRecord) { r.Address = "127.0.0.1:1" },
		"a way to nobody":        func(r *loginRecord) { r.As, r.To, r.Address = "web", "login", "127.0.0.1:1" },
	} {
		bad := good
		change(&bad)
		check(t, w.writeLogin(&account{dir, bad}))
		if _, err := w.account(n, "login"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", title, err)
		}
	}
}

// A file that is sound but belongs elsewhere is not used: with another device's
// permit or token each login would be a wrong PIN.
func TestForeignLoginFilesAreDamaged(t *testing.T) {
	c := newTown(t, 2, 2, day)
	c.withServices(t, c.serviceOf(t, vss.NewPolynomial(2)))
	w, n := c.enrolled(t)
	c.hold(t, w, n)
	a := must(w.account(n, "login"))(t)
	k := must(w.readToken(a, a.record.Active))(t)
	epoch := identity.EpochAt(w.now(), 30*day)
	foreign := testPermit(t)
	foreign.key.Epoch = epoch
	check(t, w.disk.replace(permitFile(k.dir, epoch), permitBytes(foreign)))
	if _, err := w.Login(t.Context(), LoginRequest{Name: n, Service: "login", PIN: []byte("4729")}); !errors.Is(err, ErrDamaged) {
		t.Errorf("another device's permit: %v", err)
	}
	device := filepath.Join(k.dir, deviceFile)
	check(t, w.disk.replace(device, must(encodeDeviceKey(must(newDeviceKey())(t)))(t)))
	if _, err := w.RenewPermits(t.Context(), n, "login"); !errors.Is(err, ErrDevice) || !errors.Is(err, ErrDamaged) {
		t.Errorf("another device key: %v", err)
	}
	other := testToken(t)
	check(t, w.disk.replace(filepath.Join(k.dir, tokenFile), other.bytes()))
	if _, err := w.Logins(); !errors.Is(err, ErrDamaged) {
		t.Errorf("another person's token: %v", err)
	}
}

func TestStoredPermitsOutdateOldOnes(t *testing.T) {
	c := newTown(t, 2, 2, day)
	c.withServices(t, c.serviceOf(t, vss.NewPolynomial(2)))
	w, n := c.enrolled(t)
	c.hold(t, w, n)
	a := must(w.account(n, "login"))(t)
	k := must(w.readToken(a, a.record.Active))(t)
	private := must(keys.ParsePrivate(must(k.key.Point())(t).MulSecret(pairing.RandomSecret()).Expose()))(t)
	for i := range 6 {
		key := k.permitKey(identity.Epoch{Start: uint64(i) * day, Length: day})
		check(t, w.storePermit(t.Context(), k, storedKey{key: key, private: private}))
	}
	held := must(w.heldPermits(k.dir))(t)
	if len(held) != 3 || held[0].Start != 3*day {
		t.Errorf("permits = %v", held)
	}
	if _, err := w.readPermit(k, held[2]); err != nil {
		t.Error(err)
	}
}
