package ceremony_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// prepare starts authorities that have all signed the plan.
func prepare(t *testing.T, threshold, n int) *authoritytest.Domain {
	t.Helper()
	d, err := authoritytest.Prepare(t.Context(), authoritytest.Config{Threshold: threshold, Authorities: n})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func coordinator(plan *dkg.Plan) *ceremony.Coordinator {
	return &ceremony.Coordinator{Client: new(dta.Client), Plan: plan, Now: func() uint64 { return uint64(time.Now().Unix()) },
		Patience: time.Millisecond}
}

// hold runs the ceremony and fails unless every authority serves what it made.
func hold(t *testing.T, d *authoritytest.Domain, plan *dkg.Plan) *dta.Published {
	t.Helper()
	published, err := coordinator(plan).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := published.Document.ID()
	if err := errors.Join(published.Verify(id), published.Fresh(d.Now())); err != nil {
		t.Error(err)
	}
	for _, m := range d.Members {
		served, err := new(dta.Client).Domain(t.Context(), m.URL())
		if err == nil {
			err = served.Verify(id)
		}
		if err != nil {
			t.Errorf("%s: %v", m.Card.Name, err)
		}
	}
	return published
}

func TestRunMakesADomainThatAllServe(t *testing.T) {
	for _, size := range [][2]int{{2, 2}, {2, 3}, {3, 3}, {3, 5}} {
		t.Run(fmt.Sprintf("%d of %d", size[0], size[1]), func(t *testing.T) {
			d := prepare(t, size[0], size[1])
			published := hold(t, d, d.Plan)
			if doc := published.Document; doc.Threshold() != size[0] || len(doc.Authorities()) != size[1] {
				t.Errorf("%d of %d", doc.Threshold(), len(doc.Authorities()))
			}
		})
	}
}

func TestRunAgainChangesNothing(t *testing.T) {
	d := prepare(t, 2, 3)
	first, second := hold(t, d, d.Plan), hold(t, d, d.Plan)
	if first.Document.Hash() != second.Document.Hash() {
		t.Error("a second run made another document")
	}
}

func TestProgressTellsEachStep(t *testing.T) {
	d := prepare(t, 2, 2)
	c := coordinator(d.Plan)
	var steps []string
	c.Progress = func(step string) { steps = append(steps, step) }
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"contribute", "commit", "reveal", "confirm", "certificate", "trial"} {
		if !slices.Contains(steps, want) {
			t.Errorf("no step %q in %q", want, steps)
		}
	}
}

// otherPlan is the plan of the same authorities, the first one last.
func otherPlan(t *testing.T, p *dkg.Plan) *dkg.Plan {
	t.Helper()
	cards := p.Cards()
	plan, err := dkg.NewPlan(dkg.Terms{Kind: p.Kind(), Domain: p.Domain(), Threshold: uint32(p.Threshold()),
		Schedules: p.Schedules(), Cards: append(cards[1:], cards[0])})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestRunNamesWhoseOperatorHasNotSigned(t *testing.T) {
	d := prepare(t, 2, 3)
	plan := otherPlan(t, d.Plan)
	for _, m := range d.Members[:2] {
		if _, err := m.Operator().SignPlan(t.Context(), plan.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := coordinator(plan).Run(t.Context())
	var fault *ceremony.Fault
	if !errors.As(err, &fault) || fault.Index != 2 || fault.Name != d.Members[2].Card.Name || strings.Contains(err.Error(), "authority 1 ") {
		t.Fatalf("error %v", err)
	}
	if _, err := d.Members[2].Operator().SignPlan(t.Context(), plan.Bytes()); err != nil {
		t.Fatal(err)
	}
	hold(t, d, plan)
}

func TestRunNamesASilentAuthority(t *testing.T) {
	d := prepare(t, 2, 3)
	if err := d.Members[1].Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := coordinator(d.Plan).Run(t.Context())
	var fault *ceremony.Fault
	if !errors.As(err, &fault) || fault.Index != 2 || fault.Blame != nil {
		t.Fatalf("error %v", err)
	}
	if err := d.Members[1].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	hold(t, d, d.Plan)
}

func TestRunWaitsForAnAuthorityThatComesUp(t *testing.T) {
	d := prepare(t, 2, 2)
	if err := d.Members[0].Stop(); err != nil {
		t.Fatal(err)
	}
	c := coordinator(d.Plan)
	c.Patience = time.Minute
	asked := make(chan struct{})
	var once atomic.Bool
	c.Client = &dta.Client{HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil && once.CompareAndSwap(false, true) {
			close(asked)
		}
		return response, err
	})}}
	started := make(chan error, 1)
	go func() {
		<-asked
		started <- d.Members[0].Start(context.WithoutCancel(t.Context()))
	}()
	if _, err := c.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-started; err != nil {
		t.Error(err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errCut = errors.New("the coordinator's network is cut")

// TestCoordinatorMayDieAnywhere cuts the coordinator off after ever more
// requests; whoever runs it next completes the ceremony.
func TestCoordinatorMayDieAnywhere(t *testing.T) {
	const stride = 4
	for allowed := int64(1); ; allowed += stride {
		d := prepare(t, 2, 3)
		var made atomic.Int64
		c := coordinator(d.Plan)
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
		hold(t, d, d.Plan)
		if err == nil {
			t.Logf("a whole ceremony is %d requests", made.Load())
			return
		}
	}
}

// restart makes a client before whose first request to path an authority
// crashes and comes back.
func restart(t *testing.T, m *authoritytest.Member, path string) *dta.Client {
	var done atomic.Bool
	return &dta.Client{HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(m.URL(), r.URL.Host) && r.URL.Path == path && done.CompareAndSwap(false, true) {
			if err := m.Restart(context.WithoutCancel(r.Context())); err != nil {
				t.Error(err)
			}
		}
		return http.DefaultTransport.RoundTrip(r)
	})}}
}

func TestRunBeginsAnewWhenAnAuthorityLostIt(t *testing.T) {
	for _, path := range []string{"/v1/ceremony/message", "/v1/ceremony/certificate", "/v1/ceremony/trial", "/v1/domain/approve",
		"/v1/domain/share", "/v1/domain/document"} {
		t.Run(path, func(t *testing.T) {
			d := prepare(t, 3, 3)
			c := coordinator(d.Plan)
			c.Patience = 10 * time.Second
			c.Client = restart(t, d.Members[1], path)
			if _, err := c.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			hold(t, d, d.Plan)
		})
	}
}

// confirmAt brings a run so far that the authorities at these places have
// confirmed it.
func confirmAt(t *testing.T, d *authoritytest.Domain, places ...int) {
	t.Helper()
	ctx, client := t.Context(), new(dta.Client)
	if err := d.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for _, step := range []dkg.Step{dkg.Commit, dkg.Reveal} {
		messages, err := d.Step(ctx, step)
		if err == nil {
			err = d.Deliver(ctx, messages)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range places {
		if _, err := client.NextMessage(ctx, d.Members[i].URL(), d.Plan.Hash(), string(dkg.Confirm)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunFinishesWhatSomeHaveConfirmed(t *testing.T) {
	d := prepare(t, 3, 3)
	confirmAt(t, d, 1)
	before, err := new(dta.Client).Ceremony(t.Context(), d.Members[1].URL(), d.Plan.Hash())
	if err != nil {
		t.Fatal(err)
	}
	hold(t, d, d.Plan)
	after, err := new(dta.Client).Ceremony(t.Context(), d.Members[1].URL(), d.Plan.Hash())
	if err != nil || after.ID != before.ID || after.State != "active" {
		t.Errorf("run %s became %s (%s), %v", before.ID, after.ID, after.State, err)
	}
}

func TestRunGivesUpWhatTHaveLost(t *testing.T) {
	d := prepare(t, 2, 3)
	confirmAt(t, d, 0)
	for _, m := range d.Members[1:] {
		if err := m.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	hold(t, d, d.Plan)
}

func TestStuckRunIsLeftBehindByAnotherPlan(t *testing.T) {
	d := prepare(t, 3, 3)
	confirmAt(t, d, 0, 1)
	if err := d.Members[2].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := coordinator(d.Plan).Run(t.Context())
	var stuck *ceremony.Stuck
	if !errors.As(err, &stuck) || !slices.Equal(stuck.Confirmed, []uint32{1, 2}) || !slices.Equal(stuck.Lost, []uint32{3}) {
		t.Fatalf("error %v", err)
	}
	if !errors.Is(err, problem.CeremonyState) || !strings.Contains(stuck.Hint(), "another order") {
		t.Errorf("error %v, hint %q", err, stuck.Hint())
	}
	plan := otherPlan(t, d.Plan)
	for _, m := range d.Members {
		if _, err := m.Operator().SignPlan(t.Context(), plan.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	hold(t, d, plan)
}

func TestRunEndsWithItsContext(t *testing.T) {
	d := prepare(t, 2, 2)
	if err := d.Members[0].Stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := coordinator(d.Plan)
	c.Patience = time.Hour
	if _, err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestSilenceIsNoReasonToGiveUp: who does not answer may still confirm.
func TestSilenceIsNoReasonToGiveUp(t *testing.T) {
	d := prepare(t, 3, 3)
	confirmAt(t, d, 0, 1)
	c := coordinator(d.Plan)
	c.Client = &dta.Client{HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(d.Members[2].URL(), r.URL.Host) && r.URL.Path == "/v1/ceremony/next" {
			return nil, errCut
		}
		return http.DefaultTransport.RoundTrip(r)
	})}}
	_, err := c.Run(t.Context())
	var stuck *ceremony.Stuck
	if !errors.Is(err, errCut) || errors.As(err, &stuck) {
		t.Fatalf("error %v", err)
	}
	hold(t, d, d.Plan)
}
