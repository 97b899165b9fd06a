package login_test

import (
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// TestFiveWrongPINsInARowLock: the fifth is the last, whatever comes; an operator
// unlocks.
func TestFiveWrongPINsInARowLock(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	for range 4 {
		s.fails(p, wrong)
	}
	s.logsIn(p)
	s.counts(p, 0, 4, "active")
	for range 5 {
		s.fails(p, wrong)
	}
	s.fails(p, right)
	s.fails(p, wrong)
	s.counts(p, 5, 9, "locked")
	other := p.Device.Hash()
	other[0] ^= 1
	for _, device := range []*identity.DeviceHash{&other} {
		if u, err := s.Operator().Unlock(t.Context(), p.Name, device); err != nil || u.Devices != 0 {
			t.Errorf("unlocked %+v, %v", u, err)
		}
	}
	s.fails(p, right)
	if u, err := s.Operator().Unlock(t.Context(), p.Name, nil); err != nil || u.Devices != 1 || u.Exhausted != 0 {
		t.Errorf("unlocked %+v, %v", u, err)
	}
	s.counts(p, 0, 9, "active")
	s.logsIn(p)
	s.audited(p, "accepted", "unlocked", "refused", "refused", "refused", "locked", "refused", "refused", "refused", "refused",
		"accepted", "refused", "refused", "refused", "refused", "row-made")
}

// TestFiftyWrongPINsEndADevice: no operator and no right PIN in between helps.
func TestFiftyWrongPINsEndADevice(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	for n := range 50 {
		s.fails(p, wrong)
		if n%4 == 3 {
			s.logsIn(p)
		}
	}
	s.counts(p, 2, 50, "exhausted")
	s.fails(p, right)
	u, err := s.Operator().Unlock(t.Context(), p.Name, nil)
	if err != nil || u.Devices != 0 || u.Exhausted != 1 {
		t.Errorf("unlocked %+v, %v", u, err)
	}
	s.fails(p, right)
	s.done(p.ShowRow(t.Context()))
	s.counts(p, 2, 50, "exhausted")
}

// TestStrangersRaiseNoCounter: who does not hold the device key counts for nobody,
// whatever he sends; nobody is locked out by another.
func TestStrangersRaiseNoCounter(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p, stranger := s.Person(t, alice, right), s.newDevice(alice)
	for range 20 {
		q := proved(t, begun(t, p, wrong))
		digest := [32]byte{1}
		signature, err := identity.SignDevice(stranger.Signer, digest)
		s.done(err)
		q.Signature = signature
		_, err = p.Client.FinishLogin(t.Context(), p.URL, q)
		refused(t, err, problem.Possession)
	}
	s.counts(p, 0, 0, "active")
	// A device of his own, under her name.
	a := begun(t, p, wrong)
	for range 20 {
		l := a.Login
		l.Device = stranger.Device
		err := s.forge(t, stranger, &logintest.Attempt{Login: l}, a.Attempt.Commitment(), func(mpin.Transcript) []byte { return a.Attempt.Commitment().Bytes() })
		refused(t, err, problem.LoginRefused)
	}
	s.counts(p, 0, 0, "active")
	s.logsIn(p)
}

// guess has 1,000 wrong PINs tried at once at several servers of one state: five are
// counted, whichever server gets them, and the right PIN comes too late.
func (s *stage) guess(p *logintest.Person, servers ...*logintest.Server) {
	t := s.t
	t.Helper()
	const guesses = 1000
	attempts := make([]*logintest.Attempt, guesses)
	p.Client = crowd(t)
	s.permitted(p)
	begin := all(guesses, func(i int) (err error) {
		p := p.At(servers[i%len(servers)].URL())
		attempts[i], err = p.Begun(t.Context(), wrong, mpin.Intent{})
		return err
	})
	if n := count(begin, nil); n != guesses {
		t.Fatalf("%d of %d began; %v", n, guesses, other(begin, nil))
	}
	errs := all(guesses, func(i int) error {
		_, err := attempts[i].Finish(t.Context())
		return err
	})
	if n := count(errs, problem.LoginRefused); n != guesses {
		t.Errorf("%d of %d refused; the first other: %v", n, guesses, other(errs, problem.LoginRefused))
	}
	s.counts(p, 5, 5, "locked")
	for _, server := range servers {
		_, err := p.At(server.URL()).Login(t.Context(), right, mpin.Intent{})
		refused(t, err, problem.LoginRefused)
	}
	s.counts(p, 5, 5, "locked")
}

func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.guess(s.Person(t, alice, right), s.Server)
}

// TestParallelLoginsResetExactly: right and wrong PINs at once leave the total of
// the wrong ones.
func TestParallelLoginsResetExactly(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		p := s.Person(t, alice, right)
		errs := all(40, func(i int) error {
			pin := right
			if i%10 == 0 {
				pin = wrong
			}
			_, err := p.Login(t.Context(), pin, mpin.Intent{})
			return err
		})
		wrongs := 0
		a, err := s.Operator().Audit(t.Context(), p.Name, 0)
		s.done(err)
		for _, d := range a.Decisions {
			if d.Reason == "wrong PIN" {
				wrongs++
			}
		}
		if d := s.device(p); d.Total != wrongs || wrongs > 4 {
			t.Errorf("total %d after %d wrong PINs", d.Total, wrongs)
		}
		if n := count(errs, nil) + count(errs, problem.LoginRefused); n != len(errs) {
			t.Error(other(errs, problem.LoginRefused))
		}
		if _, err := s.Operator().Unlock(t.Context(), p.Name, nil); err != nil {
			t.Fatal(err)
		}
		s.logsIn(p)
	})
}

// TestRestoredServerIsOnePINBeforeItsLocks brings back a database from before three
// wrong PINs and a revocation.
func TestRestoredServerIsOnePINBeforeItsLocks(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p, gone, late := s.Person(t, alice, right), s.Person(t, bob, right), s.newDevice("acct:carol@example.org")
	s.done(late.Register(t.Context(), right))
	s.permitted(late)
	s.logsIn(p)
	s.logsIn(gone)
	image := s.backup()
	for range 3 {
		s.fails(p, wrong)
	}
	s.done(late.ShowRow(t.Context())) // after the backup
	for _, who := range []*logintest.Person{gone, late} {
		if r, err := s.Operator().Revoke(t.Context(), who.Name, nil); err != nil || r.Devices != 1 {
			t.Fatal(r, err)
		}
	}
	s.restore(image, afterRestore)
	s.counts(p, 4, 0, "active")
	s.counts(gone, 4, 0, "revoked")
	s.fails(gone, right)
	s.done(late.ShowRow(t.Context()))
	s.fails(late, right)
	s.counts(late, 4, 0, "revoked")
	s.fails(p, wrong)
	s.fails(p, right)
	s.counts(p, 5, 1, "locked")
	s.audited(p, "refused", "locked", "accepted", "row-made")
}

// TestRenewalDoesNotReplaceThePIN: a thief with the wallet's files and the device
// key gets permits, now and ahead, and with them and the token everything but a
// login.
func TestRenewalDoesNotReplaceThePIN(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.logsIn(p)
	ctx := t.Context()
	epoch, err := p.Epoch()
	s.done(err)
	now, err := p.Permit(ctx, epoch)
	s.done(err)
	next, err := p.Permit(ctx, epoch.Next())
	s.done(err)
	published, site, err := s.Site()
	s.done(err)
	_, err = p.Client.Apply(ctx, dta.Application{Domain: published, Signer: p.Signer, Now: s.Now, Key: identity.Key{Purpose: identity.MPin, Service: site.ID, Name: p.Name}})
	refused(t, err, problem.AlreadyEnrolled)
	token := parseG1(t, p.Token.Expose())
	permit, ahead := parseG1(t, now.Expose()), parseG1(t, next.Expose())
	unlock := func() {
		_, err := s.Operator().Unlock(ctx, p.Name, nil)
		s.done(err)
	}
	for what, key := range map[string]g1{
		"token and permit":      token.Add(permit),
		"token alone":           token,
		"permit alone":          permit,
		"both permits":          permit.Add(ahead),
		"token and next permit": token.Add(ahead),
		"permit twice":          permit.Add(permit),
		"permits less":          permit.Add(ahead.Neg()),
	} {
		if err := s.answerWith(t, p, key); err == nil {
			t.Errorf("%s log in", what)
		} else {
			refused(t, err, problem.LoginRefused)
		}
		unlock()
	}
	s.logsIn(p)
	s.counts(p, 0, 7, "active")
}

// TestAuditOfStrangersIsForgottenFirst: anybody can cause it. That of who has a row
// is kept for as long as is configured.
func TestAuditOfStrangersIsForgottenFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *logintest.Config) { c.Login.AuditLife = 48 * time.Hour })
	p, stranger := s.Person(t, alice, right), s.newDevice(bob)
	s.done(stranger.Register(t.Context(), right))
	s.logsIn(p)
	s.fails(stranger, right)
	s.done(s.Login.ExpireAudit(t.Context()))
	s.audited(stranger, "refused")
	s.clock.forward(25 * time.Hour)
	s.done(s.Login.ExpireAudit(t.Context()))
	s.audited(stranger)
	s.audited(p, "accepted", "row-made")
	s.clock.forward(24 * time.Hour)
	s.done(s.Login.ExpireAudit(t.Context()))
	s.audited(p)
	s.counts(p, 0, 0, "active")
}
