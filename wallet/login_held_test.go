package wallet_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/wallet"
)

func TestAnotherNewPINAfterAChangeWasBrokenOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	net := &wire{}
	p := h.registered(t, alice, wallet.Config{Client: net.client()})
	const third = "119273"
	net.set(to("/v1/mpin/row"), nil) // the token is there, the row is not
	if err := p.changePIN(t, rightPIN, newPIN); err == nil {
		t.Fatal("changed")
	}
	if l := p.login(t); l.State != wallet.Changing {
		t.Errorf("state = %s", l.State)
	}
	net.set(since(2, to("/v1/mpin/finish")), nil) // row and token are there
	if err := p.changePIN(t, rightPIN, third); err == nil {
		t.Fatal("changed")
	}
	net.set(nil, nil)
	// The row of the second change bars a third one: what was begun wants its own PIN.
	if err := p.changePIN(t, rightPIN, newPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("a third new PIN: %v", err)
	}
	if err := p.logIn(t, rightPIN); err != nil {
		t.Errorf("the old PIN: %v", err)
	}
	if err := p.logIn(t, third); err != nil {
		t.Errorf("the PIN of the second change: %v", err)
	}
	if l := p.login(t); l.State != wallet.Ready {
		t.Errorf("state = %s", l.State)
	}
	if err := p.changePIN(t, third, third); err == nil {
		t.Error("changed to the same PIN")
	}
}

// keysOutside are device keys that a TPM would have.
type keysOutside struct {
	mu   sync.Mutex
	keys map[string]crypto.Signer
}

func (k *keysOutside) get(id string) (crypto.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[id] == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		k.keys[id] = key
	}
	return k.keys[id], nil
}

func TestLoginKeysOfTheCaller(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	tpm := &keysOutside{keys: map[string]crypto.Signer{}}
	p := h.registered(t, alice, wallet.Config{LoginKey: tpm.get})
	if err := p.changePIN(t, rightPIN, newPIN); err != nil {
		t.Fatal(err)
	}
	if len(tpm.keys) != 2 {
		t.Errorf("%d keys, one for each PIN belongs", len(tpm.keys))
	}
	for path := range p.files(t) {
		if filepath.Base(path) == "device.pem" {
			t.Errorf("%s: the wallet made a device key of its own", path)
		}
	}
	tpm.keys = map[string]crypto.Signer{}
	if err := p.logIn(t, newPIN); !errors.Is(err, wallet.ErrDevice) || hint(err) == "" {
		t.Errorf("another key: %v", err)
	}
}

func TestKeepRenewsPermits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{Permits: 3}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{})
	kept := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { kept <- p.Keep(ctx, p.name) }()
	seen := map[identity.Epoch]bool{}
	for end := time.Now().Add(30 * time.Second); len(seen) < 6 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, e := range p.login(t).Permits {
			seen[e] = true
		}
	}
	cancel()
	if err := <-kept; len(seen) < 6 || ctx.Err() == nil {
		t.Errorf("%d epochs, %v", len(seen), err)
	}
}

func TestLoginsAreListedInOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	p := h.newcomer(t, "acct:zoe@example.org", wallet.Config{})
	for _, user := range []string{"zoe", "alice", "mary"} {
		p.name = parseName(t, fmt.Sprintf("acct:%s@example.org", user))
		if err := p.register(t); err != nil {
			t.Fatal(err)
		}
	}
	all, err := p.Logins()
	if err != nil || len(all) != 3 || all[0].Name.String() != alice || all[2].Name.String() != "acct:zoe@example.org" {
		t.Errorf("logins = %v, %v", all, err)
	}
	// One that is damaged hides no other.
	bad, err := filepath.Glob(filepath.Join(p.Dir(), "logins", "*", "login"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad[0], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := p.Logins(); !errors.Is(err, wallet.ErrDamaged) || len(all) != 2 {
		t.Errorf("logins = %v, %v", all, err)
	}
}
