package authority_test

import (
	"bytes"
	"fmt"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
)

// serviceStage is a domain in the middle of a login service's ceremony.
func serviceStage(t *testing.T) (d, ceremony *authoritytest.Domain) {
	t.Helper()
	d = authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: at(noon()).Now})
	plan, err := d.PlanService(newLoginServer(t, "login").card)
	if err != nil {
		t.Fatal(err)
	}
	c := *d
	c.Plan, c.Certificate = plan, nil
	if err := c.SignPlan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Certify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d, &c
}

// TestBadPointsOfALoginServiceAreRefused sends them wherever a call takes a point
// of a service's master, and false proofs of test shares besides.
func TestBadPointsOfALoginServiceAreRefused(t *testing.T) {
	d, c := serviceStage(t)
	tryBadCertificates(t, c)
	tryBadTrials(t, c)
	tryBadProofs(t, c)
	if err := c.Try(t.Context()); err != nil {
		t.Fatal("the trial with good points:", err)
	}
	next, err := dta.NextDocument(d.Published.Document, c.Plan, c.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	public := publicOf(d.Members[0])
	before := stateOf(t, d.Members[0])
	login, _ := next.Service("login")
	for _, point := range [][]byte{login.Master.Bytes(), login.Public[0].Bytes()} {
		bads := badPoints(point)
		bads["another one"] = login.Public[1].Bytes()
		for what, bad := range bads {
			body := fmt.Sprintf(`{"document":%q}`, base64Of(replaced(t, next.Bytes(), point, bad)))
			for _, path := range []string{"approve", "share", "document"} {
				if p := public.post(t, "/v1/domain/"+path, body).problem; p == nil || p.Kind != problem.Malformed {
					t.Errorf("%s, a point %s in the document: %v", path, what, p)
				}
			}
		}
	}
	if after := stateOf(t, d.Members[0]); after != before {
		t.Errorf("the state was\n%s, is\n%s", before, after)
	}
	if err := d.Publish(t.Context(), next); err != nil {
		t.Error("the document with good points:", err)
	}
}

func tryBadProofs(t *testing.T, c *authoritytest.Domain) {
	var shares []dta.TestShare
	for _, m := range c.Members {
		share, err := new(dta.Client).DeliverCertificate(t.Context(), m.URL(), c.Plan.Hash(), c.Certificate.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	good := shares[1].Proof
	flipped := bytes.Clone(good)
	flipped[63] ^= 1
	for what, bad := range map[string][]byte{"none": nil, "another's": shares[0].Proof, "altered": flipped, "short": good[:63],
		"all zero": make([]byte, 64), "all ones": bytes.Repeat([]byte{0xff}, 64)} {
		shares[1].Proof = bad
		if err := new(dta.Client).DeliverTrial(t.Context(), c.Members[0].URL(), c.Plan.Hash(), shares); err == nil {
			t.Errorf("proof %s: taken", what)
		} else {
			refused(t, err, problem.CeremonyMessage)
		}
	}
}

// TestServiceIsNotAddedWithoutItsTrial: no document names a master before every
// authority saw its certificate and its trial.
func TestServiceIsNotAddedWithoutItsTrial(t *testing.T) {
	d, c := serviceStage(t)
	next, err := dta.NextDocument(d.Published.Document, c.Plan, c.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Members {
		if _, err := new(dta.Client).DeliverCertificate(t.Context(), m.URL(), c.Plan.Hash(), c.Certificate.Bytes()); err != nil {
			t.Fatal(err)
		}
		_, err = new(dta.Client).Approve(t.Context(), m.URL(), next)
		refused(t, err, problem.Forbidden)
	}
	if _, err := d.Members[0].Operator().Agree(t.Context(), next.Bytes()); err == nil {
		t.Error("an operator agreed to a service that no ceremony has made here")
	} else {
		refused(t, err, problem.Forbidden)
	}
	if err := c.Try(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Publish(t.Context(), next); err != nil {
		t.Error(err)
	}
}

// TestAgreementChangesNoService: a login server's key, origin or master is what its
// ceremony's plan said, whatever operators agree to later.
func TestAgreementChangesNoService(t *testing.T) {
	r := realmOf(t, at(noon()))
	withLogin(t, r.Domain, "login")
	for what, edit := range map[string]func(*dta.Service){
		"its login server": func(s *dta.Service) { s.LoginKey = newLoginServer(t, "login").card.Ed25519 },
		"its origin":       func(s *dta.Service) { s.Origin = "https://evil.example.org" },
		"its generation":   func(s *dta.Service) { s.Generation.Hash[0]++ },
		"its name":         func(s *dta.Service) { s.Name = "door" },
	} {
		document := r.after(1, func(f *dta.Fields) { edit(&f.Services[0]) })
		refused(t, r.agree(1, document), problem.Forbidden)
		if _, err := r.approve(1, document); err == nil {
			t.Errorf("approved with %s changed", what)
		}
	}
	refused(t, r.agree(1, r.after(1, func(f *dta.Fields) { f.Services = nil })), problem.Forbidden)
	r.done(r.Publish(t.Context(), r.agreed(r.after(1, flagged("open")))))
	r.done(r.AwaitStamp(t.Context()))
	a := newApplicant(t, r.Domain, alice)
	a.register(t, "login")
}
