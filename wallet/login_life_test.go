package wallet_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
	"milagro.dev/wallet"
)

const dayOf = 24 * time.Hour

func TestRegisterShowsNoCodeBeforeAllIsReady(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	net := &wire{}
	p := h.newcomer(t, alice, wallet.Config{Client: net.client()})
	q := p.registration(t)
	other := p.registration(t).Codes
	atMost := func(n int) wallet.Registration {
		few := q
		few.Codes = map[uint32]dta.Code{}
		for i := range uint32(n) {
			few.Codes[i+1] = other[i+1]
		}
		return few
	}
	changed := func(change func(*wallet.Registration)) wallet.Registration {
		bad := q
		change(&bad)
		return bad
	}
	for title, k := range map[string]struct {
		q    wallet.Registration
		want error
	}{
		"too short a PIN":      {changed(func(q *wallet.Registration) { q.PIN = []byte("123") }), mpin.ErrPIN},
		"no such service":      {changed(func(q *wallet.Registration) { q.Service = "shop" }), wallet.ErrService},
		"no name of a service": {changed(func(q *wallet.Registration) { q.Service = "../x" }), identity.ErrService},
		"another domain":       {changed(func(q *wallet.Registration) { q.Name = parseName(t, "acct:alice@example.com") }), wallet.ErrNotPinned},
		"no codes":             {atMost(0), dta.ErrCode},
		"one code":             {atMost(1), dta.ErrCode},
		"a code in the wrong place": {changed(func(q *wallet.Registration) {
			q.Codes = map[uint32]dta.Code{1: other[2], 2: other[1]}
		}), dta.ErrCode},
		"half a way": {changed(func(q *wallet.Registration) { q.Via.Address = "127.0.0.1:1" }), nil},
	} {
		if _, err := p.Register(t.Context(), k.q); err == nil || k.want != nil && !errors.Is(err, k.want) {
			t.Errorf("%s: %v", title, err)
		}
	}
	net.set(to("/.well-known/jwks.json"), nil)
	if _, err := p.Register(t.Context(), q); !errors.Is(err, errCut) || !strings.Contains(hint(err), "no code was shown") {
		t.Errorf("no login server: %v, hint %q", err, hint(err))
	}
	net.set(nil, nil)
	for _, m := range h.Members[1:] {
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Register(t.Context(), q); !errors.Is(err, dta.ErrThreshold) || !strings.Contains(hint(err), "no code was shown") {
		t.Errorf("one authority of the two that are needed: %v, hint %q", err, hint(err))
	}
	if strings.Contains(string(net.sent), "/v1/issue") {
		t.Error("an authority was shown a code")
	}
	if all, err := p.Logins(); len(all) != 0 || err != nil {
		t.Errorf("logins = %v, %v", all, err)
	}
	if err := h.Members[1].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Register(t.Context(), q); err != nil {
		t.Errorf("two authorities of three: %v", err)
	}
	if _, err := p.Register(t.Context(), q); !errors.Is(err, wallet.ErrRegistered) || hint(err) == "" {
		t.Errorf("again: %v", err)
	}
}

func TestLoginsGoOnWithAllAuthoritiesDown(t *testing.T) {
	t.Parallel()
	c := &clock{}
	h := newHouse(t, authoritytest.Config{Clock: c.Now, Permits: 86_400}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{Clock: c.Now})
	if _, err := p.RenewPermits(t.Context(), p.name, service); err != nil {
		t.Fatal(err)
	}
	for _, m := range h.Members {
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	for _, ahead := range []time.Duration{0, dayOf} { // the permit of the next epoch was fetched in time
		c.set(ahead)
		if err := p.logIn(t, rightPIN); err != nil {
			t.Errorf("after %v: %v", ahead, err)
		}
	}
	c.set(2 * dayOf)
	if err := p.logIn(t, rightPIN); !errors.Is(err, dta.ErrThreshold) || !errors.Is(err, wallet.ErrNoKey) {
		t.Errorf("without a permit: %v", err)
	}
	for _, m := range h.Members[:2] {
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.logIn(t, rightPIN); err != nil {
		t.Errorf("two authorities are back: %v", err)
	}
}

func TestPermitsAreRenewedWithoutThePIN(t *testing.T) {
	t.Parallel()
	c := &clock{}
	h := newHouse(t, authoritytest.Config{Clock: c.Now, Permits: 86_400}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{Clock: c.Now})
	for day := range 5 {
		c.set(time.Duration(day) * dayOf)
		r, err := p.Renew(t.Context(), p.name)
		if err != nil {
			t.Fatalf("day %d: %v", day, err)
		}
		if k := r.Keys[0]; k.Purpose != identity.Permit || k.Service != service || !strings.Contains(r.Text(), "permit key for login 20") {
			t.Errorf("day %d: %s", day, r.Text())
		}
		schedule, _ := h.Published.Document.Schedule(identity.Permit)
		held := p.login(t).Permits
		if n := len(held); n > 4 || held[n-1] != schedule.Following(h.Now()) || held[n-2] != schedule.Current(h.Now()) {
			t.Errorf("day %d: permits %v", day, held)
		}
	}
	if err := p.logIn(t, rightPIN); err != nil {
		t.Error(err)
	}
	if _, err := p.RenewPermits(t.Context(), parseName(t, "acct:bob@example.org"), service); !errors.Is(err, wallet.ErrNotRegistered) {
		t.Errorf("somebody else: %v", err)
	}
}

func TestFiveWrongPINsLockAndAnOperatorUnlocksOrRevokes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{})
	refused := func(title, pin string) {
		t.Helper()
		if err := p.logIn(t, pin); !errors.Is(err, problem.LoginRefused) || hint(err) == "" {
			t.Errorf("%s: %v", title, err)
		}
	}
	for range 5 {
		refused("wrong PIN", wrongPIN)
	}
	refused("locked", rightPIN)
	if _, err := h.server.Operator().Unlock(t.Context(), p.name, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.logIn(t, rightPIN); err != nil {
		t.Errorf("unlocked: %v", err)
	}
	if _, err := h.server.Operator().Revoke(t.Context(), p.name, nil); err != nil {
		t.Fatal(err)
	}
	refused("revoked", rightPIN)
	if err := p.ForgetLogin(t.Context(), p.name, service); err != nil {
		t.Fatal(err)
	}
	if err := p.ForgetLogin(t.Context(), p.name, service); !errors.Is(err, wallet.ErrNotRegistered) {
		t.Errorf("forgotten twice: %v", err)
	}
	for path := range p.files(t) {
		if strings.Contains(path, "logins") {
			t.Errorf("forgotten, and %s is there", path)
		}
	}
	if err := p.logIn(t, rightPIN); !errors.Is(err, wallet.ErrNotRegistered) || !strings.Contains(hint(err), "milagro mpin register") {
		t.Errorf("forgotten: %v, hint %q", err, hint(err))
	}
	if err := p.register(t); err != nil {
		t.Errorf("a new device: %v", err)
	}
}

func TestAClockThatIsOffIsNamed(t *testing.T) {
	t.Parallel()
	c := &clock{}
	h := newHouse(t, authoritytest.Config{Permits: 86_400}, logintest.Config{})
	p := h.registered(t, alice, wallet.Config{Clock: c.Now})
	if _, err := p.RenewPermits(t.Context(), p.name, service); err != nil {
		t.Fatal(err)
	}
	c.set(dayOf) // the permit of that epoch is here, the login server's time is not
	err := p.logIn(t, rightPIN)
	if !errors.Is(err, problem.WrongEpoch) || !strings.Contains(hint(err), "s ahead of the login server's") {
		t.Errorf("ahead: %v, hint %q", err, hint(err))
	}
	c.set(-3 * dayOf)
	if clockErr, ok := errors.AsType[*dta.ClockError](p.logIn(t, rightPIN)); !ok || clockErr.Ahead > -200_000 {
		t.Errorf("behind, for a permit: %v", clockErr)
	}
	c.set(0)
	if err := p.logIn(t, rightPIN); err != nil { // no attempt was counted
		t.Error(err)
	}
	c.set(10 * time.Minute)
	if _, err := p.WhoAmI(t.Context(), p.name, service); !errors.Is(err, wallet.ErrStatement) || !strings.Contains(hint(err), "milagro mpin login") {
		t.Errorf("who, ten minutes later: %v, hint %q", err, hint(err))
	}
}

func TestALoginOverIdentityTLSIsBoundToItsConnection(t *testing.T) {
	t.Parallel()
	serverName := parseName(t, "spiffe://example.org/login")
	h := newHouse(t, authoritytest.Config{}, logintest.Config{Over: logintest.Both, Login: login.Config{Name: serverName}})
	of, err := h.server.Wallet()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := of.Enrol(t.Context(), serverName, identity.Channel, h.Codes(t, serverName, identity.Channel)); err != nil {
		t.Fatal(err)
	}
	net := &wire{}
	p := h.newcomer(t, alice, wallet.Config{Client: net.client()})
	laptop := parseName(t, "spiffe://example.org/laptop")
	q := p.registration(t)
	q.Via = wallet.Via{As: laptop, To: serverName, Address: h.server.Channel()}
	if _, err := p.Register(t.Context(), q); !errors.Is(err, wallet.ErrNotEnrolled) {
		t.Errorf("without a channel key: %v", err)
	}
	if _, err := p.Enrol(t.Context(), laptop, identity.Channel, h.Codes(t, laptop, identity.Channel)); err != nil {
		t.Fatal(err)
	}
	wrong := q
	wrong.Via.To = laptop
	if _, err := p.Register(t.Context(), wrong); err == nil {
		t.Errorf("another server's name: %v", err)
	}
	if _, err := p.Register(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if err := p.logIn(t, rightPIN); err != nil {
		t.Error(err)
	}
	if err := p.logIn(t, wrongPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("wrong PIN: %v", err)
	}
	if err := p.changePIN(t, rightPIN, newPIN); err != nil {
		t.Error(err)
	}
	who, err := p.WhoAmI(t.Context(), p.name, service)
	if err != nil || who.ChannelKind != 1 {
		t.Errorf("who = %+v, %v", who, err)
	}
	if l := p.login(t); l.Via != q.Via {
		t.Errorf("via = %+v", l.Via)
	}
	if strings.Contains(string(net.sent), "/v1/mpin") {
		t.Error("a login went over HTTP")
	}
	// Its row is of kind 1: another way is refused.
	wallet.SetVia(t, p.Wallet, p.name, service, wallet.Via{})
	if err := p.logIn(t, newPIN); !errors.Is(err, problem.LoginRefused) {
		t.Errorf("the right PIN over HTTP: %v", err)
	}
}

func TestTwoProcessesShareAWallet(t *testing.T) {
	t.Parallel()
	h := newHouse(t, authoritytest.Config{}, logintest.Config{})
	p := h.newcomer(t, alice, wallet.Config{})
	other := h.newcomer(t, alice, wallet.Config{Dir: p.Dir()})
	codes := []wallet.Registration{p.registration(t), p.registration(t)}
	var group sync.WaitGroup
	errs := make([]error, 2)
	for i, who := range []*someone{p, other} {
		group.Go(func() { _, errs[i] = who.Register(t.Context(), codes[i]) })
	}
	group.Wait()
	if first, second := errs[0] == nil, errs[1] == nil; first == second || !errors.Is(errors.Join(errs...), wallet.ErrRegistered) {
		t.Fatalf("errors = %v", errs)
	}
	for range 3 {
		for _, who := range []*someone{p, other} {
			group.Go(func() {
				if err := who.logIn(t, rightPIN); err != nil {
					t.Error(err)
				}
			})
			group.Go(func() {
				if _, err := who.RenewPermits(t.Context(), who.name, service); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	group.Go(func() {
		if err := p.changePIN(t, rightPIN, newPIN); err != nil {
			t.Error(err)
		}
	})
	group.Go(func() { // meanwhile one of both logs in
		if other.logIn(t, rightPIN) != nil && other.logIn(t, newPIN) != nil {
			if err := other.logIn(t, newPIN); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	if err := other.logIn(t, newPIN); err != nil {
		t.Errorf("the new PIN in the other process: %v", err)
	}
	p.cleanKeys(t, "all")
}
