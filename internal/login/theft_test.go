package login_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/pairing"
	"milagro.dev/mpin"
)

type g1 = pairing.G1

func parseG1(t *testing.T, b []byte) g1 {
	t.Helper()
	p, err := pairing.ParseG1(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answerWith runs both passes as somebody who takes key for T + αA + P_e.
func (s *stage) answerWith(t *testing.T, p *logintest.Person, key g1) error {
	t.Helper()
	a, err := p.Prepare(t.Context(), right, mpin.Intent{})
	s.done(err)
	x := pairing.RandomWeight()
	u, err := mpin.ParseCommitment(pointB(t, a.Login).Mul(x).Bytes())
	s.done(err)
	return s.forge(t, p, a, u, func(transcript mpin.Transcript) []byte {
		y := challengeOf(t, transcript)
		return key.Mul(x).Add(key.Mul(y)).Neg().Bytes()
	})
}

// TestAnswerWithTheRightKeyIsAccepted is the thief's method with the true key: what
// refuses him is his keys.
func TestAnswerWithTheRightKeyIsAccepted(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	epoch, err := p.Epoch()
	s.done(err)
	permit, err := p.Permit(t.Context(), epoch)
	s.done(err)
	whole := parseG1(t, s.wholeKey(p))
	if err := s.answerWith(t, p, whole.Add(parseG1(t, permit.Expose()))); err != nil {
		t.Error(err)
	}
}

// afterRestore says that the database comes from a backup.
func afterRestore(c *login.Config) { c.Start = login.Restored }

// backup stops the server, copies its database and starts it.
func (s *stage) backup() (image string) {
	s.t.Helper()
	s.done(s.Stop())
	image = filepath.Join(s.t.TempDir(), "state.db")
	b, err := os.ReadFile(filepath.Join(s.Dir, "state.db"))
	s.done(err)
	s.done(os.WriteFile(image, b, 0o600))
	s.done(s.Start(s.t.Context()))
	s.done(s.AwaitReady(s.t.Context()))
	return image
}

// restore stops the server, puts an old database in the place of its own and starts
// it as configured.
func (s *stage) restore(image string, configure func(*login.Config)) {
	s.t.Helper()
	s.done(s.Stop())
	b, err := os.ReadFile(image)
	s.done(err)
	path := filepath.Join(s.Dir, "state.db")
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
	s.done(os.WriteFile(path, b, 0o600))
	s.Configure(configure)
	s.done(s.Start(s.t.Context()))
	s.done(s.AwaitReady(s.t.Context()))
	s.Configure(func(c *login.Config) { c.Start = login.Continued })
}
