package login_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/mail/mailtest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

const (
	alice = "acct:alice@example.org"
	bob   = "acct:bob@example.org"
	right = "472916"
	wrong = "472961"
)

// clock is one that a test sets; it goes on by itself.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// noon returns a clock that is far from the ends of days and epochs.
func noon() *clock {
	c := new(clock)
	c.forward(time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)))
	return c
}

// stage is a domain with a login server.
type stage struct {
	*logintest.Server
	domain *authoritytest.Domain
	clock  *clock
	t      testing.TB
	// letters is the mail server, where people enrol by mail.
	letters *mailtest.Server

	// Of tests that change the document: the service as it should be, a first
	// message, and a second one whose session is open.
	service dta.Service
	request mpin.BeginRequest
	open    mpin.FinishRequest
}

// newStage makes a 2 of 3 domain with a login server that edit, which may be nil,
// has changed.
func newStage(t testing.TB, edit func(*logintest.Config)) *stage {
	t.Helper()
	c := noon()
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Clock: c.Now})
	cfg := logintest.Config{Domain: d, Published: d.Published, Login: login.Config{Clock: c.Now}}
	if edit != nil {
		edit(&cfg)
	}
	return &stage{Server: logintest.New(t, cfg), domain: d, clock: c, t: t}
}

func (s *stage) done(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// logsIn logs in with the right PIN, as it must.
func (s *stage) logsIn(p *logintest.Person) mpin.FinishAnswer {
	s.t.Helper()
	answer, err := p.Login(s.t.Context(), right, mpin.Intent{})
	if err != nil {
		s.t.Fatalf("login of %v: %v", p.Name, err)
	}
	return answer
}

// fails logs in with a PIN and must be refused as everybody is.
func (s *stage) fails(p *logintest.Person, pin string) {
	s.t.Helper()
	_, err := p.Login(s.t.Context(), pin, mpin.Intent{})
	refused(s.t, err, problem.LoginRefused)
}

// refused fails the test unless err is a problem of this kind.
func refused(t testing.TB, err error, kind problem.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got %v, want %q", err, string(kind))
	}
}

// device returns the row of a person.
func (s *stage) device(p *logintest.Person) login.Device {
	s.t.Helper()
	l, err := s.Operator().List(context.WithoutCancel(s.t.Context()), p.Name)
	s.done(err)
	for _, d := range l.Devices {
		if identity.DeviceHash(d.Device) == p.Device.Hash() {
			return d
		}
	}
	return login.Device{}
}

// counts fails the test unless the row of a person has these counters and state.
func (s *stage) counts(p *logintest.Person, streak, total int, state string) {
	s.t.Helper()
	if d := s.device(p); d.Streak != streak || d.Total != total || d.State != state {
		s.t.Errorf("%v has streak %d, total %d and is %s; want %d, %d, %s", p.Name, d.Streak, d.Total, d.State, streak, total, state)
	}
}

// audited fails the test unless these are the decisions about a person, the newest
// first.
func (s *stage) audited(p *logintest.Person, events ...string) {
	s.t.Helper()
	a, err := s.Operator().Audit(s.t.Context(), p.Name, 0)
	s.done(err)
	var got []string
	for _, d := range a.Decisions {
		got = append(got, d.Event)
	}
	if !slices.Equal(got, events) {
		s.t.Errorf("audit of %v: %q, want %q", p.Name, got, events)
	}
}

// permitted fetches the permit with which a person logs in now, and stretches both
// PINs.
func (s *stage) permitted(p *logintest.Person) {
	s.t.Helper()
	epoch, err := p.Epoch()
	s.done(err)
	_, err = p.Permit(s.t.Context(), epoch)
	s.done(err)
	for _, pin := range []string{right, wrong} {
		_, err := p.Factor(pin)
		s.done(err)
	}
}

// eventually waits until something has come about.
func (s *stage) eventually(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not after 30 s", what)
		}
	}
}

// none is the intent of a login that is nothing more.
var none mpin.Intent
