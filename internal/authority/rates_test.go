package authority_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/problem"
)

// limited is a domain whose windows of an hour have just begun.
func limited(t *testing.T, c *clock, limits authority.Limits) *authoritytest.Domain {
	t.Helper()
	return authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: c.Now, Limits: limits})
}

func hourly(count int) authority.Rate { return authority.Rate{Count: count, Window: time.Hour} }

// issueFrom hands a sealed request to authority 1 as if it came from an
// address, and returns the problem, or nil.
func issueFrom(t *testing.T, d *authoritytest.Domain, address string, sealed []byte) *problem.Problem {
	t.Helper()
	body, err := json.Marshal(map[string][]byte{"request": sealed})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/issue", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = address
	w := httptest.NewRecorder()
	d.Members[0].Authority.Public().ServeHTTP(w, r)
	answer := w.Result()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	p, err := problem.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// atOnce does something so many times at once and returns the errors.
func atOnce(times int, do func(i int) error) []error {
	errs := make([]error, times)
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errs
}

// count returns how many errors are of a kind; kind nil counts those that are none.
func count(errs []error, kind error) (n int) {
	for _, err := range errs {
		if errors.Is(err, kind) {
			n++
		}
	}
	return n
}

// TestStrangersAreCountedExactly floods an authority with guesses, all at once,
// while an enrolled device goes on.
func TestStrangersAreCountedExactly(t *testing.T) {
	const limit, guesses = 10, 25
	c := at(noon())
	d := limited(t, c, authority.Limits{Strangers: hourly(limit)})
	a, b := newApplicant(t, d, web), newApplicant(t, d, api)
	code, waiting := d.Codes(t, a.name, identity.Channel)[1], d.Codes(t, b.name, identity.Channel)[1]
	if err := a.ask(t, 1, withCode(code)); err != nil {
		t.Fatal(err)
	}
	flood := make([]*asked, guesses)
	for i := range flood {
		edits := []func(*dta.Request){withCode(dta.NewCode(1)), nil, withCode(dta.NewCode(2))}
		flood[i] = b.request(t, 1, edits[i%len(edits)])
	}
	errs := atOnce(guesses, func(i int) error {
		_, err := flood[i].send(t.Context())
		return err
	})
	answered := count(errs, problem.CodeUnknown) + count(errs, problem.NotEnrolled) + count(errs, problem.CodeWrongAuthority)
	if over := count(errs, problem.RateLimited); answered != limit || over != guesses-limit {
		t.Fatalf("%d answered and %d refused, want %d and %d: %v", answered, over, limit, guesses-limit, errors.Join(errs...))
	}
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("a renewal during the flood:", err)
	}
	if err := d.Members[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := b.ask(t, 1, withCode(waiting))
	refused(t, err, problem.RateLimited)
	var p *problem.Problem
	if !errors.As(err, &p) || p.RetryAfter < 3000 || p.RetryAfter > 3600 {
		t.Fatalf("Retry-After %+v", p)
	}
	c.forward(time.Duration(p.RetryAfter) * time.Second)
	refused(t, b.ask(t, 1, withCode(dta.NewCode(1))), problem.CodeUnknown)
}

func TestGoodTriesAreNotCounted(t *testing.T) {
	const limit = 3
	c := at(noon())
	d := limited(t, c, authority.Limits{Strangers: hourly(limit)})
	var last *asked
	for i := range 3 * limit {
		a := newApplicant(t, d, fmt.Sprintf("spiffe://example.org/good/%d", i))
		last = a.request(t, 1, withCode(d.Codes(t, a.name, identity.Channel)[1]))
		if _, err := last.send(t.Context()); err != nil {
			t.Fatalf("good code %d: %v", i+1, err)
		}
	}
	stranger := newApplicant(t, d, web)
	for range limit {
		refused(t, stranger.ask(t, 1, nil), problem.NotEnrolled)
	}
	// What was refused before anybody was looked up costs nothing either.
	waiting := d.Codes(t, stranger.name, identity.Channel)[1]
	refused(t, stranger.ask(t, 1, withCode(waiting)), problem.RateLimited)
	refused(t, stranger.ask(t, 1, func(q *dta.Request) { q.Time -= 1000 }), problem.StaleTime)
	if _, err := last.send(t.Context()); err != nil {
		t.Error("an answered request that is sent again:", err)
	}
	c.forward(59 * time.Minute)
	refused(t, stranger.ask(t, 1, withCode(waiting)), problem.RateLimited)
	fresh := d.Codes(t, stranger.name, identity.Channel)[1]
	c.forward(time.Minute)
	if err := stranger.ask(t, 1, withCode(fresh)); err != nil {
		t.Error("in the next window, a code that was refused by rate:", err)
	}
}

func TestStrangersAreCountedByNetwork(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{Strangers: hourly(2)})
	a := newApplicant(t, d, web)
	for _, network := range [][]string{
		{"[2001:db8::1]:1", "[2001:db8::ffff:2]:2", "[2001:db8:0:0:ffff::3]:3"},
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:1::1]:2", "[2001:db8:0:1::2]:1"},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", "192.0.2.1:3"},
		{"192.0.2.2:1", "192.0.2.2:1", "192.0.2.2:1"},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1", "[fe80::3]:1"},
		{"@", "", "pipe"},
	} {
		for i, address := range network {
			want := problem.NotEnrolled
			if i == 2 {
				want = problem.RateLimited
			}
			if p := issueFrom(t, d, address, a.request(t, 1, nil).sealed); p == nil || p.Kind != want {
				t.Errorf("try %d of the network, from %q: %v, want %v", i+1, address, p, want)
			}
		}
	}
}

// TestHeaderForwardedForIsNotBelieved: anybody can write one.
func TestHeaderForwardedForIsNotBelieved(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{Strangers: hourly(1)})
	a := newApplicant(t, d, web)
	refused(t, a.ask(t, 1, nil), problem.NotEnrolled)
	body, err := json.Marshal(map[string][]byte{"request": a.request(t, 1, nil).sealed})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.Members[0].URL()+"/v1/issue", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "X-Forwarded-For": {"192.0.2.9"}, "X-Real-Ip": {"192.0.2.9"},
		"Forwarded": {"for=192.0.2.9"}}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", answer.StatusCode, answer.Header.Get("Retry-After"))
	}
}

func TestEnrolmentsOfANameAreLimited(t *testing.T) {
	const limit = 2
	c := at(noon())
	d := limited(t, c, authority.Limits{Enrolments: authority.Rate{Count: limit, Window: 30 * time.Minute}})
	a := newApplicant(t, d, web)
	var codes []dta.Code
	for range 3 * limit {
		codes = append(codes, d.Codes(t, a.name, identity.Channel)[1])
	}
	for range 2 * limit { // a stranger cannot use up another's
		refused(t, newApplicant(t, d, web).ask(t, 1, withCode(dta.NewCode(1))), problem.CodeUnknown)
	}
	requests := make([]*asked, len(codes))
	for i, code := range codes {
		requests[i] = newApplicant(t, d, web).request(t, 1, withCode(code))
	}
	errs := atOnce(len(codes), func(i int) error {
		_, err := requests[i].send(t.Context())
		return err
	})
	if good, over := count(errs, nil), count(errs, problem.RateLimited); good != limit || over != len(codes)-limit {
		t.Fatalf("%d enrolled, %d refused: %v", good, over, errors.Join(errs...))
	}
	b := newApplicant(t, d, api)
	if err := b.ask(t, 1, withCode(d.Codes(t, b.name, identity.Channel)[1])); err != nil {
		t.Error("another name:", err)
	}
	c.forward(30 * time.Minute)
	after := 0
	for i, code := range codes {
		if errors.Is(errs[i], problem.RateLimited) && newApplicant(t, d, web).ask(t, 1, withCode(code)) == nil {
			after++
		}
	}
	if after != limit {
		t.Errorf("%d of the refused codes are good in the next window, want %d", after, limit)
	}
}

func TestRenewalsOfAnEnrolmentAreLimited(t *testing.T) {
	const limit, tries = 3, 9
	c := at(noon())
	d := limited(t, c, authority.Limits{Renewals: hourly(limit), Strangers: hourly(tries)})
	a, b := newApplicant(t, d, web), newApplicant(t, d, web)
	a.enrol(t)
	b.enrol(t)
	requests := make([]*asked, tries)
	for i := range requests {
		requests[i] = a.request(t, 1, nil)
	}
	errs := atOnce(tries, func(i int) error {
		_, err := requests[i].send(t.Context())
		return err
	})
	if good, over := count(errs, nil), count(errs, problem.RateLimited); good != limit || over != tries-limit {
		t.Fatalf("%d renewed, %d refused: %v", good, over, errors.Join(errs...))
	}
	if n := issued(t, d.Members[0]); n != 2+limit {
		t.Errorf("%d rows in the log, want %d", n, 2+limit)
	}
	for i, q := range requests { // what was answered is answered again
		if _, err := q.send(t.Context()); !errors.Is(err, problem.RateLimited) && errs[i] != nil || err != nil && errs[i] == nil {
			t.Errorf("first %v, then %v", errs[i], err)
		}
	}
	if err := b.ask(t, 1, nil); err != nil {
		t.Error("the name's other device:", err)
	}
	if err := a.ask(t, 2, nil); err != nil {
		t.Error("the other authority:", err)
	}
	c.forward(time.Hour)
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("in the next window:", err)
	}
}

// TestOpenRefusesLimitsThatAreNone: a window of no time would let everything
// pass.
func TestOpenRefusesLimitsThatAreNone(t *testing.T) {
	dir := t.TempDir()
	protector, err := custody.NewKeyFile(dir + "/key")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Init(t.Context(), dir+"/dta", protector, "one", "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	for _, rate := range []authority.Rate{{Count: 5}, {Count: 5, Window: time.Millisecond}, {Count: 5, Window: -time.Hour}, {Count: -1, Window: time.Hour}} {
		for which, limits := range map[string]authority.Limits{"strangers": {Strangers: rate}, "enrolments": {Enrolments: rate}, "renewals": {Renewals: rate}} {
			opened, err := authority.Open(t.Context(), authority.Config{Dir: dir + "/dta", Protector: protector, Limits: limits})
			if err == nil {
				t.Errorf("%s: %v is taken", which, rate)
				opened.Close()
			} else if !strings.Contains(err.Error(), which) {
				t.Errorf("%s: %v", which, err)
			}
		}
	}
	opened, err := authority.Open(t.Context(), authority.Config{Dir: dir + "/dta", Protector: protector, Limits: authority.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
}
