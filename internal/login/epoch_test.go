package login_test

import (
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// dailyStage is a stage whose permits are for a day.
func dailyStage(t testing.TB) *stage {
	t.Helper()
	c := noon()
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Clock: c.Now, Permits: 86_400})
	s := logintest.New(t, logintest.Config{Domain: d, Published: d.Published, Login: login.Config{Clock: c.Now}})
	return &stage{Server: s, domain: d, clock: c, t: t}
}

// at begins a login with the permit of an epoch.
func (s *stage) at(p *logintest.Person, epoch identity.Epoch, pin string) (*logintest.Attempt, error) {
	s.t.Helper()
	a, err := p.PrepareAt(s.t.Context(), epoch, pin, mpin.Intent{})
	s.done(err)
	return a, a.Begin(s.t.Context())
}

// until sets the clock so many seconds from the start of an epoch.
func (s *stage) until(e identity.Epoch, seconds int) {
	s.clock.forward(time.Until(time.Unix(int64(e.Start), 0).Add(time.Duration(seconds)*time.Second)) - time.Duration(s.clock.ahead.Load()))
}

// TestNextEpochsPermitIsRefused: it can be had at any time, and used when its epoch
// begins, skew aside. The refusal tells the time and costs nothing.
func TestNextEpochsPermitIsRefused(t *testing.T) {
	t.Parallel()
	s := dailyStage(t)
	p := s.Person(t, alice, right)
	now, err := p.Epoch()
	s.done(err)
	next := now.Next()
	for range 7 {
		_, err := s.at(p, next, wrong)
		refused(t, err, problem.WrongEpoch)
		if refusal := problem.Of(err); refusal.Time < s.Now()-5 || refusal.Time > s.Now()+5 {
			t.Errorf("the refusal's time is %d, here it is %d", refusal.Time, s.Now())
		}
	}
	s.counts(p, 0, 0, "active")
	s.until(next, -302)
	_, err = s.at(p, next, right)
	refused(t, err, problem.WrongEpoch)
	s.until(next, -298)
	a, err := s.at(p, next, right)
	s.done(err)
	_, err = a.Finish(t.Context())
	s.done(err)
	if a, err = s.at(p, now, right); err != nil {
		t.Error("the epoch that is, after a login with the next one's permit:", err)
	}
	s.until(next, 298)
	_, err = s.at(p, now, right)
	s.done(err)
	s.until(next, 302)
	_, err = s.at(p, now, right)
	refused(t, err, problem.WrongEpoch)
	strange := identity.EpochAt(s.Now(), 3600)
	q := a.Request()
	q.Epoch = strange.Bytes()
	_, err = p.Client.BeginLogin(t.Context(), p.URL, q)
	refused(t, err, problem.WrongEpoch)
	s.counts(p, 0, 0, "active")
}

// TestClockSetBackRevivesNoPermit: the highest epoch of an accepted login outlives
// restarts; a refused one raises nothing.
func TestClockSetBackRevivesNoPermit(t *testing.T) {
	t.Parallel()
	s := dailyStage(t)
	p := s.Person(t, alice, right)
	s.permitted(p)
	first, err := p.Epoch()
	s.done(err)
	third := first.Next().Next()
	s.until(third, 1000)
	s.permitted(p)
	s.fails(p, wrong)
	s.until(first, 40_000)
	s.logsIn(p)
	s.until(third, 2000)
	s.logsIn(p)
	s.until(first, 41_000)
	for range 2 {
		_, err = s.at(p, first, right)
		refused(t, err, problem.WrongEpoch)
		_, err = s.at(p, third, right) // not yet, by this clock
		refused(t, err, problem.WrongEpoch)
		s.done(s.Restart(t.Context()))
	}
	s.until(third, 3000)
	s.logsIn(p)
	s.counts(p, 0, 1, "active")
}

// TestStaleDocumentStopsNoLogin: without a stamp for eight days, logins go on.
func TestStaleDocumentStopsNoLogin(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.logsIn(p)
	for _, m := range s.domain.Members {
		s.done(m.Stop())
	}
	epoch, err := p.Epoch()
	s.done(err)
	s.clock.forward(8 * 24 * time.Hour)
	if now, err := p.Epoch(); err != nil || now != epoch {
		t.Skipf("NOT RUN: an epoch ends in these eight days (%v, %v)", now, err)
	}
	s.logsIn(p)
	s.done(s.Restart(t.Context()))
	s.logsIn(p)
}
