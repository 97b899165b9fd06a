package keys

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
)

// dealt is a master shared t of n, whose secrets the test holds.
type dealt struct {
	shares  []MasterShare
	publics map[uint32]pairing.G2
	master  Master
}

func deal(t testing.TB, threshold, n int) *dealt {
	t.Helper()
	poly := vss.NewPolynomial(threshold)
	d := &dealt{publics: map[uint32]pairing.G2{}}
	for i := uint32(1); int(i) <= n; i++ {
		s := NewMasterShare(i, Generation{Counter: 1}, poly.At(i))
		d.shares, d.publics[i] = append(d.shares, s), s.Public()
	}
	master, err := ParseMaster(poly.Coefficient(0).G2().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	d.master = master
	return d
}

func (d *dealt) issue(point pairing.G1) []Share {
	var shares []Share
	for _, s := range d.shares {
		shares = append(shares, s.Issue(point))
	}
	return shares
}

func testPoint() pairing.G1 { return pairing.HashToG1("TEST", []byte("point")) }

func TestEverySubsetMakesTheSameKey(t *testing.T) {
	d := deal(t, 3, 5)
	shares := d.issue(testPoint())
	first, err := Combine(3, shares)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Verify(testPoint(), d.master); err != nil {
		t.Error(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		chosen := rapid.Permutation(shares).Draw(t, "shares")
		key, err := Combine(3, chosen)
		if err != nil || !key.Secret().Equal(first.Secret()) {
			t.Fatalf("another key, %v", err)
		}
	})
}

func TestFewerThanThresholdSharesMakeNoKey(t *testing.T) {
	d := deal(t, 3, 3)
	shares := d.issue(testPoint())
	for name, given := range map[string][]Share{"two": shares[:2], "none": nil, "one three times": {shares[0], shares[0], shares[0]}} {
		if _, err := Combine(3, given); !errors.Is(err, ErrThreshold) {
			t.Errorf("%s: %v", name, err)
		}
	}
	key, err := Combine(2, shares[:2]) // as if t were lower
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(testPoint(), d.master); !errors.Is(err, ErrKey) {
		t.Errorf("two of three shares make a key: %v", err)
	}
	if _, err := Combine(0, shares); !errors.Is(err, ErrThreshold) {
		t.Errorf("threshold 0: %v", err)
	}
}

func TestVerifySharesNamesTheLiar(t *testing.T) {
	d := deal(t, 2, 5)
	shares := d.issue(testPoint())
	if bad := VerifyShares(testPoint(), shares, d.publics); len(bad) != 0 {
		t.Fatalf("honest authorities %v are blamed", bad)
	}
	shares[1] = Share{index: 2, point: shares[0].point}
	shares[3] = NewMasterShare(4, Generation{}, pairing.RandomSecret()).Issue(testPoint())
	if bad := VerifyShares(testPoint(), shares, d.publics); !slices.Equal(bad, []uint32{2, 4}) {
		t.Errorf("bad = %v, want [2 4]", bad)
	}
	delete(d.publics, 5)
	if bad := VerifyShares(testPoint(), shares[4:], d.publics); !slices.Equal(bad, []uint32{5}) {
		t.Errorf("unknown authority: bad = %v", bad)
	}
}

// TestVerifySharesRefusesErrorsThatCancel adds D to one share and takes it
// from another: equal weights would accept both.
func TestVerifySharesRefusesErrorsThatCancel(t *testing.T) {
	d := deal(t, 2, 2)
	shares := d.issue(testPoint())
	e := pairing.HashToG1("TEST", []byte("error"))
	for i, changed := range []pairing.G1{shares[0].point.Publish().Add(e), shares[1].point.Publish().Sub(e)} {
		s, err := ParseShare(uint32(i+1), Generation{Counter: 1}, changed.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		shares[i] = s
	}
	if bad := VerifyShares(testPoint(), shares, d.publics); !slices.Equal(bad, []uint32{1, 2}) {
		t.Errorf("bad = %v, want both", bad)
	}
}

func TestGenerationsNeverCombine(t *testing.T) {
	d := deal(t, 2, 3)
	shares := d.issue(testPoint())
	shares[1].generation.Counter++
	if _, err := Combine(2, shares); !errors.Is(err, ErrGeneration) {
		t.Errorf("another counter: %v", err)
	}
	shares = d.issue(testPoint())
	shares[2].generation.Hash[0] ^= 1
	if _, err := Combine(2, shares); !errors.Is(err, ErrGeneration) {
		t.Errorf("another hash, in a share that is not needed: %v", err)
	}
	if _, err := ParseGeneration(make([]byte, 39)); !errors.Is(err, ErrGeneration) {
		t.Errorf("39 bytes: %v", err)
	}
	g := Generation{Counter: 7, Hash: [32]byte{1}}
	if back, err := ParseGeneration(g.Bytes()); err != nil || back != g {
		t.Errorf("%v, %v", back, err)
	}
}

func TestShareOfAnotherPointIsFalse(t *testing.T) {
	d := deal(t, 2, 2)
	s := d.shares[0].Issue(testPoint())
	if err := s.Verify(testPoint(), d.publics[1]); err != nil {
		t.Error(err)
	}
	if err := s.Verify(pairing.G1Generator(), d.publics[1]); !errors.Is(err, ErrShare) {
		t.Errorf("another point: %v", err)
	}
	if err := s.Verify(testPoint(), d.publics[2]); !errors.Is(err, ErrShare) {
		t.Errorf("another authority: %v", err)
	}
	if err := (Share{index: 1}).Verify(testPoint(), d.publics[1]); !errors.Is(err, ErrShare) {
		t.Errorf("the identity: %v", err)
	}
}

func TestMasterShareSurvivesItsBytes(t *testing.T) {
	s := NewMasterShare(3, Generation{Counter: 1, Hash: [32]byte{9}}, pairing.RandomSecret())
	back, err := ParseMasterShare(s.Expose())
	if err != nil || back.Index() != 3 || back.Generation() != s.Generation() || !back.Public().Equal(s.Public()) {
		t.Errorf("%v, %v", back, err)
	}
	b := s.Expose()
	zero := slices.Clone(b)
	clear(zero[len(zero)-32:])
	for name, bad := range map[string][]byte{"empty": nil, "short": b[:len(b)-1], "long": append(slices.Clone(b), 0), "zero scalar": zero} {
		if _, err := ParseMasterShare(bad); !errors.Is(err, ErrMasterShare) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	d := deal(t, 2, 2)
	share := d.shares[0].Issue(testPoint())
	key, err := Combine(2, d.issue(testPoint()))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []any{d.shares[0], share, key, &d.shares[0], &share, &key} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, secret)
			for _, b := range [][]byte{d.shares[0].secret.Expose(), share.Expose(), key.Expose()} {
				if strings.Contains(text, fmt.Sprintf("%x", b[:8])) || strings.Contains(text, fmt.Sprint(b[:8])) {
					t.Errorf("%s of %T tells a secret", verb, secret)
				}
			}
		}
		if reflect.TypeOf(secret).Kind() == reflect.Struct && reflect.TypeOf(secret).Comparable() {
			t.Errorf("%T compares with ==", secret)
		}
	}
}

func TestErasedSecretsAreGone(t *testing.T) {
	d := deal(t, 2, 2)
	key, err := Combine(2, d.issue(testPoint()))
	if err != nil {
		t.Fatal(err)
	}
	key.Erase()
	if err := key.Verify(testPoint(), d.master); !errors.Is(err, ErrKey) {
		t.Errorf("an erased key verifies: %v", err)
	}
	d.shares[0].Erase()
	if d.shares[0].Public().Equal(d.publics[1]) {
		t.Error("an erased master share works")
	}
}

func TestParseMasterRefuses(t *testing.T) {
	identityG2 := append([]byte{0xc0}, make([]byte, 95)...)
	for name, b := range map[string][]byte{"empty": nil, "of G1": pairing.G1Generator().Bytes(), "identity": identityG2} {
		if _, err := ParseMaster(b); !errors.Is(err, ErrMaster) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{"empty": nil, "of G2": pairing.G2Generator().Bytes(), "identity": identityG2[:48]} {
		if _, err := ParsePinMaster(b); !errors.Is(err, ErrMaster) {
			t.Errorf("pin, %s: %v", name, err)
		}
	}
	m, err := ParseMaster(pairing.G2Generator().Bytes())
	if err != nil || !m.Equal(m) || !bytes.Equal(m.Bytes(), pairing.G2Generator().Bytes()) {
		t.Errorf("%v, %v", m, err)
	}
}

// TestPinMasterHasNoWayToG2 looks at the type itself.
func TestPinMasterHasNoWayToG2(t *testing.T) {
	g2, master := reflect.TypeFor[pairing.G2](), reflect.TypeFor[Master]()
	pin := reflect.TypeFor[PinMaster]()
	for i := range pin.NumMethod() {
		for j := range pin.Method(i).Type.NumOut() {
			if out := pin.Method(i).Type.Out(j); out == g2 || out == master {
				t.Errorf("%s returns %v", pin.Method(i).Name, out)
			}
		}
	}
}

// TestValueInG2GivesUpThePIN is why: with mpk in G2 a token tells its PIN in
// as many pairings as there are PINs.
func TestValueInG2GivesUpThePIN(t *testing.T) {
	s, pin := pairing.RandomSecret(), uint64(7)
	a := testPoint()
	token := a.MulSecret(s).Publish().Sub(a.Mul(pairing.NewScalar(pin)))
	found := uint64(0)
	for guess := uint64(1); guess < 20; guess++ {
		whole := token.Add(a.Mul(pairing.NewScalar(guess)))
		if pairing.ProductIsOne(pairing.NewPair(whole, pairing.G2Generator()), pairing.NewPair(a.Neg(), s.G2())) {
			found = guess
		}
	}
	if found != pin {
		t.Errorf("the attack found %d; it must hit, or its refusal shows nothing", found)
	}
}

func newStatement(s MasterShare) ProofStatement {
	return ProofStatement{Domain: identity.DomainID{1}, Service: identity.ServiceID{2}, Purpose: identity.MPin, Generation: s.Generation(),
		Index: s.Index(), RequestHash: [32]byte{3}, Point: testPoint(), Public: s.PublicPin()}
}

func TestProofHoldsForItsShareOnly(t *testing.T) {
	d := deal(t, 2, 2)
	st := newStatement(d.shares[0])
	share := d.shares[0].Issue(st.Point)
	proof, err := d.shares[0].Prove(st, share)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Verify(st, share); err != nil {
		t.Error(err)
	}
	back, err := ParseProof(proof.Bytes())
	if err != nil || back.Verify(st, share) != nil {
		t.Errorf("parsed again: %v", err)
	}
	false1 := Share{index: 1, generation: share.generation, point: d.shares[1].Issue(st.Point).point}
	if err := proof.Verify(st, false1); !errors.Is(err, ErrShare) {
		t.Errorf("another share: %v", err)
	}
	if err := proof.Verify(st, Share{index: 1, generation: share.generation}); !errors.Is(err, ErrShare) {
		t.Errorf("the identity: %v", err)
	}
}

func TestProofRefusesAnotherStatement(t *testing.T) {
	d := deal(t, 2, 2)
	st := newStatement(d.shares[0])
	share := d.shares[0].Issue(st.Point)
	proof, err := d.shares[0].Prove(st, share)
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*ProofStatement){
		"domain": func(s *ProofStatement) { s.Domain[0] ^= 1 }, "service": func(s *ProofStatement) { s.Service[0] ^= 1 }, "purpose": func(s *ProofStatement) { s.Purpose = identity.Permit },
		"generation": func(s *ProofStatement) { s.Generation.Counter++ }, "index": func(s *ProofStatement) { s.Index = 2 }, "request": func(s *ProofStatement) { s.RequestHash[0] ^= 1 },
		"point": func(s *ProofStatement) { s.Point = pairing.G1Generator() }, "public share": func(s *ProofStatement) { s.Public = d.shares[1].PublicPin() },
	}
	for name, change := range changes {
		other := st
		change(&other)
		if err := proof.Verify(other, share); !errors.Is(err, ErrShare) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestProofsNeverShareANonce(t *testing.T) {
	d := deal(t, 2, 2)
	st := newStatement(d.shares[0])
	share := d.shares[0].Issue(st.Point)
	a, err := d.shares[0].Prove(st, share)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.shares[0].Prove(st, share)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two proofs of one statement are the same")
	}
}

func FuzzParseMasterShare(f *testing.F) {
	f.Add(NewMasterShare(1, Generation{}, pairing.RandomSecret()).Expose())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseMasterShare(b); err == nil && !bytes.Equal(s.Expose(), b) {
			t.Error("master share does not survive")
		}
	})
}

func FuzzParseProof(f *testing.F) {
	f.Add(bytes.Repeat([]byte{1}, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseProof(b); err == nil && !bytes.Equal(p.Bytes(), b) {
			t.Error("proof does not survive")
		}
	})
}
