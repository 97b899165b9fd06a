package authority_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

const web = "spiffe://example.org/web"

func TestEnrolThenRenewGivesAKey(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	name, device := mustName(t, web), newDevice(t)
	schedule, _ := d.Published.Document.Schedule(identity.Channel)
	application := dta.Application{Domain: d.Published, Signer: device, Now: d.Now,
		Key:   identity.Key{Purpose: identity.Channel, Name: name, Epoch: schedule.Current(d.Now())},
		Codes: d.Codes(t, name, identity.Channel)}
	for _, basis := range []string{"code", "renewal"} {
		grant, err := (&dta.Client{}).Apply(t.Context(), application)
		if err != nil {
			t.Fatal(err)
		}
		point, err := grant.Key.Point()
		if err != nil {
			t.Fatal(err)
		}
		if err := grant.Private.Verify(point, d.Published.Document.Master()); err != nil {
			t.Error(basis, err)
		}
		for _, o := range grant.Outcomes {
			if o.Err != nil || (len(o.Statement) > 0) != (basis == "code") {
				t.Errorf("%s, authority %d: %v, statement of %d bytes", basis, o.Authority.Index, o.Err, len(o.Statement))
			}
		}
		application.Codes = nil
	}
}

func TestReplayedRequestGetsTheSameBytes(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	a := newApplicant(t, d, web)
	code := d.Codes(t, a.name, identity.Channel)[1]
	q := a.request(t, 1, withCode(code))
	const senders = 50
	replies := make([][]byte, senders)
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			var err error
			if replies[i], err = q.send(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	q.open(t, replies[0])
	for _, reply := range replies {
		if !bytes.Equal(reply, replies[0]) {
			t.Fatal("another answer to the same request")
		}
	}
	if n := issued(t, d.Members[0]); n != 1 {
		t.Errorf("%d rows in the log for one request", n)
	}
	if err := d.Members[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.forward(4 * time.Minute)
	again, err := q.send(t.Context())
	if err != nil || !bytes.Equal(again, replies[0]) {
		t.Errorf("after a restart: other bytes, %v", err)
	}
}

func TestRequestForOneAuthorityIsNothingAtAnother(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	codes := d.Codes(t, a.name, identity.Channel)
	q := a.request(t, 1, withCode(codes[1]))
	if _, err := q.send(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Authority 1 opens the request and sends at authority 2 what it has.
	second, _ := d.Published.Document.Authority(2)
	_, err := (&dta.Client{}).Issue(t.Context(), second.URL, q.sealed)
	refused(t, err, problem.WrongAuthority)
	evil := newApplicant(t, d, web)
	refused(t, evil.ask(t, 2, func(r *dta.Request) { r.Evidence = q.request.Evidence }), problem.CodeWrongAuthority)
	refused(t, evil.ask(t, 2, nil), problem.NotEnrolled)
	if n := issued(t, d.Members[1]); n != 0 {
		t.Errorf("%d shares issued", n)
	}
	// The true applicant's code at authority 2 is untouched.
	if err := a.ask(t, 2, withCode(codes[2])); err != nil {
		t.Error(err)
	}
}

func TestCeremonyPurposesAreNeverIssued(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	a.enrol(t)
	before := issued(t, d.Members[0])
	for _, purpose := range []identity.Purpose{identity.Document, identity.Fresh, identity.Test, "", "Channel", "x"} {
		err := a.ask(t, 1, func(q *dta.Request) { q.Key.Purpose = purpose })
		refused(t, err, problem.PurposeRefused)
		err = a.ask(t, 1, func(q *dta.Request) { q.Key.Purpose, q.Key.Service = purpose, identity.ServiceID{1} })
		refused(t, err, problem.PurposeRefused)
	}
	if after := issued(t, d.Members[0]); after != before {
		t.Errorf("%d shares issued", after-before)
	}
}

// TestRefusalsSayWhy breaks one field a time of a request that would be
// answered.
func TestRefusalsSayWhy(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	a.enrol(t)
	before := issued(t, d.Members[0])
	for name, c := range map[string]struct {
		kind problem.Kind
		edit func(*dta.Request)
	}{
		"domain":            {problem.WrongDomain, func(q *dta.Request) { q.Key.Domain[0]++ }},
		"authority":         {problem.WrongAuthority, func(q *dta.Request) { q.Index = 2 }},
		"no authority":      {problem.WrongAuthority, func(q *dta.Request) { q.Index = 0 }},
		"past":              {problem.StaleTime, func(q *dta.Request) { q.Time -= 302 }},
		"future":            {problem.StaleTime, func(q *dta.Request) { q.Time += 302 }},
		"no time":           {problem.StaleTime, func(q *dta.Request) { q.Time = 0 }},
		"last time":         {problem.StaleTime, func(q *dta.Request) { q.Time = ^uint64(0) }},
		"generation":        {problem.WrongGeneration, func(q *dta.Request) { q.Generation.Counter++ }},
		"generation's body": {problem.WrongGeneration, func(q *dta.Request) { q.Generation.Hash[31]++ }},
		"name elsewhere":    {problem.NameRefused, func(q *dta.Request) { q.Key.Name = mustName(t, "spiffe://example.com/web") }},
		"other name":        {problem.NotEnrolled, func(q *dta.Request) { q.Key.Name = mustName(t, "spiffe://example.org/api") }},
		"last epoch":        {problem.WrongEpoch, func(q *dta.Request) { q.Key.Epoch.Start -= uint64(q.Key.Epoch.Length) }},
		"next epoch":        {problem.WrongEpoch, func(q *dta.Request) { q.Key.Epoch = q.Key.Epoch.Next() }},
		"other length":      {problem.WrongEpoch, func(q *dta.Request) { q.Key.Epoch = identity.EpochAt(q.Time, 3600) }},
		"no epoch":          {problem.Malformed, func(q *dta.Request) { q.Key.Epoch = identity.Epoch{} }},
		"service":           {problem.Malformed, func(q *dta.Request) { q.Key.Service = identity.ServiceID{1} }},
		"purpose":           {problem.NotEnrolled, func(q *dta.Request) { q.Key.Purpose = identity.Decrypt }},
		"evidence":          {problem.Malformed, func(q *dta.Request) { q.Evidence = []byte("let me in") }},
	} {
		t.Run(name, func(t *testing.T) { refused(t, a.ask(t, 1, c.edit), c.kind) })
	}
	if after := issued(t, d.Members[0]); after != before {
		t.Errorf("%d shares issued", after-before)
	}
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("the unbroken request:", err)
	}
}

func TestAlteredRequestsIssueNothing(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	a.enrol(t)
	before := issued(t, d.Members[0])
	q := a.request(t, 1, nil)
	allowed := []problem.Kind{problem.Malformed, problem.WrongDomain, problem.WrongAuthority, problem.StaleTime, problem.CannotOpen}
	for i := 0; i < len(q.sealed); i += 13 {
		altered := slices.Clone(q.sealed)
		altered[i] ^= 1 << (i % 8)
		_, err := (&dta.Client{}).Issue(t.Context(), q.to.URL, altered)
		if !slices.ContainsFunc(allowed, func(k problem.Kind) bool { return errors.Is(err, k) }) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
	if after := issued(t, d.Members[0]); after != before {
		t.Errorf("%d shares issued", after-before)
	}
}

func TestAnotherDevicesSignatureIsRefused(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	a.enrol(t)
	evil := newApplicant(t, d, web)
	victim, err := identity.DeviceOf(a.device)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, evil.ask(t, 1, func(q *dta.Request) { q.Device = victim }), problem.Possession)
}

func TestStaleRequestIsToldTheSignedTime(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	q := a.request(t, 1, func(q *dta.Request) { q.Time += 1000 })
	_, err := q.send(t.Context())
	var p *problem.Problem
	if !errors.As(err, &p) || p.Kind != problem.StaleTime {
		t.Fatal(err)
	}
	if !dta.VerifyTime(q.to, d.Published.Document.ID(), sha256.Sum256(q.sealed), p.Time, p.Signature) {
		t.Error("the time is not signed for this request")
	}
	if p.Time < d.Now()-5 || p.Time > d.Now()+5 {
		t.Errorf("time %d, here it is %d", p.Time, d.Now())
	}
}

func TestNextEpochIsIssuedInTheLastQuarter(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	a := newApplicant(t, d, web)
	a.enrol(t)
	next := func(q *dta.Request) { q.Key.Epoch = q.Key.Epoch.Next() }
	refused(t, a.ask(t, 1, next), problem.WrongEpoch)
	c.forward(7 * time.Hour)
	if err := a.ask(t, 1, next); err != nil {
		t.Error(err)
	}
	refused(t, a.ask(t, 1, func(q *dta.Request) { next(q); next(q) }), problem.WrongEpoch)
}

func TestRenewalWithoutEnrolmentIsRefused(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a, b := newApplicant(t, d, web), newApplicant(t, d, web)
	a.enrol(t)
	refused(t, b.ask(t, 1, nil), problem.NotEnrolled)
}

func TestRevokedDeviceGetsNoShare(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	a, b := newApplicant(t, d, web), newApplicant(t, d, web)
	a.enrol(t)
	b.enrol(t)
	unused := d.Codes(t, a.name, identity.Channel)[1]
	device, err := identity.DeviceOf(a.device)
	if err != nil {
		t.Fatal(err)
	}
	hash := device.Hash()
	revoked, err := d.Members[0].Operator().Revoke(t.Context(), a.name, &hash)
	if err != nil || revoked.Enrolments != 1 || revoked.Codes != 0 {
		t.Fatal(revoked, err)
	}
	c.forward(24 * time.Hour)
	refused(t, a.ask(t, 1, nil), problem.Revoked)
	refused(t, a.ask(t, 1, withCode(unused)), problem.Revoked)
	if err := a.ask(t, 2, nil); err != nil {
		t.Error("each authority decides alone:", err)
	}
	if err := b.ask(t, 1, nil); err != nil {
		t.Error("the name's other device:", err)
	}
	revoked, err = d.Members[0].Operator().Revoke(t.Context(), a.name, nil)
	if err != nil || revoked.Enrolments != 1 || revoked.Codes != 1 {
		t.Fatal(revoked, err)
	}
	refused(t, b.ask(t, 1, nil), problem.Revoked)
	refused(t, newApplicant(t, d, web).ask(t, 1, withCode(unused)), problem.CodeUnknown)
}

func TestDecryptKeysReachBackToTheEnrolment(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	a := newApplicant(t, d, web)
	days := func(back int) func(*dta.Request) {
		return func(q *dta.Request) {
			q.Key.Purpose = identity.Decrypt
			q.Key.Epoch.Start -= uint64(back) * 86_400
		}
	}
	code := d.Codes(t, a.name, identity.Decrypt)[1]
	if err := a.ask(t, 1, func(q *dta.Request) { days(0)(q); withCode(code)(q) }); err != nil {
		t.Fatal(err)
	}
	c.forward(48 * time.Hour)
	for _, back := range []int{0, 1, 2} {
		if err := a.ask(t, 1, days(back)); err != nil {
			t.Errorf("%d days back: %v", back, err)
		}
	}
	refused(t, a.ask(t, 1, days(3)), problem.WrongEpoch)
	refused(t, a.ask(t, 1, days(-1)), problem.WrongEpoch)
	c.forward(7 * time.Hour)
	refused(t, a.ask(t, 1, days(-1)), problem.WrongEpoch)
	if err := d.AwaitStamp(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh := d.Codes(t, a.name, identity.Decrypt)[1]
	if err := a.ask(t, 1, func(q *dta.Request) { days(3)(q); withCode(fresh)(q) }); err != nil {
		t.Error("older, with fresh evidence:", err)
	}
}

func TestSharesOfDifferentDomainsAreWorthNothingTogether(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	a.enrol(t)
	q := a.request(t, 1, nil)
	sealed, err := q.send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reply := q.open(t, sealed)
	mine, err := reply.KeyShare(q.document, q.to)
	if err != nil {
		t.Fatal(err)
	}
	foreign := reply.Generation
	foreign.Counter++
	other, err := keys.ParseShare(2, foreign, reply.Share)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Combine(2, []keys.Share{mine, other}); !errors.Is(err, keys.ErrGeneration) {
		t.Error(err)
	}
}
