package mpin

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
)

func TestRightPINLogsIn(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	for name, l := range alice.kinds(t) {
		tr, proof := run(t, l, alice.secrets)
		if err := s.judge(t, tr, proof); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// kinds returns p's login in every form that a transcript has.
func (p *person) kinds(t testing.TB) map[string]Login {
	plain, channel, intent := p.login, p.login, p.login
	channel.Channel = must[Channel](t)(Exporter(bytes.Repeat([]byte{5}, ExporterSize)))
	intent.Intent = NewDevice(identity.DeviceHash{6})
	both := intent
	both.Channel = channel.Channel
	return map[string]Login{"plain": plain, "channel": channel, "intent": intent, "channel and intent": both}
}

// TestOtherSecretsAreRefused gives a client one secret that is not the login's, and
// everything else.
func TestOtherSecretsAreRefused(t *testing.T) {
	s := newService(t)
	alice, bob, twin := s.enrol(t, "alice", "472916"), s.enrol(t, "bob", "472916"), s.enrol(t, "alice", "472916")
	elsewhere := newService(t).enrol(t, "alice", "472916")
	for name, edit := range map[string]func(*Secrets){
		"wrong PIN":                func(x *Secrets) { x.Factor = cheap(t, "472961") },
		"permit of the next epoch": func(x *Secrets) { x.Permit = alice.permit(t, alice.login.Epoch.Next()) },
		"permit of another name":   func(x *Secrets) { x.Permit = bob.secrets.Permit },
		"permit of another device": func(x *Secrets) { x.Permit = twin.secrets.Permit },
		"token of another name":    func(x *Secrets) { x.Token = bob.secrets.Token },
		"token of another device":  func(x *Secrets) { x.Token = twin.secrets.Token },
		"token of another master":  func(x *Secrets) { x.Token = elsewhere.secrets.Token },
		"permit for the token":     func(x *Secrets) { x.Token = x.Permit },
		"token for the permit":     func(x *Secrets) { x.Permit = x.Token },
	} {
		secrets := alice.secrets
		edit(&secrets)
		tr, proof := run(t, alice.login, secrets)
		if err := s.judge(t, tr, proof); err != ErrRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Begin(alice.login, Secrets{Token: alice.secrets.Token, Permit: alice.secrets.Permit, Factor: alice.secrets.Factor, Signer: bob.secrets.Signer}); !errors.Is(err, identity.ErrDevice) {
		t.Errorf("signer of another device: %v", err)
	}
	tr, proof := run(t, alice.login, alice.secrets)
	if err := elsewhere.service.judge(t, tr, proof); err != ErrRefused {
		t.Errorf("server of another service: %v", err)
	}
}

// TestEveryFieldOfTheTranscriptCounts alters one field of what the server holds and
// lets the device sign that all the same.
func TestEveryFieldOfTheTranscriptCounts(t *testing.T) {
	type held struct {
		Login
		Challenge
		U Commitment
	}
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	kinds := alice.kinds(t)
	bob, other := s.enrol(t, "bob", "1234"), must[Channel](t)(Exporter(bytes.Repeat([]byte{9}, ExporterSize)))
	edits := map[string]func(*held){
		"Domain": func(h *held) { h.Domain[31]++ }, "Service": func(h *held) { h.Service[31]++ }, "Origin": func(h *held) { h.Origin = "https://login.example.com" },
		"Name": func(h *held) { h.Name = bob.login.Name }, "Device": func(h *held) { h.Device = bob.login.Device }, "Epoch": func(h *held) { h.Epoch = h.Epoch.Next() },
		"Channel": func(h *held) { h.Channel = other }, "Intent": func(h *held) { h.Intent = NewDevice(identity.DeviceHash{8}) },
		"Session": func(h *held) { h.Session[31]++ }, "Nonce": func(h *held) { h.Nonce[31]++ },
		"U":            func(h *held) { h.U = must[Commitment](t)(ParseCommitment(pairing.G1Generator().Bytes())) },
		"Channel away": func(h *held) { h.Channel = Channel{} }, "Intent away": func(h *held) { h.Intent = Intent{} },
	}
	for _, whole := range []reflect.Type{reflect.TypeFor[Login](), reflect.TypeFor[Challenge]()} {
		for i := range whole.NumField() {
			if edits[whole.Field(i).Name] == nil {
				t.Errorf("nobody alters %s", whole.Field(i).Name)
			}
		}
	}
	attempt := must[*Attempt](t)(Begin(kinds["channel and intent"], alice.secrets))
	c := NewChallenge()
	proof := must[Proof](t)(attempt.Finish(c))
	good := held{kinds["channel and intent"], c, attempt.Commitment()}
	if err := s.judge(t, must[Transcript](t)(good.Transcript(good.U, good.Challenge)), proof); err != nil {
		t.Fatal(err)
	}
	for name, edit := range edits {
		h := good
		edit(&h)
		tr := must[Transcript](t)(h.Transcript(h.U, h.Challenge))
		if err := VerifyDevice(tr, proof); !errors.Is(err, identity.ErrPossession) {
			t.Errorf("%s altered, signature of the whole: %v", name, err)
		}
		if err := Verify(s.server, tr, proof.V); err != ErrRefused {
			t.Errorf("%s altered: %v", name, err)
		}
		if bad := VerifyBatch(s.server, []Transcript{tr}, [][pairing.G1Size]byte{proof.V}); len(bad) != 1 {
			t.Errorf("%s altered: a batch of it is accepted", name)
		}
	}
}

// TestDeviceSignsV shows that a proof's V belongs to its signature, too.
func TestDeviceSignsV(t *testing.T) {
	s := newService(t)
	alice, bob := s.enrol(t, "alice", "472916"), s.enrol(t, "bob", "1234")
	tr, proof := run(t, alice.login, alice.secrets)
	other := proof
	other.V = array(point(t, proof.V[:]).Neg())
	if err := VerifyDevice(tr, other); err != identity.ErrPossession {
		t.Errorf("another V: %v", err)
	}
	if err := VerifyDevice(tr, bob.sign(t, tr, proof.V)); err != identity.ErrPossession {
		t.Errorf("signed by another device: %v", err)
	}
	if err := VerifyDevice(Transcript{}, proof); err != identity.ErrPossession {
		t.Errorf("no transcript: %v", err)
	}
}

func TestUIsFreshEachTime(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	twin := *alice
	twin.secrets.Factor = cheap(t, "472961") // another K at the same point B
	elsewhere := *alice
	elsewhere.login.Domain = identity.DomainID{2} // another statement at the same point B
	commit := func(p *person) string {
		return string(must[*Attempt](t)(Begin(p.login, p.secrets)).Commitment().Bytes())
	}
	if first, second := commit(alice), commit(alice); first == second {
		t.Error("two logins have one U")
	}
	broken := func(p *person) string {
		cryptotest.SetGlobalRandom(t, 1)
		return commit(p)
	}
	first := broken(alice)
	if broken(alice) != first {
		t.Fatal("the generator is not broken: the test shows nothing")
	}
	if broken(&twin) == first || broken(&elsewhere) == first {
		t.Error("a broken generator repeats U for another key or statement")
	}
}

// failing is a device that does not sign.
type failing struct{ crypto.Signer }

var errSigner = errors.New("no device")

func (failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errSigner }

func TestAttemptAnswersOnce(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	for name, first := range map[string]func(*Attempt) error{
		"after its answer":    func(a *Attempt) error { _, err := a.Finish(NewChallenge()); return err },
		"after Erase":         func(a *Attempt) error { a.Erase(); return nil },
		"after a failed sign": func(a *Attempt) error { a.signer = failing{a.signer}; _, _ = a.Finish(NewChallenge()); return nil },
		"after a challenge that makes no transcript": func(a *Attempt) error {
			a.login.Origin = ""
			if _, err := a.Finish(NewChallenge()); !errors.Is(err, ErrTranscript) {
				return err
			}
			a.login.Origin = alice.login.Origin
			return nil
		},
	} {
		attempt := must[*Attempt](t)(Begin(alice.login, alice.secrets))
		if err := first(attempt); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if proof, err := attempt.Finish(NewChallenge()); err != ErrUsed || proof != (Proof{}) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !attempt.x.IsZero() || !attempt.key.IsIdentity() {
			t.Errorf("%s: the attempt still holds its secrets", name)
		}
	}
	attempt := must[*Attempt](t)(Begin(alice.login, Secrets{Token: alice.secrets.Token, Permit: alice.secrets.Permit, Factor: alice.secrets.Factor, Signer: failing{alice.secrets.Signer}}))
	if proof, err := attempt.Finish(NewChallenge()); !errors.Is(err, errSigner) || proof != (Proof{}) {
		t.Errorf("device that does not sign: %v", err)
	}
}

// TestTwoAnswersWouldGiveTheKeyAway computes K of two answers to one U, as a login
// server gone bad would.
func TestTwoAnswersWouldGiveTheKeyAway(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	attempt := must[*Attempt](t)(Begin(alice.login, alice.secrets))
	answer := func(c Challenge) (pairing.G1, pairing.Scalar) {
		y := must[pairing.Scalar](t)(must[Transcript](t)(alice.login.Transcript(attempt.Commitment(), c)).y())
		return attempt.key.MulSecret(attempt.x.AddPublic(y)).Neg().Publish(), y
	}
	v1, y1 := answer(NewChallenge())
	v2, y2 := answer(NewChallenge())
	inverse := must[pairing.Scalar](t)(y1.Sub(y2).Invert())
	if !v2.Sub(v1).Mul(inverse).Equal(attempt.key.Publish()) {
		t.Error("K does not come out: the test shows nothing")
	}
}

func TestAttemptAnswersOneGoroutine(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	for range 20 {
		attempt := must[*Attempt](t)(Begin(alice.login, alice.secrets))
		var group sync.WaitGroup
		proofs, start := make(chan Proof, 8), make(chan struct{})
		for i := range 8 {
			group.Go(func() {
				<-start
				if i == 7 {
					attempt.Erase()
					return
				}
				if proof, err := attempt.Finish(NewChallenge()); err == nil {
					proofs <- proof
				} else if err != ErrUsed {
					t.Error(err)
				}
			})
		}
		close(start)
		group.Wait()
		if close(proofs); len(proofs) > 1 {
			t.Fatalf("%d answers for one U", len(proofs))
		}
	}
}

// TestZeroOfXPlusYIsRefused makes x = −y, so that V would be the identity.
func TestZeroOfXPlusYIsRefused(t *testing.T) {
	alice := newService(t).enrol(t, "alice", "472916")
	attempt, c := must[*Attempt](t)(Begin(alice.login, alice.secrets)), NewChallenge()
	y := must[pairing.Scalar](t)(must[Transcript](t)(alice.login.Transcript(attempt.Commitment(), c)).y())
	attempt.x = must[pairing.Secret](t)(pairing.ParseSecret(y.Neg().Bytes()))
	if proof, err := attempt.Finish(c); !errors.Is(err, pairing.ErrScalar) || proof != (Proof{}) {
		t.Errorf("x + y = 0: %v", err)
	}
}

func TestBeginRefuses(t *testing.T) {
	alice := newService(t).enrol(t, "alice", "472916")
	erased := cheap(t, "472916")
	erased.Erase()
	for name, c := range map[string]struct {
		edit func(*Login, *Secrets)
		want error
	}{
		"no service":       {func(l *Login, _ *Secrets) { l.Service = identity.ServiceID{} }, identity.ErrPurpose},
		"no name":          {func(l *Login, _ *Secrets) { l.Name = identity.Name{} }, identity.ErrPurpose},
		"no epoch":         {func(l *Login, _ *Secrets) { l.Epoch = identity.Epoch{} }, identity.ErrPurpose},
		"no device":        {func(l *Login, _ *Secrets) { l.Device = identity.Device{} }, identity.ErrDevice},
		"no factor":        {func(_ *Login, s *Secrets) { s.Factor = Factor{} }, ErrFactor},
		"an erased factor": {func(_ *Login, s *Secrets) { s.Factor = erased }, ErrFactor},
	} {
		l, s := alice.login, alice.secrets
		c.edit(&l, &s)
		if _, err := Begin(l, s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestTranscriptIsReadAsWritten(t *testing.T) {
	alice := newService(t).enrol(t, "alice", "472916")
	for name, l := range alice.kinds(t) {
		tr, _ := run(t, l, alice.secrets)
		back := must[Transcript](t)(ParseTranscript(tr.Bytes()))
		tr.commitment.point = nil // decoded again when it is needed
		if !reflect.DeepEqual(back, tr) || !reflect.DeepEqual(back.Login(), l) || back.Challenge() != tr.Challenge() {
			t.Errorf("%s: read as %+v", name, back.Login())
		}
		if len(tr.Bytes()) > MaxTranscript {
			t.Errorf("%s: %d bytes", name, len(tr.Bytes()))
		}
		clear(back.Bytes())
		if !bytes.Equal(back.Bytes(), tr.Bytes()) {
			t.Errorf("%s: Bytes gives its own memory away", name)
		}
		for i := range tr.Bytes() {
			if _, err := ParseTranscript(tr.Bytes()[:i]); !errors.Is(err, ErrTranscript) {
				t.Fatalf("%s cut at %d: %v", name, i, err)
			}
		}
	}
}

func TestLongestTranscriptFits(t *testing.T) {
	l := newService(t).enrol(t, "alice", "472916").kinds(t)["channel and intent"]
	l.Name = must[identity.Name](t)(identity.ParseName("spiffe://example.org/" + strings.Repeat("a", identity.MaxName-21)))
	l.Origin = "https://" + strings.Repeat("a", maxOrigin-8)
	u := must[Commitment](t)(ParseCommitment(pairing.G1Generator().Bytes()))
	if tr, err := l.Transcript(u, NewChallenge()); err != nil || len(tr.Bytes()) > MaxTranscript {
		t.Errorf("%d bytes, %v", len(tr.Bytes()), err)
	}
}

func TestTranscriptRefuses(t *testing.T) {
	alice := newService(t).enrol(t, "alice", "472916")
	u := must[Commitment](t)(ParseCommitment(pairing.G1Generator().Bytes()))
	for name, edit := range map[string]func(*Login){
		"no origin": func(l *Login) { l.Origin = "" }, "an origin with a path": func(l *Login) { l.Origin += "/login" }, "an opaque origin": func(l *Login) { l.Origin = "null" },
		"no name": func(l *Login) { l.Name = identity.Name{} }, "no device": func(l *Login) { l.Device = identity.Device{} }, "no epoch": func(l *Login) { l.Epoch = identity.Epoch{} },
		"an intent to replace itself": func(l *Login) { l.Intent = NewDevice(l.Device.Hash()) },
	} {
		l := alice.login
		edit(&l)
		if _, err := l.Transcript(u, NewChallenge()); !errors.Is(err, ErrTranscript) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIntentAndChannel(t *testing.T) {
	d := identity.DeviceHash{1, 31: 2}
	intent := must[Intent](t)(ParseIntent(NewDevice(d).Bytes()))
	if got, ok := intent.Device(); got != d || !ok {
		t.Errorf("intent says %v, %v", got, ok)
	}
	none := must[Intent](t)(ParseIntent(nil))
	if _, ok := none.Device(); ok || len(none.Bytes()) != 0 || len(NewDevice(identity.DeviceHash{}).Bytes()) != 0 {
		t.Error("no intent is one")
	}
	for _, n := range []int{0, ExporterSize - 1, ExporterSize + 1} {
		if _, err := Exporter(make([]byte, n)); !errors.Is(err, ErrTranscript) {
			t.Errorf("an exporter of %d bytes: %v", n, err)
		}
	}
	if c := must[Channel](t)(Exporter(make([]byte, ExporterSize))); c.Kind() != 1 || (Channel{}).Kind() != 0 {
		t.Error("kinds of channels are mistaken")
	}
}

func TestChallengesAreFresh(t *testing.T) {
	a, b := NewChallenge(), NewChallenge()
	if a.Session == b.Session || a.Nonce == b.Nonce || a.Session == a.Nonce || a.Nonce == [NonceSize]byte{} {
		t.Error("a challenge repeats")
	}
}

func TestRowIsSignedByItsDevice(t *testing.T) {
	signer := newDevice(t)
	s := Service{Domain: identity.DomainID{1}, ID: identity.ServiceID{2}, Origin: "https://login.example.org"}
	good := must[RowRequest](t)(s.SignRow(signer, 1_800_000_000, [][]byte{[]byte("one"), []byte("two")}))
	device := must[identity.Device](t)(s.VerifyRow(good))
	if want := must[identity.Device](t)(identity.DeviceOf(signer)); device.Hash() != want.Hash() {
		t.Error("another device made the row")
	}
	for name, edit := range map[string]func(*Service, *RowRequest){
		"domain": func(s *Service, _ *RowRequest) { s.Domain[0]++ }, "service": func(s *Service, _ *RowRequest) { s.ID[0]++ }, "origin": func(s *Service, _ *RowRequest) { s.Origin += "x" },
		"time": func(_ *Service, q *RowRequest) { q.Time++ }, "device": func(_ *Service, q *RowRequest) {
			q.Device = must[identity.Device](t)(identity.DeviceOf(newDevice(t))).Bytes()
		},
		"statements": func(_ *Service, q *RowRequest) { q.Statements = q.Statements[:1] }, "boundary": func(_ *Service, q *RowRequest) { q.Statements = [][]byte{[]byte("onet"), []byte("wo")} },
		"signature": func(_ *Service, q *RowRequest) { q.Signature = nil },
	} {
		at, q := s, good
		edit(&at, &q)
		if _, err := at.VerifyRow(q); !errors.Is(err, identity.ErrPossession) {
			t.Errorf("%s altered: %v", name, err)
		}
	}
}
