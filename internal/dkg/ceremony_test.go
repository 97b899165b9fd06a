package dkg

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"testing"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

func TestCeremonyMakesOneMasterOfAllThresholds(t *testing.T) {
	sizes := [][2]int{{2, 2}, {2, 3}, {3, 3}, {3, 5}, {2, 16}, {16, 16}}
	for _, kind := range []Kind{Public, Pin} {
		for _, s := range sizes {
			t.Run(fmt.Sprintf("%s %d of %d", kind, s[0], s[1]), func(t *testing.T) {
				r := newWorld(t, kind, s[0], s[1]).start(t).toConfirm(t)
				c := r.certificate(t)
				var shares []TestShare
				for _, p := range r.parties {
					share, err := c.MakeTestShare(p.Result().Share)
					if err != nil {
						t.Fatal(err)
					}
					shares = append(shares, share)
				}
				if err := c.VerifyTrial(shares); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestPinCeremonyHasNoValueInG2(t *testing.T) {
	r := newWorld(t, Pin, 2, 3).start(t).toConfirm(t)
	c := r.certificate(t)
	if len(c.Public()) != 0 || len(c.MasterBytes()) != pairing.G1Size {
		t.Error("the certificate has a value in G2")
	}
	for _, m := range slices.Concat(r.contributions, r.commits, r.reveals, r.confirms) {
		for i := 0; i+pairing.G2Size <= len(m); i++ {
			if m[i]&0x80 == 0 {
				continue
			}
			if p, err := pairing.ParseG2(m[i : i+pairing.G2Size]); err == nil {
				t.Errorf("a message carries the point %x of G2", p.Bytes())
			}
		}
	}
}

func TestTwoRunsOfOnePlanShareNothing(t *testing.T) {
	w := newWorld(t, Public, 2, 2)
	a, b := w.start(t).toConfirm(t), w.start(t).toConfirm(t)
	ca, cb := a.certificate(t), b.certificate(t)
	if ca.ID() == cb.ID() || bytes.Equal(ca.MasterBytes(), cb.MasterBytes()) || ca.Generation() == cb.Generation() {
		t.Error("two runs share id, master or generation")
	}
	if err := a.parties[0].Receive(b.commits[1]); err == nil {
		t.Error("a message of another run is taken")
	}
	if _, err := Assemble(w.plan, [][]byte{a.confirms[0], b.confirms[1]}); !errors.Is(err, ErrCertificate) {
		t.Errorf("confirmations of two runs: %v", err)
	}
}

func TestStepsWaitForTheirInputs(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	p, own, err := NewParty(w.plan, 1, w.keys[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, known := p.ID(); known {
		t.Error("the id is known before all contributed")
	}
	for _, step := range []Step{Commit, Reveal, Confirm} {
		if _, err := p.Next(step); !errors.Is(err, ErrWaiting) {
			t.Errorf("%s: %v", step, err)
		}
	}
	if err := p.Receive(own); err != nil {
		t.Errorf("own message again: %v", err)
	}
	r := w.start(t).toReveal(t)
	for _, party := range r.parties {
		if _, err := party.Next(Confirm); !errors.Is(err, ErrWaiting) {
			t.Errorf("confirm without reveals: %v", err)
		}
	}
	if err := p.Receive(r.commits[1]); !errors.Is(err, ErrWaiting) {
		t.Errorf("a commit before the contributions: %v", err)
	}
}

func TestMessagesHandedTwiceChangeNothing(t *testing.T) {
	r := newWorld(t, Public, 2, 2).start(t)
	r.spread(t, r.contributions)
	r.toCommit(t)
	r.spread(t, r.commits)
	again := r.collect(t, Commit)
	for i := range again {
		if !bytes.Equal(again[i], r.commits[i]) {
			t.Error("a party commits twice")
		}
	}
	r.reveals = r.collect(t, Reveal)
	r.spread(t, r.reveals)
	r.spread(t, r.reveals)
	first, second := r.collect(t, Confirm), r.collect(t, Confirm)
	if !slices.EqualFunc(first, second, bytes.Equal) {
		t.Error("a party confirms twice")
	}
}

// TestRecordedTrafficStaysClosed gives an enemy everything that went over the
// network and everything that an authority keeps: its long-term keys and what
// is left of its machine.
func TestRecordedTrafficStaysClosed(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t).toConfirm(t)
	id := r.parties[0].Result().ID
	for j, p := range r.parties {
		if len(p.boxes) != 0 || p.poly != nil {
			t.Errorf("authority %d keeps what opens its messages", j+1)
		}
	}
	for i, signed := range r.reveals {
		dealer := uint32(i + 1)
		m, err := openMessage(r.plan, signed)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseReveal(r.plan, id, dealer, m.envelope.Body)
		if err != nil {
			t.Fatal(err)
		}
		for j, sealed := range v.sealed {
			for _, box := range r.boxes {
				if _, err := openDealt(box, dealtInfo(id, Public, dealer, j), sealed); err == nil {
					t.Errorf("a long-term key opens what %d sealed to %d", dealer, j)
				}
			}
		}
	}
}

func TestErasedPartySpeaksNoMore(t *testing.T) {
	r := newWorld(t, Public, 2, 2).start(t).toCommit(t)
	p := r.parties[0]
	p.Erase()
	if _, err := p.Next(Reveal); !errors.Is(err, ErrOver) {
		t.Errorf("reveal: %v", err)
	}
	if err := p.Receive(r.commits[1]); !errors.Is(err, ErrOver) {
		t.Errorf("receive: %v", err)
	}
	if len(p.boxes) != 0 || p.poly != nil {
		t.Error("secrets are left")
	}
}

func TestReceiveRefusesWhatProvesNothing(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	r, other := w.start(t).toReveal(t), newWorld(t, Public, 2, 3).start(t).toReveal(t)
	stranger := newWorld(t, Public, 2, 2).keys[0]
	id, _ := r.parties[0].ID()
	again := w.start(t).toReveal(t)
	cases := map[string][]byte{
		"another run's contribution":  again.contributions[1],
		"another run's commit":        again.commits[1],
		"another run's reveal":        again.reveals[1],
		"empty":                       nil,
		"too long":                    make([]byte, MaxMessage+1),
		"another plan's contribution": other.contributions[0],
		"another plan's commit":       other.commits[1],
		"signed by a stranger":        encoding.Sign(stranger, commitBody(id, 2, [32]byte{})),
		"signed by another authority": encoding.Sign(w.keys[2], commitBody(id, 2, [32]byte{})),
		"an index of nobody":          encoding.Sign(w.keys[2], commitBody(id, 9, [32]byte{})),
		"an unknown label":            encoding.Sign(w.keys[1], encoding.LP("milagro/v1 x", id[:], encoding.U32(2))),
		"an abort":                    SignAbort(w.keys[1], id, 2, ""),
	}
	for name, m := range cases {
		var b *Blame
		if err := r.parties[0].Receive(m); err == nil || errors.As(err, &b) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCertificateRefuses(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	r := w.start(t).toConfirm(t)
	good := r.certificate(t).Bytes()
	other := newWorld(t, Public, 2, 3).start(t).toConfirm(t)
	if _, err := ParseCertificate(w.plan, good); err != nil {
		t.Fatal(err)
	}
	if _, err := Assemble(w.plan, r.confirms[:2]); !errors.Is(err, ErrCertificate) {
		t.Errorf("two of three confirmations: %v", err)
	}
	if _, err := Assemble(w.plan, append(r.confirms[:2:2], r.commits[2])); !errors.Is(err, ErrCertificate) {
		t.Errorf("a commit as confirmation: %v", err)
	}
	if _, err := ParseCertificate(w.plan, other.certificate(t).Bytes()); !errors.Is(err, ErrCertificate) {
		t.Errorf("another plan's certificate: %v", err)
	}
	for i := 0; i < len(good); i += 7 {
		bad := slices.Clone(good)
		bad[i] ^= 1
		if _, err := ParseCertificate(w.plan, bad); !errors.Is(err, ErrCertificate) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
}

// TestCertificateOfAnotherShapeIsRefused has all n sign a body that is not what
// a ceremony of this plan comes to.
func TestCertificateOfAnotherShapeIsRefused(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	r := w.start(t).toConfirm(t)
	for name, change := range map[string]func(*generation){
		"generation 2":             func(g *generation) { g.counter = 2 },
		"a previous generation":    func(g *generation) { g.previous = make([]byte, keys.GenerationSize) },
		"a public share too few":   func(g *generation) { g.public = g.public[:2] },
		"a public share too many":  func(g *generation) { g.public = append(g.public, g.public[0]) },
		"a master in G1":           func(g *generation) { g.master = Pin.generator() },
		"the identity as master":   func(g *generation) { g.master = element{kind: Public} },
		"the identity as a share":  func(g *generation) { g.public[1] = element{kind: Public} },
		"another master":           func(g *generation) { g.master = Public.generator() },
		"two public shares change": func(g *generation) { g.public[0], g.public[1] = g.public[1], g.public[0] },
	} {
		g, err := parseGeneration(w.plan, r.certificate(t).body.body)
		if err != nil {
			t.Fatal(err)
		}
		change(g)
		var signatures [][]byte
		for _, key := range w.keys {
			signatures = append(signatures, ed25519.Sign(key, g.encode()))
		}
		b := encoding.LP(certificateLabel, g.encode(), encoding.List(signatures...))
		if _, err := ParseCertificate(w.plan, b); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSharesOffThePolynomialAreNotCertified has all n sign public shares that
// lie on no polynomial: even then nobody takes the certificate.
func TestSharesOffThePolynomialAreNotCertified(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	r := w.start(t).toConfirm(t)
	g, err := parseGeneration(w.plan, r.certificate(t).body.body)
	if err != nil {
		t.Fatal(err)
	}
	g.public[2] = Public.lift(pairing.RandomSecret())
	var confirms [][]byte
	for _, key := range w.keys {
		confirms = append(confirms, encoding.Sign(key, g.encode()))
	}
	if _, err := Assemble(w.plan, confirms); !errors.Is(err, ErrCertificate) {
		t.Errorf("error = %v", err)
	}
}

func TestAbortsOfTAuthoritiesReleaseARun(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	id := [32]byte{1}
	a, b := SignAbort(w.keys[0], id, 1, "x"), SignAbort(w.keys[1], id, 2, "y")
	if err := VerifyAborts(w.plan, id, [][]byte{a, b}); err != nil {
		t.Error(err)
	}
	for name, list := range map[string][][]byte{
		"one": {a}, "one twice": {a, SignAbort(w.keys[0], id, 1, "z")}, "of another run": {a, SignAbort(w.keys[1], [32]byte{2}, 2, "")},
		"by a wrong key": {a, SignAbort(w.keys[0], id, 2, "")}, "none": nil,
	} {
		if err := VerifyAborts(w.plan, id, list); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
