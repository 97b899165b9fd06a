//go:build unix

package wallet_test

import (
	"errors"
	"testing"

	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/wallet"
)

// killed lets another process use p's wallet, which dies at its n-th change of a
// file; false if it had less to do.
func (p *someone) killed(t *testing.T, n int, what string, q wallet.Registration) bool {
	t.Helper()
	return wallet.CrashingChild(t, p.Dir(), n, q.Codes, "WALLET_CRASH_LOGIN="+what)
}

func TestARegistrationKilledAtAnyFileOperationCompletes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{Authorities: 2}, logintest.Config{})
	p := h.newcomer(t, alice, wallet.Config{})
	for step := 1; ; step += stride {
		q := p.registration(t)
		if !p.killed(t, step, "register "+rightPIN, q) {
			if step < 25 {
				t.Errorf("killed only %d times", step-1)
			}
			break
		}
		_, err := p.Register(t.Context(), q)
		if errors.Is(err, problem.CodeUsed) { // the device key that they were spent for is lost
			err = p.register(t)
		}
		if err != nil && !errors.Is(err, wallet.ErrRegistered) {
			t.Errorf("killed at step %d: %v", step, err)
		}
		if err := p.logIn(t, rightPIN); err != nil {
			t.Errorf("killed at step %d: %v", step, err)
		}
		p.cleanKeys(t, "a kill")
		if err := p.ForgetLogin(t.Context(), p.name, service); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAChangeOfPINKilledAtAnyFileOperationLeavesOnePIN(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{Authorities: 2}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{})
	pins := [2]string{rightPIN, newPIN}
	for step := 1; ; step += stride {
		if !p.killed(t, step, "change "+pins[0]+" "+pins[1], wallet.Registration{}) {
			if step < 30 {
				t.Errorf("killed only %d times", step-1)
			}
			break
		}
		if p.after(t, pins, step) {
			pins[0], pins[1] = pins[1], pins[0]
		}
	}
}

func TestForgettingALoginKilledAtAnyFileOperationCompletes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{Authorities: 2}, logintest.Config{})
	p := h.newcomer(t, alice, wallet.Config{})
	for step := 1; ; step += stride {
		if err := p.register(t); err != nil {
			t.Fatalf("before step %d: %v", step, err)
		}
		if !p.killed(t, step, "forget", wallet.Registration{}) {
			if step < 10 {
				t.Errorf("killed only %d times", step-1)
			}
			break
		}
		if err := p.ForgetLogin(t.Context(), p.name, service); err != nil && !errors.Is(err, wallet.ErrNotRegistered) {
			t.Errorf("killed at step %d: %v", step, err)
		}
		if all, err := p.Logins(); len(all) != 0 || err != nil {
			t.Errorf("killed at step %d: logins %v, %v", step, all, err)
		}
	}
}
