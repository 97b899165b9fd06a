package authority_test

import (
	"crypto/ed25519"
	"testing"

	"milagro.dev/dta"
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
