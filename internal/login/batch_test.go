package login_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// metrics returns what /metrics says.
func (s *stage) metrics() string {
	s.t.Helper()
	response, err := http.Get(s.URL() + "/metrics")
	s.done(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	s.done(err)
	return string(text)
}

// metric returns the value of one series.
func (s *stage) metric(series string) float64 {
	s.t.Helper()
	for line := range strings.Lines(s.metrics()) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			s.done(err)
			return n
		}
	}
	s.t.Fatalf("no metric %s", series)
	return 0
}

// verified returns how many verifications there were, and of how many logins.
func (s *stage) verified() (times, logins float64) {
	return s.metric("milagro_login_batch_size_count"), s.metric("milagro_login_batch_size_sum")
}

// together has attempts finish while every processor is taken, and returns what
// became of them: waiting of them wait together, the others as suspects.
func (s *stage) together(attempts []*logintest.Attempt, waiting int) []error {
	s.t.Helper()
	release := s.Login.Hold()
	done := make(chan []error)
	go func() {
		done <- all(len(attempts), func(i int) error {
			_, err := attempts[i].Finish(s.t.Context())
			return err
		})
	}()
	s.eventually("all are counted", func() bool {
		n, _ := s.Login.Queued()
		return n == waiting && s.Login.Finishing() == len(attempts)
	})
	release()
	return <-done
}

func (s *stage) crowd(n int) (people []*logintest.Person) {
	s.t.Helper()
	for i := range n {
		p := s.Person(s.t, "acct:p"+strconv.Itoa(i)+"@example.org", right)
		s.permitted(p)
		people = append(people, p)
	}
	return people
}

// TestPoisonerIsVerifiedAlone: whose wrong PIN is on record costs others no batch;
// nor does who has no row.
func TestPoisonerIsVerifiedAlone(t *testing.T) {
	t.Parallel()
	const honest = 8
	s := newStage(t, nil)
	people := s.crowd(honest + 1)
	poisoner, stranger := people[honest], s.newDevice("acct:stranger@example.org")
	s.done(stranger.Register(t.Context(), right))
	s.permitted(stranger)
	round := func(suspects int, more ...*logintest.Attempt) (verifications float64) {
		attempts := more
		for _, p := range people[:honest] {
			attempts = append(attempts, begun(t, p, right))
		}
		before, sum := s.verified()
		errs := s.together(attempts, len(attempts)-suspects)
		if n := count(errs, nil); n != honest || count(errs, problem.LoginRefused) != len(more) {
			t.Errorf("%d of %d honest logins accepted: %v", n, honest, other(errs, problem.LoginRefused))
		}
		after, all := s.verified()
		if int(all-sum) != len(attempts) {
			t.Errorf("%v of %d logins verified", all-sum, len(attempts))
		}
		return after - before
	}
	if n := round(0); n != 1 {
		t.Errorf("%v verifications of %d honest logins, want 1", n, honest)
	}
	if n := round(0, begun(t, poisoner, wrong)); n != 1 { // it is not on record yet
		t.Errorf("%v verifications with a first wrong PIN", n)
	}
	for range 3 {
		if n := round(1, begun(t, poisoner, wrong)); n != 2 {
			t.Errorf("%v verifications of a batch and a poisoner, want 2", n)
		}
	}
	if n := round(1, begun(t, stranger, right)); n != 2 {
		t.Errorf("%v verifications of a batch and a stranger, want 2", n)
	}
	s.counts(poisoner, 4, 4, "active")
}

// TestManySpentPINsAreVerifiedAlone: a right PIN in between clears no record of
// more wrong ones than lock.
func TestManySpentPINsAreVerifiedAlone(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	people := s.crowd(3)
	poisoner := people[2]
	for range 5 {
		s.fails(poisoner, wrong)
		s.logsIn(poisoner)
	}
	attempts := []*logintest.Attempt{begun(t, people[0], right), begun(t, people[1], right), begun(t, poisoner, right)}
	before, _ := s.verified()
	if errs := s.together(attempts, 2); count(errs, nil) != 3 {
		t.Error(errs)
	}
	if after, _ := s.verified(); after-before != 2 {
		t.Errorf("%v verifications, want 2", after-before)
	}
}

// TestBatchingCanBeTurnedOff: then each login is verified by itself.
func TestBatchingCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *logintest.Config) { c.Login.Batching = login.Singly })
	people := s.crowd(4)
	var attempts []*logintest.Attempt
	for _, p := range people {
		attempts = append(attempts, begun(t, p, right))
	}
	before, _ := s.verified()
	if errs := s.together(attempts, 0); count(errs, nil) != 4 {
		t.Error(errs)
	}
	if after, _ := s.verified(); after-before != 4 {
		t.Errorf("%v verifications of 4 logins", after-before)
	}
	_, err := people[0].Login(t.Context(), wrong, mpin.Intent{})
	refused(t, err, problem.LoginRefused)
}
