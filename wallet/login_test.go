package wallet_test

import (
	"errors"
	"testing"

	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/wallet"
)

func TestAPersonRegistersLogsInAndIsWhoSheIs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{})
	l := p.login(t)
	if l.State != wallet.Ready || l.Name != p.name || l.Service != service || len(l.Permits) == 0 {
		t.Errorf("login = %+v", l)
	}
	s, err := p.Login(t.Context(), wallet.LoginRequest{Name: p.name, Service: service, PIN: []byte(rightPIN)})
	if err != nil {
		t.Fatal(err)
	}
	last, err := p.LastStatement(p.name, service)
	if err != nil || *last != *s {
		t.Errorf("last statement = %v, %v", last, err)
	}
	who, err := p.WhoAmI(t.Context(), p.name, service)
	if err != nil || who.Name != p.name || who.Device != l.Device || who.Domain != h.Published.Document.ID() || who.Expires != s.Expires {
		t.Errorf("who = %+v, %v", who, err)
	}
	if err := p.logIn(t, wrongPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("wrong PIN: %v", err)
	}
	if err := p.changePIN(t, wrongPIN, newPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("wrong PIN: %v", err)
	}
	if err := p.changePIN(t, rightPIN, newPIN); err != nil {
		t.Fatal(err)
	}
	if err := p.logIn(t, newPIN); err != nil {
		t.Error(err)
	}
	if err := p.logIn(t, rightPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("old PIN: %v", err)
	}
}
