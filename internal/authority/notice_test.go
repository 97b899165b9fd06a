package authority_test

import (
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
)

// notice returns the login server's word that an applicant's device is no more.
func (s *loginServer) notice(t testing.TB, a *applicant) dta.Notice {
	t.Helper()
	d := a.domain.Published.Document
	return dta.Notice{Domain: d.ID(), Service: d.ServiceID(service(t, a.domain, s.card.Service)), Name: a.name, Device: deviceOf(t, a.device), Time: a.domain.Now()}
}

func (s *loginServer) notify(t testing.TB, m *authoritytest.Member, a *applicant) error {
	t.Helper()
	return new(dta.Client).Notify(t.Context(), m.URL(), s.notice(t, a).Sign(s.key))
}

func TestNoticeEndsTheDeviceAtItsServiceAlone(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	withLogin(t, d, "door")
	a, other := newApplicant(t, d, alice), newApplicant(t, d, alice)
	for _, one := range []*applicant{a, other} {
		one.register(t, "login")
		one.register(t, "door")
		one.enrol(t)
	}
	old := s.notice(t, a)
	old.Time = 1 // the login server had it for long
	for range 3 {
		if err := new(dta.Client).Notify(t.Context(), d.Members[0].URL(), old.Sign(s.key)); err != nil {
			t.Fatal(err)
		}
		refused(t, a.ask(t, 1, a.forPermit(t, "login")), problem.Revoked)
		if err := d.Members[0].Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	code := mustCode(t, d, a.name, "login", 1)
	refused(t, a.ask(t, 1, together(a.forLogin(t, "login"), withCode(code))), problem.Revoked)
	for what, err := range map[string]error{
		"at another service":   a.ask(t, 1, a.forPermit(t, "door")),
		"for another purpose":  a.ask(t, 1, nil),
		"at another authority": a.ask(t, 2, a.forPermit(t, "login")),
		"another device":       other.ask(t, 1, other.forPermit(t, "login")),
		"the code":             newApplicant(t, d, alice).ask(t, 1, together(a.forLogin(t, "login"), withCode(code))),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestNoticeOfADeviceThatIsNotEnrolledYet: the authority was away when it was
// enrolled elsewhere, and hears of its end first.
func TestNoticeOfADeviceThatIsNotEnrolledYet(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	a := newApplicant(t, d, alice)
	code := mustCode(t, d, a.name, "login", 1)
	if err := s.notify(t, d.Members[0], a); err != nil {
		t.Fatal(err)
	}
	refused(t, a.ask(t, 1, together(a.forLogin(t, "login"), withCode(code))), problem.Revoked)
	refused(t, a.ask(t, 1, a.forPermit(t, "login")), problem.Revoked)
	l, err := d.Members[0].Operator().List(t.Context(), a.name)
	if err != nil || len(l.Enrolments) != 2 || !l.Enrolments[0].Revoked || !l.Enrolments[1].Revoked {
		t.Errorf("%+v, %v", l.Enrolments, err)
	}
}

func TestNoticeNeedsTheService(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	door := withLogin(t, d, "door")
	a := newApplicant(t, d, alice)
	a.register(t, "login")
	n, m := s.notice(t, a), d.Members[0]
	edited := func(edit func(*dta.Notice)) []byte {
		e := n
		edit(&e)
		return e.Sign(s.key)
	}
	altered := n.Sign(s.key)
	altered[len(altered)-1] ^= 1
	for what, c := range map[string]struct {
		kind   problem.Kind
		notice []byte
	}{
		"another service's key": {problem.Forbidden, n.Sign(door.key)},
		"an authority's key":    {problem.Forbidden, n.Sign(stolen(t, m))},
		"a stranger's key":      {problem.Forbidden, n.Sign(newLoginServer(t, "login").key)},
		"altered":               {problem.Forbidden, altered},
		"another domain":        {problem.Forbidden, edited(func(n *dta.Notice) { n.Domain[0]++ })},
		"an unknown service":    {problem.ServiceUnknown, edited(func(n *dta.Notice) { n.Service[0]++ })},
		"no service":            {problem.ServiceUnknown, edited(func(n *dta.Notice) { n.Service = identity.ServiceID{} })},
		"a name elsewhere":      {problem.NameRefused, edited(func(n *dta.Notice) { n.Name = mustName(t, "acct:alice@example.com") })},
		"a voucher":             {problem.Malformed, s.voucher(t, a, newDevice(t), 1).Sign(s.key)},
		"truncated":             {problem.Malformed, altered[:len(altered)-1]},
		"nothing":               {problem.Malformed, nil},
	} {
		if err := new(dta.Client).Notify(t.Context(), m.URL(), c.notice); err == nil {
			t.Errorf("%s: taken", what)
		} else {
			refused(t, err, c.kind)
		}
	}
	if err := a.ask(t, 1, a.forPermit(t, "login")); err != nil {
		t.Error(err)
	}
	if l, err := m.Operator().List(t.Context(), a.name); err != nil || len(l.Enrolments) != 2 {
		t.Errorf("%+v, %v", l.Enrolments, err)
	}
}

// TestNoticeIsTakenWithoutAShare: an authority that can issue nothing still hears
// what must not be issued.
func TestNoticeIsTakenWithoutAShare(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	a := newApplicant(t, d, alice)
	a.register(t, "login")
	m := d.Members[0]
	path := shareFile(m, service(t, d, "login").Generation)
	whole := fileAt(t, path)
	swap(t, m, path, nil)
	refused(t, a.ask(t, 1, a.forPermit(t, "login")), problem.Unavailable)
	if err := a.askChannel(t, 1); err != nil {
		t.Error("the public master goes on:", err)
	}
	if err := s.notify(t, m, a); err != nil {
		t.Error(err)
	}
	swap(t, m, path, whole)
	refused(t, a.ask(t, 1, a.forPermit(t, "login")), problem.Revoked)
}
