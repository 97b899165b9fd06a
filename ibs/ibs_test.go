package ibs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/cryptotest"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

// signer is a domain of one name, whose master the test holds.
type signer struct {
	s         pairing.Secret
	master    keys.Master
	statement Statement
	key       keys.Private
}

func newSigner(t testing.TB, name string) *signer {
	t.Helper()
	return newMember(t, pairing.RandomSecret(), name)
}

func newMember(t testing.TB, s pairing.Secret, name string) *signer {
	t.Helper()
	master, err := keys.ParseMaster(s.G2().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	n, err := identity.ParseName("spiffe://example.org/" + name)
	if err != nil {
		t.Fatal(err)
	}
	st := Statement{Domain: identity.DomainID{7}, Name: n, Device: identity.DeviceHash{9},
		Epoch: identity.EpochAt(1_800_000_000, 86_400), Message: []byte("message")}
	point, err := st.key().Point()
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.ParsePrivate(point.MulSecret(s).Expose())
	if err != nil {
		t.Fatal(err)
	}
	return &signer{s: s, master: master, statement: st, key: key}
}

func (s *signer) sign(t testing.TB) []byte {
	t.Helper()
	signature, err := Sign(s.key, s.statement)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func TestSignatureVerifies(t *testing.T) {
	s := newSigner(t, "web")
	signature := s.sign(t)
	if len(signature) != Size {
		t.Errorf("signature has %d bytes", len(signature))
	}
	if err := Verify(s.master, s.statement, signature); err != nil {
		t.Error(err)
	}
	if bytes.Equal(signature, s.sign(t)) {
		t.Error("two signatures share their nonce")
	}
}

// TestABrokenGeneratorRepeatsNoNonce signs statements with the same random bytes
// and the same key. If two shared r, V − V' = (h − h')·d would give d away.
func TestABrokenGeneratorRepeatsNoNonce(t *testing.T) {
	s, other := newSigner(t, "web"), newSigner(t, "api")
	seeded := func(change func(*Statement)) pairing.G1 { // r·d = V − h·d
		cryptotest.SetGlobalRandom(t, 1)
		signer := *s
		change(&signer.statement)
		p, err := parse(signer.statement, signer.sign(t))
		if err != nil {
			t.Fatal(err)
		}
		return p.v.Sub(s.key.Secret().Mul(p.h).Publish())
	}
	first := seeded(func(*Statement) {})
	if !seeded(func(*Statement) {}).Equal(first) {
		t.Fatal("the generator is not broken: the test shows nothing")
	}
	for name, change := range map[string]func(*Statement){
		"message": func(st *Statement) { st.Message = []byte("massage") },
		"name":    func(st *Statement) { st.Name = other.statement.Name },
		"device":  func(st *Statement) { st.Device[0] ^= 1 },
		"epoch":   func(st *Statement) { st.Epoch = st.Epoch.Next() },
		"domain":  func(st *Statement) { st.Domain[0] ^= 1 },
	} {
		if seeded(change).Equal(first) {
			t.Errorf("statements that differ in their %s share a nonce", name)
		}
	}
}

func TestVerifyRefusesAnotherStatement(t *testing.T) {
	s, other := newSigner(t, "web"), newSigner(t, "api")
	signature := s.sign(t)
	changes := map[string]func(*Statement){
		"message": func(st *Statement) { st.Message = []byte("massage") },
		"name":    func(st *Statement) { st.Name = other.statement.Name },
		"device":  func(st *Statement) { st.Device[0] ^= 1 },
		"epoch":   func(st *Statement) { st.Epoch = st.Epoch.Next() },
		"domain":  func(st *Statement) { st.Domain[0] ^= 1 },
		"no name": func(st *Statement) { st.Name = identity.Name{} },
	}
	for name, change := range changes {
		st := s.statement
		change(&st)
		if err := Verify(s.master, st, signature); !errors.Is(err, ErrSignature) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if err := Verify(other.master, s.statement, signature); !errors.Is(err, ErrSignature) {
		t.Errorf("another master: %v", err)
	}
}

func TestVerifyRefusesAnotherPurposesKey(t *testing.T) {
	s := newSigner(t, "web")
	k := s.statement.key()
	k.Purpose, k.Device = identity.Decrypt, identity.DeviceHash{}
	point, err := k.Point()
	if err != nil {
		t.Fatal(err)
	}
	if s.key, err = keys.ParsePrivate(point.MulSecret(s.s).Expose()); err != nil {
		t.Fatal(err)
	}
	if err := Verify(s.master, s.statement, s.sign(t)); !errors.Is(err, ErrSignature) {
		t.Errorf("signed with the decrypt key: %v", err)
	}
}

func TestVerifyRefusesEveryFlippedBit(t *testing.T) {
	s := newSigner(t, "web")
	signature := s.sign(t)
	for i := range Size * 8 {
		bad := slices.Clone(signature)
		bad[i/8] ^= 1 << (i % 8)
		if err := Verify(s.master, s.statement, bad); !errors.Is(err, ErrSignature) {
			t.Fatalf("bit %d flipped: %v", i, err)
		}
	}
}

func TestVerifyRefusesBadPoints(t *testing.T) {
	s := newSigner(t, "web")
	good := s.sign(t)
	identityPoint := append([]byte{0xc0}, make([]byte, 47)...)
	for name, bad := range map[string][]byte{
		"empty": nil, "short": good[:Size-1], "long": append(slices.Clone(good), 0),
		"U the identity":  slices.Concat(identityPoint, good[48:]),
		"V the identity":  slices.Concat(good[:48], identityPoint),
		"U and V swapped": slices.Concat(good[48:], good[:48]),
	} {
		if err := Verify(s.master, s.statement, bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUCannotBeChosenAfterH tries the forgery that needs no key: were U
// free of h, U = rC − hA would let anybody sign as anyone with C's key.
func TestUCannotBeChosenAfterH(t *testing.T) {
	s := newSigner(t, "victim")
	mallory := newMember(t, s.s, "mallory")
	a, err := s.statement.key().Point()
	if err != nil {
		t.Fatal(err)
	}
	c, err := mallory.statement.key().Point()
	if err != nil {
		t.Fatal(err)
	}
	r := pairing.RandomSecret()
	guess, err := s.statement.challenge(c.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	u := c.MulSecret(r).Publish().Sub(a.Mul(guess))
	v := mallory.key.Secret().MulSecret(r).Publish()
	if !holds(s.master, v, u.Add(a.Mul(guess))) {
		t.Fatal("the attack does not even fit its own guess")
	}
	if err := Verify(s.master, s.statement, slices.Concat(u.Bytes(), v.Bytes())); !errors.Is(err, ErrSignature) {
		t.Errorf("forged as the victim: %v", err)
	}
}

func newBatch(t testing.TB, n int) (keys.Master, []Statement, [][]byte) {
	t.Helper()
	s := pairing.RandomSecret()
	var master keys.Master
	var statements []Statement
	var signatures [][]byte
	for i := range n {
		m := newMember(t, s, fmt.Sprint(i))
		master = m.master
		statements, signatures = append(statements, m.statement), append(signatures, m.sign(t))
	}
	return master, statements, signatures
}

func TestBatchNamesTheBadOnes(t *testing.T) {
	master, statements, signatures := newBatch(t, 9)
	if bad := VerifyBatch(master, statements, signatures); len(bad) != 0 {
		t.Fatalf("good signatures refused: %v", bad)
	}
	signatures[2], signatures[5] = signatures[5], signatures[2]
	signatures[7] = nil
	if bad := VerifyBatch(master, statements, signatures); !slices.Equal(bad, []int{2, 5, 7}) {
		t.Errorf("bad = %v, want [2 5 7]", bad)
	}
	if bad := VerifyBatch(master, nil, nil); len(bad) != 0 {
		t.Errorf("an empty batch has bad ones: %v", bad)
	}
}

// TestBatchRefusesErrorsThatCancel adds D to one V and takes it from another:
// their plain sum is unchanged, so equal weights would accept both.
func TestBatchRefusesErrorsThatCancel(t *testing.T) {
	master, statements, signatures := newBatch(t, 2)
	d := pairing.HashToG1("TEST", []byte("error"))
	var left, right pairing.G1
	for i := range signatures {
		p, err := parse(statements[i], signatures[i])
		if err != nil {
			t.Fatal(err)
		}
		v := p.v.Add(d)
		if i == 1 {
			v = p.v.Sub(d)
		}
		signatures[i] = slices.Concat(p.u.Bytes(), v.Bytes())
		left, right = left.Add(v), right.Add(p.u.Add(p.a.Mul(p.h)))
	}
	if !holds(master, left, right) {
		t.Fatal("with equal weights the errors should cancel")
	}
	if bad := VerifyBatch(master, statements, signatures); !slices.Equal(bad, []int{0, 1}) {
		t.Errorf("bad = %v, want both", bad)
	}
}

func TestBatchRefusesExcess(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	VerifyBatch(keys.Master{}, make([]Statement, MaxBatch+1), make([][]byte, MaxBatch+1))
}

func TestSignRefusesAnIncompleteStatement(t *testing.T) {
	s := newSigner(t, "web")
	s.statement.Epoch = identity.Epoch{}
	if _, err := Sign(s.key, s.statement); !errors.Is(err, identity.ErrPurpose) {
		t.Errorf("error = %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f, "web")
	f.Add(s.sign(f))
	f.Fuzz(func(t *testing.T, signature []byte) {
		if p, err := parse(s.statement, signature); err == nil && !bytes.Equal(slices.Concat(p.u.Bytes(), p.v.Bytes()), signature) {
			t.Error("signature does not survive")
		}
	})
}

// TestPreparedMasterVerifiesAlike: it saves time and changes no verdict.
func TestPreparedMasterVerifiesAlike(t *testing.T) {
	s, other := newSigner(t, "web"), newSigner(t, "web")
	signature := s.sign(t)
	if err := Verify(s.master.Prepared().Prepared(), s.statement, signature); err != nil {
		t.Error(err)
	}
	if err := Verify(other.master.Prepared(), s.statement, signature); !errors.Is(err, ErrSignature) {
		t.Errorf("under another master: %v", err)
	}
	bad := VerifyBatch(s.master.Prepared(), []Statement{s.statement, s.statement}, [][]byte{signature, other.sign(t)})
	if !slices.Equal(bad, []int{1}) {
		t.Errorf("bad ones are %v", bad)
	}
}
