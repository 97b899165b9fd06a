package wallet_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/wallet"
)

// broken are the ways in which a call fails: the request is lost, or the answer.
func broken(call func(*http.Request) bool) map[string][2]func(*http.Request) bool {
	return map[string][2]func(*http.Request) bool{"request": {call, nil}, "answer": {nil, call}}
}

// afterIssue is what can fail once the M-Pin key is there.
var afterIssue = []string{"/v1/mpin/row", "/v1/mpin/begin", "/v1/mpin/finish"}

func TestARegistrationOutlastsEachLossOnTheNetwork(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	for _, path := range afterIssue {
		for title, k := range broken(to(path)) {
			user := strings.ReplaceAll(strings.Trim(path, "/"), "/", "-") + "-" + title
			t.Run(user, func(t *testing.T) {
				net := &wire{}
				p := h.newcomer(t, "acct:"+user+"@example.org", wallet.Config{Client: net.client()})
				net.set(k[0], k[1])
				q := p.registration(t)
				if _, err := p.Register(t.Context(), q); !errors.Is(err, errCut) {
					t.Fatalf("error = %v", err)
				}
				net.set(nil, nil)
				if l := p.login(t); l.State != wallet.Begun {
					t.Errorf("state = %s", l.State)
				}
				q.Codes = nil
				if title == "request" { // one way or the other
					if _, err := p.Register(t.Context(), q); err != nil {
						t.Errorf("again, without codes: %v", err)
					}
				} else if err := p.logIn(t, rightPIN); err != nil {
					t.Errorf("log in: %v", err)
				}
				if l := p.login(t); l.State != wallet.Ready {
					t.Errorf("state = %s", l.State)
				}
			})
		}
	}
}

func TestCodesThatAnIssuanceSpentAreNamed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	net := &wire{}
	p := h.newcomer(t, alice, wallet.Config{Client: net.client()})
	atTwo := func(r *http.Request) bool {
		return r.URL.Path == "/v1/issue" && r.URL.Host != strings.TrimPrefix(h.Members[0].URL(), "http://")
	}
	net.set(nil, atTwo)
	q := p.registration(t)
	_, err := p.Register(t.Context(), q)
	for _, operator := range []string{"1 (operator 1)", "2 (operator 2)", "3 (operator 3)"} {
		if !strings.Contains(hint(err), operator) {
			t.Errorf("hint %q does not name %s: %v", hint(err), operator, err)
		}
	}
	net.set(nil, nil)
	if all, err := p.Logins(); len(all) != 0 || err != nil {
		t.Errorf("logins = %v, %v", all, err)
	}
	if left, _ := filepath.Glob(filepath.Join(p.Dir(), "logins", "*", "*", "device.pem")); len(left) != 0 {
		t.Errorf("the spent device key is there: %v", left)
	}
	if _, err := p.Register(t.Context(), q); !errors.Is(err, problem.CodeUsed) {
		t.Errorf("the same codes: %v", err)
	}
	if err := p.register(t); err != nil {
		t.Errorf("new codes: %v", err)
	}
}

// oneOf logs in with the old PIN or the new one, and says with which.
func (p *someone) oneOf(t *testing.T, title string) string {
	t.Helper()
	errOld := p.logIn(t, rightPIN)
	errNew := p.logIn(t, newPIN)
	switch {
	case errOld == nil && errors.Is(errNew, problem.LoginRefused):
		return rightPIN
	case errNew == nil && errors.Is(errOld, problem.LoginRefused):
		return newPIN
	case errNew == nil && errOld == nil:
		return newPIN // the old one was still good, the new one completed the change
	}
	t.Errorf("%s: neither PIN logs in: %v; %v", title, errOld, errNew)
	return newPIN
}

func TestAChangeOfPINOutlastsEachLossOnTheNetwork(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{Authorities: 2}, logintest.Config{})
	for _, k := range []struct {
		path string
		from int // the how manieth call fails first
	}{
		{"/v1/mpin/begin", 1}, {"/v1/mpin/finish", 1}, // the login with the old PIN
		{"/v1/issue", 1},
		{"/v1/mpin/row", 1}, {"/v1/mpin/begin", 2}, {"/v1/mpin/finish", 2}, // the one with the new PIN
	} {
		for title := range broken(to(k.path)) {
			for _, after := range []string{"change", "login"} {
				if after == "login" && (title == "request" || k.from == 1 && k.path != "/v1/mpin/row") {
					continue // the old key is all that there is
				}
				user := fmt.Sprintf("%s-%d-%s-%s", filepath.Base(k.path), k.from, title, after)
				t.Run(user, func(t *testing.T) {
					net := &wire{}
					p := h.registered(t, "acct:"+user+"@example.org", wallet.Config{Client: net.client()})
					fails := broken(since(k.from, to(k.path)))[title]
					net.set(fails[0], fails[1])
					if err := p.changePIN(t, rightPIN, newPIN); err == nil {
						t.Fatal("changed")
					}
					net.set(nil, nil)
					if k.path == "/v1/issue" {
						p.unchanged(t)
					}
					p.settle(t, after)
				})
			}
		}
	}
}

// unchanged fails unless nothing is left of a change of PIN that got no key.
func (p *someone) unchanged(t *testing.T) {
	t.Helper()
	if l := p.login(t); l.State != wallet.Ready {
		t.Errorf("state = %s", l.State)
	}
	if err := p.logIn(t, newPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("the new PIN: %v", err)
	}
	p.cleanKeys(t, "no key")
}

// settle goes on after a change of PIN that was broken off.
func (p *someone) settle(t *testing.T, by string) {
	t.Helper()
	if by == "change" {
		if err := p.changePIN(t, rightPIN, newPIN); err != nil {
			t.Fatalf("change again: %v", err)
		}
	}
	pin := p.oneOf(t, "after a "+by)
	if l := p.login(t); by == "change" && (pin != newPIN || l.State != wallet.Ready) {
		t.Errorf("%s logs in, state = %s", pin, l.State)
	}
	if pin == rightPIN {
		if err := p.changePIN(t, pin, newPIN); err != nil {
			t.Fatalf("change after a login: %v", err)
		}
	}
	if err := p.logIn(t, newPIN); err != nil {
		t.Errorf("the new PIN after a %s: %v", by, err)
	}
	if err := p.logIn(t, rightPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("the old PIN after a %s: %v", by, err)
	}
	p.cleanKeys(t, by)
}

// since is call from its n-th time on.
func since(n int, call func(*http.Request) bool) func(*http.Request) bool {
	var seen atomic.Int32
	return func(r *http.Request) bool { return call(r) && int(seen.Add(1)) >= n }
}

// A full disk fails one file operation after the other; each time the registration
// is refused, and is done when there is room again: with the same codes as long as
// none was spent, else with new ones.
func TestARegistrationOutlastsEachFailureOfTheDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{Authorities: 2}, logintest.Config{})
	p := h.newcomer(t, alice, wallet.Config{})
	for last := 1; ; last += stride {
		where := fail(p.Wallet, last)
		q := p.registration(t)
		_, err := p.Register(t.Context(), q)
		wallet.OnDisk(p.Wallet, nil)
		if *where == "" {
			if last < 25 {
				t.Errorf("failed only %d times", last-1)
			}
			break
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", *where, err)
		}
		if err != nil {
			if _, err = p.Register(t.Context(), q); errors.Is(err, problem.CodeUsed) {
				err = p.register(t)
			}
		}
		if err != nil && !errors.Is(err, wallet.ErrRegistered) {
			t.Errorf("after %s: %v", *where, err)
		}
		if err := p.logIn(t, rightPIN); err != nil {
			t.Errorf("after %s: %v", *where, err)
		}
		p.cleanKeys(t, *where)
		if err := p.ForgetLogin(t.Context(), p.name, service); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAChangeOfPINOutlastsEachFailureOfTheDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{Authorities: 2}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{})
	pins := [2]string{rightPIN, newPIN}
	for last := 1; ; last += stride {
		where := fail(p.Wallet, last)
		err := p.changePIN(t, pins[0], pins[1])
		wallet.OnDisk(p.Wallet, nil)
		if *where == "" {
			if last < 30 {
				t.Errorf("failed only %d times", last-1)
			}
			break
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", *where, err)
		}
		if p.after(t, pins, last) {
			pins[0], pins[1] = pins[1], pins[0]
		}
	}
}

// after goes on after a change of PIN that was broken off at a step, and reports
// whether the new PIN is the one that logs in now. Every fourth time the change is
// completed.
func (p *someone) after(t *testing.T, pins [2]string, step int) (changed bool) {
	t.Helper()
	err := p.logIn(t, pins[0])
	if old := err == nil; old && step%4 == 0 {
		err = p.changePIN(t, pins[0], pins[1])
		changed = true
	} else if !old {
		err = p.logIn(t, pins[1])
		changed = true
	}
	if err != nil {
		t.Fatalf("broken off at step %d: %v", step, err)
	}
	if p.login(t).State == wallet.Ready {
		p.cleanKeys(t, fmt.Sprint("step ", step))
	}
	return changed
}

// fail has the n-th change of a file of w fail for want of room, and tells which it
// was.
func fail(w *wallet.Wallet, n int) *string {
	where := new(string)
	wallet.OnDisk(w, func(op string) error {
		if n--; n == 0 {
			*where = op
			return syscall.ENOSPC
		}
		return nil
	})
	return where
}

// cleanKeys fails if there is more than one key, or a file that was not finished.
func (p *someone) cleanKeys(t *testing.T, after string) {
	t.Helper()
	keys, _ := filepath.Glob(filepath.Join(p.Dir(), "logins", "*", "*", "device.pem"))
	unfinished, _ := filepath.Glob(filepath.Join(p.Dir(), "logins", "*", ".*"))
	if len(keys) != 1 || len(unfinished) != 0 {
		t.Errorf("after %s: keys %v, unfinished %v", after, keys, unfinished)
	}
}

func hint(err error) string {
	var advice interface{ Hint() string }
	if errors.As(err, &advice) {
		return advice.Hint()
	}
	return ""
}
