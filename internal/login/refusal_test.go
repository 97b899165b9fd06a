package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// trace is what a server did for the requests through it.
type trace struct {
	*httptest.Server
	mu    sync.Mutex
	steps []string
	at    func(step string) // called before each, if it is set
	gone  <-chan struct{}   // closed when the client of the last request has hung up
}

// traced serves s a second time, with each step recorded.
func (s *stage) traced() *trace {
	tr := new(trace)
	handler := login.Traced(s.Login.Public(), func(step string) {
		tr.mu.Lock()
		tr.steps = append(tr.steps, step)
		at := tr.at
		tr.mu.Unlock()
		if at != nil {
			at(step)
		}
	})
	tr.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr.mu.Lock()
		tr.gone = r.Context().Done()
		tr.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	s.t.Cleanup(tr.Close)
	return tr
}

// before has do called before each step that contains text.
func (tr *trace) before(text string, do func()) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.at = nil
	if do != nil {
		tr.at = func(step string) {
			if strings.Contains(step, text) {
				do()
			}
		}
	}
}

// taken returns the steps since it was called last.
func (tr *trace) taken() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	steps := tr.steps
	tr.steps = nil
	return steps
}

// answer is all that the network sees of one.
type answer struct {
	status int
	header string
	body   string
}

// answered posts JSON and returns what came.
func answered(t testing.TB, url string, in any) answer {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	response.Header.Del("Date")
	var header strings.Builder
	for _, name := range slices.Sorted(maps.Keys(response.Header)) {
		header.WriteString(name + ": " + strings.Join(response.Header[name], ", ") + "\n")
	}
	return answer{response.StatusCode, header.String(), string(text)}
}

// TestRefusalsLookTheSame: unknown, revoked, locked, exhausted, on another kind of
// channel and with a wrong PIN get the same answer after the same operations, in
// both passes.
func TestRefusalsLookTheSame(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		cases := map[string]*logintest.Person{}
		for i, what := range []string{"wrong PIN", "fifth wrong PIN", "locked", "exhausted", "revoked"} {
			cases[what] = s.Person(t, "acct:p"+string(rune('a'+i))+"@example.org", right)
		}
		unknown, bound := s.newDevice("acct:unknown@example.org"), s.newDevice("acct:bound@example.org")
		s.done(unknown.Register(t.Context(), right))
		s.done(bound.Register(t.Context(), right))
		s.done(s.show(bound, s.states(bound, func(e *dta.Statement) { e.ChannelKind = 1 }, 1, 2), nil))
		cases["unknown"], cases["another channel"] = unknown, bound
		for _, p := range cases {
			s.permitted(p)
		}
		for range 4 {
			s.fails(cases["fifth wrong PIN"], wrong)
		}
		for range 5 {
			s.fails(cases["locked"], wrong)
		}
		for n := range 50 {
			s.fails(cases["exhausted"], wrong)
			if n%4 == 3 {
				s.logsIn(cases["exhausted"])
			}
		}
		if _, err := s.Operator().Revoke(t.Context(), cases["revoked"].Name, nil); err != nil {
			t.Fatal(err)
		}
		s.compare(t, cases)
	})
}

func (s *stage) compare(t *testing.T, cases map[string]*logintest.Person) {
	tr := s.traced()
	var first answer
	var steps []string
	for _, what := range slices.Sorted(maps.Keys(cases)) {
		p := cases[what].At(tr.URL)
		pin := wrong
		if what != "wrong PIN" && what != "fifth wrong PIN" {
			pin = right
		}
		a := begun(t, p, pin)
		_, before := s.verified()
		got := answered(t, tr.URL+"/v1/mpin/finish", proved(t, a))
		done := tr.taken()
		if _, after := s.verified(); after != before+1 {
			t.Errorf("%s: %v proofs were verified", what, after-before)
		}
		if steps == nil {
			first, steps = got, done
		}
		if got != first || got.status != http.StatusForbidden || !strings.Contains(got.body, "login-refused") {
			t.Errorf("%s: %+v\nelsewhere: %+v", what, got, first)
		}
		if !slices.Equal(done, steps) {
			t.Errorf("%s: steps\n%s\nelsewhere\n%s", what, strings.Join(done, "\n"), strings.Join(steps, "\n"))
		}
		a2, err := s.Operator().Audit(t.Context(), p.Name, 1)
		s.done(err)
		want := map[string]string{"wrong PIN": "wrong PIN", "fifth wrong PIN": "wrong PIN", "locked": "locked", "exhausted": "exhausted",
			"revoked": "revoked", "unknown": "unknown", "another channel": "channel"}[what]
		if len(a2.Decisions) != 1 || a2.Decisions[0].Reason != want {
			t.Errorf("%s: audited %+v", what, a2.Decisions)
		}
	}
	if !slices.Contains(steps, "pairings") || len(steps) < 8 {
		t.Errorf("only the steps\n%s", strings.Join(steps, "\n"))
	}
}

// TestCountComesBeforeThePairings: and the session goes with it; the signature
// before both.
func TestCountComesBeforeThePairings(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.permitted(p)
	tr := s.traced()
	a := begun(t, p.At(tr.URL), wrong)
	tr.before("pairings", func() {
		s.counts(p, 1, 1, "active")
		s.audited(p, "tried", "row-made")
	})
	q := proved(t, a)
	tr.taken()
	answered(t, tr.URL+"/v1/mpin/finish", q)
	var order []string
	for _, step := range tr.taken() {
		order = append(order, strings.Join(strings.Fields(step)[:min(2, len(strings.Fields(step)))], " "))
	}
	want := []string{"write", "DELETE FROM", "SELECT channel_kind,", "UPDATE devices", "INSERT INTO", "pairings", "write", "UPDATE audit"}
	if !slices.Equal(order, want) {
		t.Errorf("steps %q, want %q", order, want)
	}
	a = begun(t, p.At(tr.URL), wrong)
	q = proved(t, a)
	q.Signature[0] ^= 1
	tr.taken()
	answered(t, tr.URL+"/v1/mpin/finish", q)
	for _, step := range tr.taken() {
		if strings.Contains(step, "devices SET") || step == "pairings" {
			t.Errorf("a proof that its device did not sign: %s", step)
		}
	}
}

// TestBeginLooksUpNobody: its answer cannot depend on the name.
func TestBeginLooksUpNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.permitted(p)
	tr := s.traced()
	begun(t, p.At(tr.URL), right)
	for _, step := range tr.taken() {
		if strings.Contains(step, "devices") || strings.Contains(step, "SELECT") {
			t.Errorf("begin: %s", step)
		}
	}
}

// TestOutcomeStandsWithoutItsClient: a client that hangs up between count and
// answer is judged to the end: its right PIN is no wrong one.
func TestOutcomeStandsWithoutItsClient(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.permitted(p)
	tr := s.traced()
	for _, c := range []struct {
		pin           string
		streak, total int
		event         string
	}{{right, 0, 0, "accepted"}, {wrong, 1, 1, "refused"}} {
		a := begun(t, p.At(tr.URL), c.pin)
		ctx, cancel := context.WithCancel(t.Context())
		tr.before("pairings", func() {
			cancel()
			<-tr.gone
		})
		if _, err := a.Finish(ctx); ctx.Err() == nil || err == nil {
			t.Fatal("the client was not cut off:", err)
		}
		tr.before("", nil)
		s.eventually("the outcome", func() bool {
			all, err := s.Operator().Audit(t.Context(), p.Name, 1)
			s.done(err)
			return all.Decisions[0].Event == c.event
		})
		s.counts(p, c.streak, c.total, "active")
	}
}

// TestRevocationDuringALoginEndsIt: who is revoked between count and verdict is not
// accepted.
func TestRevocationDuringALoginEndsIt(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.permitted(p)
	tr := s.traced()
	a := begun(t, p.At(tr.URL), right)
	tr.before("pairings", func() {
		if _, err := s.Operator().Revoke(t.Context(), p.Name, nil); err != nil {
			t.Error(err)
		}
	})
	_, err := a.Finish(t.Context())
	refused(t, err, problem.LoginRefused)
	s.counts(p, 1, 1, "revoked")
	s.audited(p, "revoked", "refused", "row-made")
}

// TestOpenSessionsAreBounded: beyond that, begin says so and stores nothing.
func TestOpenSessionsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *logintest.Config) { c.Login.Sessions = 3 })
	p := s.Person(t, alice, right)
	s.permitted(p)
	var last *logintest.Attempt
	for range 3 {
		last = begun(t, p, right)
	}
	_, err := p.Begun(t.Context(), right, mpin.Intent{})
	refused(t, err, problem.Unavailable)
	if _, err := last.Finish(t.Context()); err != nil {
		t.Error(err)
	}
	begun(t, p, right)
	s.clock.forward(2 * time.Minute)
	s.eventually("room", func() bool {
		_, err := p.Begun(t.Context(), right, mpin.Intent{})
		return err == nil
	})
}
