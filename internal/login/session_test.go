package login_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

func TestPersonLogsIn(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		p := s.Person(t, alice, right)
		if s.logsIn(p).Statement == "" {
			t.Error("no statement")
		}
		s.fails(p, wrong)
		s.counts(p, 1, 1, "active")
		s.logsIn(p)
		s.counts(p, 0, 1, "active")
		s.audited(p, "accepted", "refused", "accepted", "row-made")
	})
}

// TestSessionIsUsedOnce: one finish gets it, whoever else has it, and whatever
// becomes of that one; and only for 60 seconds.
func TestSessionIsUsedOnce(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		p := s.Person(t, alice, right)
		t.Run("again", func(t *testing.T) {
			a := begun(t, p, right)
			q := proved(t, a)
			if _, err := p.Client.FinishLogin(t.Context(), p.URL, q); err != nil {
				t.Fatal(err)
			}
			_, err := p.Client.FinishLogin(t.Context(), p.URL, q)
			refused(t, err, problem.SessionUnknown)
		})
		t.Run("by many at once", func(t *testing.T) {
			for range 5 {
				q := proved(t, begun(t, p, right))
				if accepted := count(all(16, func(int) error {
					_, err := p.Client.FinishLogin(t.Context(), p.URL, q)
					return err
				}), nil); accepted != 1 {
					t.Errorf("%d of 16 got the session", accepted)
				}
			}
			s.counts(p, 0, 0, "active")
		})
		t.Run("after a proof that the device did not sign", func(t *testing.T) {
			q := proved(t, begun(t, p, right))
			forged := q
			forged.Signature = append([]byte(nil), q.Signature...)
			forged.Signature[7] ^= 1
			_, err := p.Client.FinishLogin(t.Context(), p.URL, forged)
			refused(t, err, problem.Possession)
			_, err = p.Client.FinishLogin(t.Context(), p.URL, q)
			refused(t, err, problem.SessionUnknown)
			s.counts(p, 0, 0, "active")
		})
		t.Run("in time", func(t *testing.T) {
			late, early := proved(t, begun(t, p, right)), proved(t, begun(t, p, right))
			s.clock.forward(58 * time.Second)
			if _, err := p.Client.FinishLogin(t.Context(), p.URL, early); err != nil {
				t.Error("after 58 s:", err)
			}
			s.clock.forward(3 * time.Second)
			_, err := p.Client.FinishLogin(t.Context(), p.URL, late)
			refused(t, err, problem.SessionUnknown)
			s.counts(p, 0, 0, "active")
		})
		t.Run("that nobody began", func(t *testing.T) {
			q := proved(t, begun(t, p, right))
			q.Session = make([]byte, mpin.SessionSize)
			_, err := p.Client.FinishLogin(t.Context(), p.URL, q)
			refused(t, err, problem.SessionUnknown)
		})
	})
}

// TestClockSetBackKeepsNoSession: a session ends, also if its clock was an hour
// ahead when it began.
func TestClockSetBackKeepsNoSession(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.clock.forward(time.Hour)
	q := proved(t, begun(t, p, right))
	s.clock.forward(-time.Hour)
	_, err := p.Client.FinishLogin(t.Context(), p.URL, q)
	refused(t, err, problem.SessionUnknown)
	s.logsIn(p)
}

// TestEveryBeginGetsAnotherChallenge: the same U never meets the same nonce.
func TestEveryBeginGetsAnotherChallenge(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	a := begun(t, p, right)
	first := a.Answer
	s.done(a.Begin(t.Context()))
	if string(first.Session) == string(a.Answer.Session) || string(first.Nonce) == string(a.Answer.Nonce) {
		t.Error("the same challenge twice")
	}
}

// TestReplayAndLateUAreRefused: a thief has the device key. 1,000 times at once he
// plays back the V of a true login, signed anew, or sends a U made from the y of
// another session, with a key of his own. Five are counted, none is accepted.
func TestReplayAndLateUAreRefused(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("NOT RUN with -short: 2,000 logins")
	}
	s := newStage(t, nil)
	p, victim, mallory := s.Person(t, alice, right), s.Person(t, bob, right), s.Person(t, "acct:mallory@example.org", right)
	recorded := begun(t, p, right)
	played := proved(t, recorded)
	if _, err := p.Client.FinishLogin(t.Context(), p.URL, played); err != nil {
		t.Fatal(err)
	}
	s.storm(t, func() error {
		a := &logintest.Attempt{Login: recorded.Login}
		return s.forge(t, p, a, recorded.Attempt.Commitment(), func(mpin.Transcript) []byte { return played.V })
	})
	s.counts(p, 5, 5, "locked")

	// C and s·C of his own: what his enrolment gave him.
	own := mallorysKey(t, mallory)
	r := pairing.RandomWeight()
	target := begun(t, victim, wrong)
	b := pointB(t, target.Login)
	y := challengeOf(t, transcriptOf(t, target.Login, target.Attempt.Commitment(), target.Answer))
	late, err := mpin.ParseCommitment(own.point.Mul(r).Add(b.Mul(y).Neg()).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	v := own.key.Mul(r).Neg().Bytes()
	s.storm(t, func() error {
		return s.forge(t, victim, &logintest.Attempt{Login: target.Login}, late, func(mpin.Transcript) []byte { return v })
	})
	s.counts(victim, 5, 5, "locked")
}

// storm runs try 1,000 times, many at once; each is refused.
func (s *stage) storm(t *testing.T, try func() error) {
	t.Helper()
	errs := all(1000, func(int) error { return try() })
	if n := count(errs, problem.LoginRefused); n != len(errs) {
		t.Errorf("%d of %d refused; the first other: %v", n, len(errs), other(errs, problem.LoginRefused))
	}
}

// forge runs both passes with a U and a V of the thief's, under the device key.
func (s *stage) forge(t *testing.T, p *logintest.Person, a *logintest.Attempt, u mpin.Commitment, v func(mpin.Transcript) []byte) error {
	l := a.Login
	answer, err := p.Client.BeginLogin(t.Context(), p.URL, mpin.BeginRequest{Service: l.Service[:], Name: l.Name, Device: l.Device.Bytes(),
		Epoch: l.Epoch.Bytes(), U: u.Bytes()})
	if err != nil {
		return err
	}
	transcript := transcriptOf(t, l, u, answer)
	forged := v(transcript)
	digest := sha256.Sum256(encoding.LP("milagro/v1 mpin proof", transcript.Bytes(), forged))
	signature, err := identity.SignDevice(p.Signer, digest)
	if err != nil {
		return err
	}
	_, err = p.Client.FinishLogin(t.Context(), p.URL, mpin.FinishRequest{Session: answer.Session, V: forged, Signature: signature})
	return err
}

func transcriptOf(t *testing.T, l mpin.Login, u mpin.Commitment, a mpin.BeginAnswer) mpin.Transcript {
	transcript, err := l.Transcript(u, mpin.Challenge{Session: [mpin.SessionSize]byte(a.Session), Nonce: [mpin.NonceSize]byte(a.Nonce)})
	if err != nil {
		t.Error(err)
	}
	return transcript
}

func challengeOf(t *testing.T, transcript mpin.Transcript) pairing.Scalar {
	t.Helper()
	y, err := pairing.HashToScalar("MILAGRO-V1-MPINY-SCALAR_XMD:SHA-256", transcript.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func keyPoint(t *testing.T, k identity.Key) pairing.G1 {
	t.Helper()
	point, err := k.Point()
	if err != nil {
		t.Fatal(err)
	}
	return point
}

// pointB returns B = A + A_e of a login.
func pointB(t *testing.T, l mpin.Login) pairing.G1 {
	t.Helper()
	k := identity.Key{Domain: l.Domain, Purpose: identity.MPin, Service: l.Service, Name: l.Name, Device: l.Device.Hash()}
	a := keyPoint(t, k)
	k.Purpose, k.Epoch = identity.Permit, l.Epoch
	return a.Add(keyPoint(t, k))
}

// pair is a point with its multiple by the master.
type pair struct{ point, key pairing.G1 }

// mallorysKey returns A_e and s·A_e of somebody: his own permit.
func mallorysKey(t *testing.T, p *logintest.Person) pair {
	t.Helper()
	a, err := p.Prepare(t.Context(), right, mpin.Intent{})
	if err != nil {
		t.Fatal(err)
	}
	l := a.Login
	permit, err := p.Permit(t.Context(), l.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pairing.ParseG1(permit.Expose())
	if err != nil {
		t.Fatal(err)
	}
	return pair{keyPoint(t, identity.Key{Domain: l.Domain, Purpose: identity.Permit, Service: l.Service, Name: l.Name, Device: l.Device.Hash(), Epoch: l.Epoch}), key}
}

func begun(t testing.TB, p *logintest.Person, pin string) *logintest.Attempt {
	t.Helper()
	a, err := p.Begun(t.Context(), pin, mpin.Intent{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func proved(t testing.TB, a *logintest.Attempt) mpin.FinishRequest {
	t.Helper()
	q, err := a.Prove()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// all runs do n times, 64 at once, and returns what each gave.
func all(n int, do func(i int) error) []error {
	errs, slots := make([]error, n), make(chan struct{}, 64)
	var done sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(i)
		})
	}
	done.Wait()
	return errs
}

// count returns how many errors are of a kind; nil for none.
func count(errs []error, kind error) (n int) {
	for _, err := range errs {
		if kind == nil && err == nil || kind != nil && errors.Is(err, kind) {
			n++
		}
	}
	return n
}

func other(errs []error, kind error) error {
	for _, err := range errs {
		if !errors.Is(err, kind) {
			return err
		}
	}
	return nil
}

// crowd is a client whose connections are kept for as many as all runs.
func crowd(t testing.TB) *dta.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &dta.Client{HTTP: &http.Client{Transport: transport}}
}
