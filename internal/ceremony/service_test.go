package ceremony_test

import (
	"crypto/ed25519"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/ceremony"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
)

// withPlan returns a domain of two of three whose operators have all agreed to a
// plan for a login service.
func withPlan(t *testing.T, name string) (*authoritytest.Domain, *dkg.Plan) {
	t.Helper()
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3})
	return d, planFor(t, d, name)
}

func planFor(t *testing.T, d *authoritytest.Domain, name string) *dkg.Plan {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	card, err := dta.SignLoginCard(key, name, "https://"+name+".example.org")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := d.PlanService(card)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range d.Members {
		if _, err := m.Operator().SignPlan(t.Context(), plan.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return plan
}

// names fails the test unless a document has exactly these services.
func names(t *testing.T, d *dta.Document, want string) {
	t.Helper()
	var got []string
	for _, s := range d.Services() {
		got = append(got, s.Name)
	}
	if strings.Join(got, " ") != want {
		t.Errorf("services %q, want %q", got, want)
	}
}

func TestRunAddsALoginService(t *testing.T) {
	d, plan := withPlan(t, "login")
	first := hold(t, d, plan)
	names(t, first.Document, "login")
	if first.Document.Revision() != 2 || first.Document.ID() != d.Published.Document.ID() {
		t.Errorf("revision %d of %v", first.Document.Revision(), first.Document.ID())
	}
	again := hold(t, d, plan)
	if again.Document.Hash() != first.Document.Hash() {
		t.Error("a second run made another document")
	}
	d.Published = first
	second := hold(t, d, planFor(t, d, "door"))
	names(t, second.Document, "door login")
	// The plan of the first still gives what is served.
	if latest := hold(t, d, plan); latest.Document.Hash() != second.Document.Hash() {
		t.Errorf("an old plan gives revision %d", latest.Document.Revision())
	}
}

// TestOperatorsSignNoPlanForAnotherDocument: one that was revised since, another
// domain's, one of another threshold.
func TestOperatorsSignNoPlanForAnotherDocument(t *testing.T) {
	d, plan := withPlan(t, "login")
	hold(t, d, plan)
	stale := *plan.Service()
	terms := dkg.Terms{Kind: plan.Kind(), Domain: plan.Domain(), Threshold: 2, Schedules: plan.Schedules(), Cards: plan.Cards(), Service: &stale}
	stale.Name = "door" // and its card says login: the document comes first
	door, err := dkg.NewPlan(terms)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Members[0].Operator().SignPlan(t.Context(), door.Bytes())
	var p *problem.Problem
	if !errors.As(err, &p) || p.Kind != problem.Forbidden || !strings.Contains(err.Error(), "the document of revision 1, served is 2") || p.Hint() == "" {
		t.Errorf("error %v", err)
	}
}

// TestRevisedMeanwhileIsSaid: two plans for one document are signed; the one that
// comes second makes no document any more, and says why.
func TestRevisedMeanwhileIsSaid(t *testing.T) {
	d, login := withPlan(t, "login")
	door := planFor(t, d, "door")
	published := hold(t, d, login)
	_, err := coordinator(door).Run(t.Context())
	var outdated *ceremony.Outdated
	if !errors.As(err, &outdated) || outdated.Hint() == "" || !errors.Is(err, dta.ErrDocument) || !strings.Contains(err.Error(), "the plan is for the document of revision 1, served is 2") {
		t.Fatalf("error %v", err)
	}
	for _, m := range d.Members {
		served, err := new(dta.Client).Domain(t.Context(), m.URL())
		if err != nil || served.Document.Hash() != published.Document.Hash() {
			t.Errorf("%s serves another document: %v", m.Card.Name, err)
		}
	}
	d.Published = published
	names(t, hold(t, d, planFor(t, d, "door")).Document, "door login")
}

// TestCoordinatorOfAServiceMayDieAnywhere cuts it off after ever more requests;
// whoever runs it next completes the ceremony.
func TestCoordinatorOfAServiceMayDieAnywhere(t *testing.T) {
	const stride = 4
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 2})
	for allowed := int64(1); ; allowed += stride {
		plan := planFor(t, d, "login-"+strings.Repeat("x", int(allowed/stride)+1))
		var made atomic.Int64
		c := coordinator(plan)
		c.Client = &dta.Client{HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if made.Add(1) > allowed {
				return nil, errCut
			}
			return http.DefaultTransport.RoundTrip(r)
		})}}
		_, err := c.Run(t.Context())
		if err != nil && !errors.Is(err, errCut) {
			t.Fatalf("after %d requests: %v", allowed, err)
		}
		d.Published = hold(t, d, plan)
		if _, ok := d.Published.Document.Service(plan.Service().Name); !ok {
			t.Fatalf("after %d requests: the service is not there", allowed)
		}
		if err == nil {
			t.Logf("a whole ceremony is %d requests", made.Load())
			return
		}
	}
}

func TestRunOfAServiceBeginsAnewWhenAnAuthorityLostIt(t *testing.T) {
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 2})
	for i, path := range []string{"/v1/ceremony/message", "/v1/ceremony/certificate", "/v1/ceremony/trial", "/v1/domain/approve",
		"/v1/domain/share", "/v1/domain/document"} {
		plan := planFor(t, d, "login-"+string(rune('a'+i)))
		c := coordinator(plan)
		c.Patience = 10 * time.Second
		c.Client = restart(t, d.Members[1], path)
		if _, err := c.Run(t.Context()); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		d.Published = hold(t, d, plan)
	}
}

// TestServiceNeedsEveryOperator: no service is made whose plan one of them has not
// signed.
func TestServiceNeedsEveryOperator(t *testing.T) {
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 2})
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	card, err := dta.SignLoginCard(key, "login", "https://login.example.org")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := d.PlanService(card)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Members[0].Operator().SignPlan(t.Context(), plan.Bytes()); err != nil {
		t.Fatal(err)
	}
	_, err = coordinator(plan).Run(t.Context())
	var fault *ceremony.Fault
	if !errors.As(err, &fault) || fault.Index != 2 || !errors.Is(err, problem.Forbidden) {
		t.Errorf("error %v", err)
	}
}
