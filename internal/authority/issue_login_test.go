package authority_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

const alice = "acct:alice@example.org"

// loginDomain is a domain of two authorities with the service "login".
func loginDomain(t testing.TB, c *clock) (*authoritytest.Domain, *loginServer) {
	t.Helper()
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 2, Clock: c.Now})
	return d, withLogin(t, d, "login")
}

func TestLoginKeyAndPermitCombine(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	withLogin(t, d, "login")
	login := service(t, d, "login")
	name, device := mustName(t, alice), newDevice(t)
	application := dta.Application{Domain: d.Published, Signer: device, Now: d.Now, Codes: d.Codes(t, name, identity.MPin), ChannelKind: 1,
		Key: identity.Key{Purpose: identity.MPin, Service: d.Published.Document.ServiceID(login), Name: name}}
	grant, err := new(dta.Client).Apply(t.Context(), application)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range grant.Outcomes {
		s, err := dta.ParseStatement(o.Authority, o.Statement)
		if err != nil || s.Purpose != identity.MPin || s.Service != application.Key.Service || s.Generation != login.Generation ||
			s.Name != name || s.Device != deviceOf(t, device) || s.ChannelKind != 1 || s.Time != d.Now() && s.Time+5 < d.Now() {
			t.Errorf("authority %d: statement %+v, %v, %v", o.Authority.Index, s, err, o.Err)
		}
	}
	schedule, _ := d.Published.Document.Schedule(identity.Permit)
	application.Codes, application.ChannelKind = nil, 0
	application.Key.Purpose = identity.Permit
	for _, epoch := range []identity.Epoch{schedule.Current(d.Now()), schedule.Following(d.Now())} {
		application.Key.Epoch = epoch
		permit, err := new(dta.Client).Apply(t.Context(), application)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range permit.Outcomes {
			if o.Err != nil || len(o.Statement) != 0 {
				t.Errorf("permit at authority %d: %v, statement of %d bytes", o.Authority.Index, o.Err, len(o.Statement))
			}
		}
	}
}

func TestLoginKeyIsIssuedOnce(t *testing.T) {
	c := at(noon())
	d, _ := loginDomain(t, c)
	withLogin(t, d, "door")
	a := newApplicant(t, d, alice)
	codes, more := d.Codes(t, a.name, identity.MPin), d.Codes(t, a.name, identity.MPin)
	refused(t, a.ask(t, 1, a.forLogin(t, "door")), problem.NotEnrolled)
	q := a.request(t, 1, together(a.forLogin(t, "door"), withCode(codes[1])))
	first, err := q.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := q.send(t.Context()); err != nil || !bytes.Equal(first, again) {
		t.Error("the same request got another answer:", err)
	}
	refused(t, a.ask(t, 1, a.forLogin(t, "door")), problem.AlreadyEnrolled)
	refused(t, a.ask(t, 1, together(a.forLogin(t, "door"), withCode(more[1]))), problem.AlreadyEnrolled)
	// The refusal spent nothing: another device uses the code.
	if err := newApplicant(t, d, alice).ask(t, 1, together(a.forLogin(t, "door"), withCode(more[1]))); err != nil {
		t.Error(err)
	}
	// At another service the device is new.
	login, err := d.RegisterLogin(t.Context(), a.name, "login")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.ask(t, 1, together(a.forLogin(t, "login"), withCode(login[1]))); err != nil {
		t.Error(err)
	}
}

// TestTwoCodesAtOnceIssueOneLoginKey: one device shows two codes at once.
func TestTwoCodesAtOnceIssueOneLoginKey(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	a := newApplicant(t, d, alice)
	const senders = 8
	var good sync.Map
	var asking sync.WaitGroup
	for i := range senders {
		q := a.request(t, 1, together(a.forLogin(t, "login"), withCode(d.Codes(t, a.name, identity.MPin)[1])))
		asking.Go(func() {
			if _, err := q.send(t.Context()); err == nil {
				good.Store(i, true)
			} else {
				refused(t, err, problem.AlreadyEnrolled)
			}
		})
	}
	asking.Wait()
	if n := 0; true {
		good.Range(func(any, any) bool { n++; return true })
		if logged := issued(t, d.Members[0]); n != 1 || logged != 1 {
			t.Errorf("%d answers, %d rows in the log", n, logged)
		}
	}
}

func TestCodeOfAnotherServiceIsRefused(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	withLogin(t, d, "door")
	a := newApplicant(t, d, alice)
	door, channel := d.Codes(t, a.name, identity.MPin)[1], d.Codes(t, a.name, identity.Channel)[1]
	refused(t, a.ask(t, 1, together(a.forLogin(t, "login"), withCode(door))), problem.PurposeRefused)
	refused(t, a.ask(t, 1, together(a.forLogin(t, "login"), withCode(channel))), problem.PurposeRefused)
	refused(t, a.ask(t, 1, withCode(door)), problem.PurposeRefused)
	if err := a.ask(t, 1, together(a.forLogin(t, "door"), withCode(door))); err != nil {
		t.Error("the refusals spent the code:", err)
	}
}

func TestPermitNeedsTheEnrolmentOfItsLoginKey(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	withLogin(t, d, "door")
	a := newApplicant(t, d, alice)
	refused(t, a.ask(t, 1, a.forPermit(t, "login")), problem.NotEnrolled)
	a.enrol(t)
	refused(t, a.ask(t, 1, a.forPermit(t, "login")), problem.NotEnrolled)
	a.register(t, "login")
	if err := a.ask(t, 1, a.forPermit(t, "login")); err != nil {
		t.Error(err)
	}
	refused(t, a.ask(t, 1, a.forPermit(t, "door")), problem.NotEnrolled)
	refused(t, newApplicant(t, d, alice).ask(t, 1, a.forPermit(t, "login")), problem.NotEnrolled)
	refused(t, a.ask(t, 1, together(a.forPermit(t, "login"), func(q *dta.Request) { q.Key.Name = mustName(t, "acct:bob@example.org") })), problem.NotEnrolled)
}

func TestPermitTakesNoEvidence(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	a := newApplicant(t, d, alice)
	a.register(t, "login")
	code := d.Codes(t, a.name, identity.MPin)[1]
	refused(t, a.ask(t, 1, together(a.forPermit(t, "login"), withCode(code))), problem.Malformed)
	next := newApplicant(t, d, alice)
	signed := s.voucher(t, a, next.device, 1).Sign(s.key)
	refused(t, next.ask(t, 1, together(next.forPermit(t, "login"), withVoucher(t, signed, a.device))), problem.Malformed)
	if err := next.ask(t, 1, together(next.forLogin(t, "login"), withCode(code))); err != nil {
		t.Error("the refusal spent the code:", err)
	}
}

// TestPermitsAreOfThisEpochAndTheNext also goes into the next one.
func TestPermitsAreOfThisEpochAndTheNext(t *testing.T) {
	c := at(noon())
	d, _ := loginDomain(t, c)
	a := newApplicant(t, d, alice)
	a.register(t, "login")
	ahead := func(epochs int) func(*dta.Request) {
		return func(q *dta.Request) { q.Key.Epoch.Start += uint64(epochs) * uint64(q.Key.Epoch.Length) }
	}
	for range 2 {
		for epochs, want := range map[int]error{-1: problem.WrongEpoch, 0: nil, 1: nil, 2: problem.WrongEpoch} {
			err := a.ask(t, 1, together(a.forPermit(t, "login"), ahead(epochs)))
			if want == nil && err != nil {
				t.Errorf("%d epochs ahead: %v", epochs, err)
			} else if want != nil {
				refused(t, err, problem.WrongEpoch)
			}
		}
		refused(t, a.ask(t, 1, together(a.forPermit(t, "login"), func(q *dta.Request) { q.Key.Epoch = identity.EpochAt(d.Now(), 86_400) })), problem.WrongEpoch)
		refused(t, a.ask(t, 1, together(a.forPermit(t, "login"), func(q *dta.Request) { q.Key.Epoch = identity.Epoch{} })), problem.Malformed)
		c.forward(30 * 24 * time.Hour)
	}
}

// TestLoginRequestsThatFitNoServiceAreRefused breaks one field a time.
func TestLoginRequestsThatFitNoServiceAreRefused(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	withLogin(t, d, "door")
	a := newApplicant(t, d, alice)
	code := d.Codes(t, a.name, identity.MPin)[1]
	door := service(t, d, "door")
	for what, c := range map[string]struct {
		kind problem.Kind
		edit func(*dta.Request)
	}{
		"no service":          {problem.ServiceUnknown, func(q *dta.Request) { q.Key.Service = identity.ServiceID{} }},
		"an unknown service":  {problem.ServiceUnknown, func(q *dta.Request) { q.Key.Service[3]++ }},
		"another service's":   {problem.WrongGeneration, func(q *dta.Request) { q.Key.Service = d.Published.Document.ServiceID(service(t, d, "login")) }},
		"public generation":   {problem.WrongGeneration, func(q *dta.Request) { q.Generation = d.Published.Document.Generation() }},
		"generation":          {problem.WrongGeneration, func(q *dta.Request) { q.Generation.Counter++ }},
		"an epoch":            {problem.Malformed, func(q *dta.Request) { q.Key.Epoch = identity.EpochAt(q.Time, 86_400) }},
		"channel kind":        {problem.Malformed, func(q *dta.Request) { q.ChannelKind = 2 }},
		"name elsewhere":      {problem.NameRefused, func(q *dta.Request) { q.Key.Name = mustName(t, "acct:alice@example.com") }},
		"no evidence":         {problem.NotEnrolled, func(q *dta.Request) { q.Evidence = nil }},
		"evidence of no kind": {problem.Malformed, func(q *dta.Request) { q.Evidence = []byte("succession") }},
	} {
		err := a.ask(t, 1, together(a.forLogin(t, "door"), withCode(code), c.edit))
		if refused(t, err, c.kind); t.Failed() {
			t.Fatal(what)
		}
	}
	if n := issued(t, d.Members[0]); n != 0 {
		t.Errorf("%d shares issued", n)
	}
	if err := a.ask(t, 1, together(a.forLogin(t, door.Name), withCode(code))); err != nil {
		t.Error(err)
	}
}

func TestLoginShareIsOfItsServicesMasterAlone(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	withLogin(t, d, "door")
	a := newApplicant(t, d, alice)
	q := a.request(t, 1, together(a.forLogin(t, "login"), withCode(mustCode(t, d, a.name, "login", 1))))
	sealed, err := q.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reply := q.open(t, sealed)
	point, err := reply.Key.Point()
	if err != nil {
		t.Fatal(err)
	}
	share, err := keys.ParseShare(1, reply.Generation, reply.Share)
	if err != nil {
		t.Fatal(err)
	}
	if share.Verify(point, q.to.Public) == nil {
		t.Error("the share is of the public master")
	}
	proof, err := keys.ParseProof(reply.Proof)
	if err != nil {
		t.Fatal(err)
	}
	if proof.Verify(reply.ProofStatement(point, service(t, d, "door").Public[0]), share) == nil {
		t.Error("the share is of another service's master")
	}
}

func mustCode(t testing.TB, d *authoritytest.Domain, name identity.Name, service string, index uint32) dta.Code {
	t.Helper()
	codes, err := d.RegisterLogin(t.Context(), name, service)
	if err != nil {
		t.Fatal(err)
	}
	return codes[index]
}

func TestLoginNeedsAFreshDocumentAndPermitsDoNot(t *testing.T) {
	c := at(noon())
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 2, Clock: c.Now, Limits: authority.Limits{}})
	withLogin(t, d, "login")
	a, b := newApplicant(t, d, alice), newApplicant(t, d, alice)
	a.register(t, "login")
	if err := d.Members[1].Stop(); err != nil { // one authority alone stamps nothing
		t.Fatal(err)
	}
	c.forward(9 * 24 * time.Hour)
	made, err := d.Members[0].Operator().RegisterLogin(t.Context(), []identity.Name{b.name}, "login", c.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	code, err := dta.ParseCode(made[0].Code)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, b.ask(t, 1, together(b.forLogin(t, "login"), withCode(code))), problem.NoStamp)
	if err := a.ask(t, 1, a.forPermit(t, "login")); err != nil {
		t.Error(err)
	}
}

func TestRevocationEndsLoginKeysAndPermits(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	a, b := newApplicant(t, d, alice), newApplicant(t, d, alice)
	a.register(t, "login")
	b.register(t, "login")
	unused := mustCode(t, d, a.name, "login", 1)
	device := deviceOf(t, a.device)
	revoked, err := d.Members[0].Operator().Revoke(t.Context(), a.name, &device)
	if err != nil || revoked.Enrolments != 2 {
		t.Fatal(revoked, err)
	}
	refused(t, a.ask(t, 1, a.forPermit(t, "login")), problem.Revoked)
	refused(t, a.ask(t, 1, together(a.forLogin(t, "login"), withCode(unused))), problem.Revoked)
	if err := b.ask(t, 1, b.forPermit(t, "login")); err != nil {
		t.Error("the other device:", err)
	}
	if revoked, err := d.Members[0].Operator().Revoke(t.Context(), a.name, nil); err != nil || revoked.Enrolments != 2 || revoked.Codes != 1 {
		t.Fatal(revoked, err)
	}
	refused(t, b.ask(t, 1, b.forPermit(t, "login")), problem.Revoked)
	refused(t, newApplicant(t, d, alice).ask(t, 1, together(a.forLogin(t, "login"), withCode(unused))), problem.CodeUnknown)
}

func TestListNamesTheService(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	a := newApplicant(t, d, alice)
	a.register(t, "login")
	mustCode(t, d, a.name, "login", 1)
	l, err := d.Members[0].Operator().List(t.Context(), a.name)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Enrolments) != 2 || l.Enrolments[0].Purpose != "mpin" || l.Enrolments[1].Purpose != "permit" || l.Enrolments[1].Service != "login" {
		t.Errorf("enrolments %+v", l.Enrolments)
	}
	if len(l.Codes) != 1 || l.Codes[0].Service != "login" {
		t.Errorf("codes %+v", l.Codes)
	}
}
