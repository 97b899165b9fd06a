package authority_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
)

// loginServer is what a service's login server signs with.
type loginServer struct {
	key  ed25519.PrivateKey
	card *dta.LoginCard
}

func newLoginServer(t testing.TB, service string) *loginServer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	card, err := dta.SignLoginCard(key, service, "https://"+service+".example.org")
	if err != nil {
		t.Fatal(err)
	}
	return &loginServer{key: key, card: card}
}

// withLogin adds a login service to a domain and returns its server.
func withLogin(t testing.TB, d *authoritytest.Domain, service string) *loginServer {
	t.Helper()
	s := newLoginServer(t, service)
	if err := d.AddService(t.Context(), s.card); err != nil {
		t.Fatal(err)
	}
	return s
}

// together applies edits one after the other.
func together(edits ...func(*dta.Request)) func(*dta.Request) {
	return func(q *dta.Request) {
		for _, edit := range edits {
			if edit != nil {
				edit(q)
			}
		}
	}
}

// service returns a login service of the domain.
func service(t testing.TB, d *authoritytest.Domain, name string) dta.Service {
	t.Helper()
	s, ok := d.Published.Document.Service(name)
	if !ok {
		t.Fatalf("no service %s", name)
	}
	return s
}

// forLogin makes a request one of purpose mpin.
func (a *applicant) forLogin(t testing.TB, name string) func(*dta.Request) {
	s := service(t, a.domain, name)
	return func(q *dta.Request) {
		q.Key.Purpose, q.Key.Service, q.Key.Epoch = identity.MPin, a.domain.Published.Document.ServiceID(s), identity.Epoch{}
		q.Generation = s.Generation
	}
}

// forPermit makes a request one of purpose permit, of the current epoch.
func (a *applicant) forPermit(t testing.TB, name string) func(*dta.Request) {
	login := a.forLogin(t, name)
	schedule, _ := a.domain.Published.Document.Schedule(identity.Permit)
	return func(q *dta.Request) {
		login(q)
		q.Key.Purpose, q.Key.Epoch = identity.Permit, schedule.Current(a.domain.Now())
	}
}

// register spends a fresh code of a login service at every authority.
func (a *applicant) register(t testing.TB, name string) {
	t.Helper()
	codes, err := a.domain.RegisterLogin(t.Context(), a.name, name)
	if err != nil {
		t.Fatal(err)
	}
	for index, code := range codes {
		if err := a.ask(t, index, together(a.forLogin(t, name), withCode(code))); err != nil {
			t.Fatal(err)
		}
	}
}

// voucher returns what the login server gives for a PIN change from an applicant's
// device to a new one, at an authority.
func (s *loginServer) voucher(t testing.TB, a *applicant, next crypto.Signer, index uint32) dta.Voucher {
	t.Helper()
	d := a.domain
	v := dta.Voucher{Domain: d.Published.Document.ID(), Service: d.Published.Document.ServiceID(service(t, d, s.card.Service)), Index: index,
		Name: a.name, Old: deviceOf(t, a.device), New: deviceOf(t, next), Time: d.Now()}
	rand.Read(v.Nonce[:])
	return v
}

func deviceOf(t testing.TB, signer crypto.Signer) identity.DeviceHash {
	t.Helper()
	device, err := identity.DeviceOf(signer)
	if err != nil {
		t.Fatal(err)
	}
	return device.Hash()
}

// withVoucher adds the evidence of a PIN change, which the old device signs.
func withVoucher(t testing.TB, signed []byte, old crypto.Signer) func(*dta.Request) {
	return func(q *dta.Request) {
		evidence, err := dta.SuccessionEvidence(signed, old, q)
		if err != nil {
			t.Fatal(err)
		}
		q.Evidence = evidence
	}
}

// fileAt returns a file as it lies there.
func fileAt(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// askChannel spends a fresh code of purpose channel at an authority.
func (a *applicant) askChannel(t testing.TB, index uint32) error {
	t.Helper()
	return a.ask(t, index, withCode(a.domain.Codes(t, a.name, identity.Channel)[index]))
}
