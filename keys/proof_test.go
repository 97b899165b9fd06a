package keys

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/cryptotest"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
)

func prove(t testing.TB, h MasterShare, st ProofStatement) (Share, Proof) {
	t.Helper()
	share := h.Issue(st.Point)
	proof, err := h.Prove(st, share)
	if err != nil {
		t.Fatal(err)
	}
	return share, proof
}

// commitment returns R1 = z·P1 − c·X_i, which is as good as the nonce for
// telling whether two proofs share it.
func commitment(p Proof, public pairing.G1) pairing.G1 {
	return pairing.G1Generator().Mul(p.z).Sub(public.Mul(p.c))
}

func TestProofVerifies(t *testing.T) {
	d := newDomain(t, 2, 3)
	for _, h := range d.holders {
		st := d.statement(h.Index(), somePoint(1))
		share, proof := prove(t, h, st)
		if err := proof.Verify(st, share); err != nil {
			t.Error(err)
		}
		again := must[Proof](t)(ParseProof(proof.Bytes()))
		if err := again.Verify(st, share); err != nil {
			t.Errorf("after encoding: %v", err)
		}
	}
}

func TestProofRefusesAnotherStatement(t *testing.T) {
	d := newDomain(t, 2, 3)
	st := d.statement(2, somePoint(1))
	share, proof := prove(t, d.holders[1], st)
	for name, change := range map[string]func(*ProofStatement){
		"domain":     func(s *ProofStatement) { s.Domain[0] ^= 1 },
		"service":    func(s *ProofStatement) { s.Service[31] ^= 1 },
		"purpose":    func(s *ProofStatement) { s.Purpose = identity.Permit },
		"counter":    func(s *ProofStatement) { s.Generation.Counter++ },
		"generation": func(s *ProofStatement) { s.Generation.Hash[0] ^= 1 },
		"index":      func(s *ProofStatement) { s.Index = 1 },
		"request":    func(s *ProofStatement) { s.RequestHash[0] ^= 1 },
		"point":      func(s *ProofStatement) { s.Point = somePoint(2) },
		"authority":  func(s *ProofStatement) { s.Public = d.pins[1] },
	} {
		other := st
		change(&other)
		if err := proof.Verify(other, share); !errors.Is(err, ErrShare) {
			t.Errorf("another %s: %v", name, err)
		}
		// The share's own fields are changed along, so that only the challenge refuses.
		moved := Share{index: other.Index, generation: other.Generation, point: share.point}
		if err := proof.Verify(other, moved); !errors.Is(err, ErrShare) {
			t.Errorf("another %s, share relabelled: %v", name, err)
		}
	}
}

func TestProofRefusesAFalseShare(t *testing.T) {
	d := newDomain(t, 2, 3)
	st := d.statement(1, somePoint(1))
	share, proof := prove(t, d.holders[0], st)
	young := Generation{Counter: 2}
	for name, bad := range map[string]Share{
		"moved":                 forged(t, share, pairing.G1Generator()),
		"of another authority":  {index: 1, generation: share.generation, point: d.holders[1].Issue(st.Point).point},
		"the identity":          {index: 1, generation: share.generation},
		"of another generation": {index: 1, generation: young, point: share.point},
		"of another index":      {index: 2, generation: share.generation, point: share.point},
	} {
		if err := proof.Verify(st, bad); !errors.Is(err, ErrShare) {
			t.Errorf("share %s: %v", name, err)
		}
		if bad.point.Equal(share.point) {
			continue
		}
		// The liar proves what it can: its own statement about the false share.
		lie, err := d.holders[0].Prove(st, bad)
		if err != nil {
			t.Fatal(err)
		}
		if err := lie.Verify(st, bad); !errors.Is(err, ErrShare) {
			t.Errorf("share %s, proved by the liar: %v", name, err)
		}
	}
}

// TestNothingIsNoShareOfNothing has a point that was never hashed: every secret
// makes the identity of it, so the equations hold.
func TestNothingIsNoShareOfNothing(t *testing.T) {
	d := newDomain(t, 2, 2)
	st := d.statement(1, pairing.G1{})
	share, proof := prove(t, d.holders[0], st)
	if err := proof.Verify(st, share); !errors.Is(err, ErrShare) {
		t.Errorf("by proof: %v", err)
	}
	if err := share.Verify(st.Point, d.publics[1]); !errors.Is(err, ErrShare) {
		t.Errorf("by pairing: %v", err)
	}
}

// TestSimulatedProofIsRefused chooses c and z and computes the commitments that
// fit: the proof that anybody can make, were the commitments not hashed.
func TestSimulatedProofIsRefused(t *testing.T) {
	d := newDomain(t, 2, 3)
	st := d.statement(1, somePoint(1))
	share := forged(t, d.holders[0].Issue(st.Point), pairing.G1Generator())
	p := Proof{c: pairing.RandomSecret().Publish(), z: pairing.RandomSecret().Publish()}
	if err := p.Verify(st, share); !errors.Is(err, ErrShare) {
		t.Errorf("simulated proof: %v", err)
	}
}

func TestProofRefusesEveryFlippedBit(t *testing.T) {
	d := newDomain(t, 2, 2)
	st := d.statement(1, somePoint(1))
	share, proof := prove(t, d.holders[0], st)
	for i := range ProofSize * 8 {
		b := proof.Bytes()
		b[i/8] ^= 1 << (i % 8)
		if p, err := ParseProof(b); err == nil && p.Verify(st, share) == nil {
			t.Fatalf("bit %d flipped and accepted", i)
		}
	}
}

func TestProofsNeverShareANonce(t *testing.T) {
	d := newDomain(t, 2, 2)
	st := d.statement(1, somePoint(1))
	_, first := prove(t, d.holders[0], st)
	_, second := prove(t, d.holders[0], st)
	if commitment(first, st.Public).Equal(commitment(second, st.Public)) {
		t.Error("two proofs of one statement share a nonce")
	}
}

// TestABrokenGeneratorRepeatsNoNonce gives two proofs the same random bytes.
// If their statements shared a nonce, two challenges would give s_i away.
func TestABrokenGeneratorRepeatsNoNonce(t *testing.T) {
	d := newDomain(t, 2, 2)
	seeded := func(st ProofStatement) pairing.G1 {
		cryptotest.SetGlobalRandom(t, 1)
		_, p := prove(t, d.holders[0], st)
		return commitment(p, st.Public)
	}
	st := d.statement(1, somePoint(1))
	first := seeded(st)
	if !seeded(st).Equal(first) {
		t.Fatal("the generator is not broken: the test shows nothing")
	}
	for name, change := range map[string]func(*ProofStatement){
		"domain":  func(s *ProofStatement) { s.Domain[0] ^= 1 },
		"service": func(s *ProofStatement) { s.Service[0] ^= 1 },
		"purpose": func(s *ProofStatement) { s.Purpose = identity.Permit },
		"request": func(s *ProofStatement) { s.RequestHash[0] ^= 1 },
		"counter": func(s *ProofStatement) { s.Generation.Counter++ },
		"point":   func(s *ProofStatement) { s.Point = somePoint(2) },
	} {
		other := st
		change(&other)
		if seeded(other).Equal(first) {
			t.Errorf("statements that differ in their %s share a nonce", name)
		}
	}
}

func TestParseProofRefuses(t *testing.T) {
	d := newDomain(t, 2, 2)
	_, proof := prove(t, d.holders[0], d.statement(1, somePoint(1)))
	good, big := proof.Bytes(), bytes.Repeat([]byte{0xff}, pairing.ScalarSize)
	for name, b := range map[string][]byte{
		"nothing": nil, "short": good[1:], "long": append(slices.Clone(good), 0),
		"c zero": append(make([]byte, 32), good[32:]...), "z zero": append(slices.Clone(good[:32]), make([]byte, 32)...),
		"c large": append(slices.Clone(big), good[32:]...), "z large": append(slices.Clone(good[:32]), big...),
	} {
		if _, err := ParseProof(b); !errors.Is(err, pairing.ErrScalar) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPinMasterHasNoWayToG2 runs the attack that a value in G2 makes possible,
// a stolen token's PIN found offline, and then looks for such a value in
// everything that tells of an M-Pin master.
func TestPinMasterHasNoWayToG2(t *testing.T) {
	s, a, pin := pairing.RandomSecret(), somePoint(1), uint64(4711)
	token := a.MulSecret(s).Publish().Sub(a.Mul(pairing.NewScalar(pin)))
	fits := func(guess uint64) bool {
		whole := token.Add(a.Mul(pairing.NewScalar(guess)))
		return pairing.ProductIsOne(pairing.NewPair(whole, pairing.G2Generator()), pairing.NewPair(a.Neg(), s.G2()))
	}
	if !fits(pin) || fits(pin+1) {
		t.Fatal("the attack does not work: the test shows nothing")
	}
	g2, master := reflect.TypeFor[pairing.G2](), reflect.TypeFor[Master]()
	for _, typ := range []reflect.Type{reflect.TypeFor[PinMaster](), reflect.TypeFor[Proof](), reflect.TypeFor[ProofStatement](), reflect.TypeFor[Share]()} {
		for m := range typ.NumMethod() {
			f := typ.Method(m).Type
			for o := range f.NumOut() {
				if f.Out(o) == g2 || f.Out(o) == master {
					t.Errorf("%v.%s returns a value of G2", typ, typ.Method(m).Name)
				}
			}
		}
		for i := range typ.NumField() {
			if typ.Field(i).Type == g2 {
				t.Errorf("%v.%s is a value of G2", typ, typ.Field(i).Name)
			}
		}
	}
	if _, err := ParseMaster(s.G1().Bytes()); !errors.Is(err, ErrMaster) {
		t.Errorf("an M-Pin master was read as a public one: %v", err)
	}
}

func FuzzParseProof(f *testing.F) {
	f.Add(append(pairing.NewScalar(1).Bytes(), pairing.NewScalar(2).Bytes()...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseProof(b); err == nil && !bytes.Equal(p.Bytes(), b) {
			t.Error("proof does not survive")
		}
	})
}
