package mpin

import (
	"errors"
	"fmt"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

// scalar returns what a secret is: the test plays everybody.
func (f Factor) scalar() pairing.Scalar { return f.alpha.Publish() }

// TestUChosenAfterY is a login as Alice by Bob, who has a true key K_C = sC of his own:
// with U = rC − yB and V = −r·K_C the equation holds, if he knows y before U.
func TestUChosenAfterY(t *testing.T) {
	s := newService(t)
	alice, bob := s.enrol(t, "alice", "472916"), s.enrol(t, "bob", "1234")
	_, b, err := alice.login.points()
	if err != nil {
		t.Fatal(err)
	}
	_, c, err := bob.login.points()
	if err != nil {
		t.Fatal(err)
	}
	r, challenge := pairing.RandomSecret().Publish(), NewChallenge()
	forge := func(y pairing.Scalar) (u, v pairing.G1) {
		return c.Mul(r).Sub(b.Mul(y)), must[*Attempt](t)(Begin(bob.login, bob.secrets)).key.Mul(r).Neg().Publish()
	}
	u := must[*Attempt](t)(Begin(alice.login, bob.typing(t, "any").as(alice))).Commitment() // any U at all
	for range 20 {
		tr := must[Transcript](t)(alice.login.Transcript(u, challenge))
		y := must[pairing.Scalar](t)(tr.y())
		late, v := forge(y)
		if !(checked{u: late, v: v, b: b, y: y}).answers(s.server) {
			t.Fatal("the forgery does not fit its equation: the test shows nothing")
		}
		// What the server holds has the U that it got before the nonce; put in its place,
		// the late one has another y, and so on for ever.
		if err := Verify(s.server, tr, array(v)); err != ErrRefused {
			t.Errorf("U and V of a y known before: %v", err)
		}
		u = must[Commitment](t)(ParseCommitment(late.Bytes()))
		moved := must[Transcript](t)(alice.login.Transcript(u, challenge))
		if err := Verify(s.server, moved, array(v)); err != ErrRefused {
			t.Errorf("U chosen after y, in its transcript: %v", err)
		}
		if bad := VerifyBatch(s.server, []Transcript{moved}, [][pairing.G1Size]byte{array(v)}); len(bad) != 1 {
			t.Error("a batch takes a U chosen after y")
		}
	}
}

// as returns the secrets under the device key of p.
func (s Secrets) as(p *person) Secrets {
	s.Signer = p.secrets.Signer
	return s
}

func TestReplayedVIsRefused(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	tr, proof := run(t, alice.login, alice.secrets)
	if err := s.judge(t, tr, proof); err != nil {
		t.Fatal(err)
	}
	again := must[Transcript](t)(alice.login.Transcript(tr.commitment, NewChallenge())) // U is replayed, too
	if err := VerifyDevice(again, proof); err != identity.ErrPossession {
		t.Errorf("replayed signature: %v", err)
	}
	if err := s.judge(t, again, alice.sign(t, again, proof.V)); err != ErrRefused {
		t.Errorf("replayed V that a stolen device key has signed: %v", err)
	}
}

// TestYOfZeroWouldAnswerEveryNonce shows why S_MPINY refuses zero, which no test can
// find: V = −xK would not depend on the transcript.
func TestYOfZeroWouldAnswerEveryNonce(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	attempt := must[*Attempt](t)(Begin(alice.login, alice.secrets))
	_, b, err := alice.login.points()
	if err != nil {
		t.Fatal(err)
	}
	v := attempt.key.MulSecret(attempt.x).Neg().Publish()
	u := point(t, attempt.Commitment().Bytes())
	if !(checked{u: u, v: v, b: b}).answers(s.server) {
		t.Error("y = 0 binds something: the test shows nothing")
	}
	tr := must[Transcript](t)(alice.login.Transcript(attempt.Commitment(), NewChallenge()))
	if err := s.judge(t, tr, alice.sign(t, tr, array(v))); err != ErrRefused {
		t.Errorf("V without y: %v", err)
	}
}

// pins is a space of PINs that an enemy searches.
func pins(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%04d", i))
	}
	return list
}

// mistyped is what a login server saw of one login with a wrong PIN: V, and W = U + yB.
func mistyped(t *testing.T, p *person, pin string) (v, w pairing.G1) {
	t.Helper()
	tr, proof := run(t, p.login, p.typing(t, pin))
	c, err := check(tr, proof.V)
	if err != nil {
		t.Fatal(err)
	}
	return c.v, c.u.Add(c.b.Mul(c.y))
}

// meet searches a pair with d = (α − α')·base by a table of every α'·base.
func meet(t *testing.T, d, base pairing.G1, space []string) (hits []string) {
	t.Helper()
	table := map[string]string{}
	for _, pin := range space {
		table[string(base.Mul(cheap(t, pin).scalar()).Bytes())] = pin
	}
	for _, pin := range space {
		if typed, ok := table[string(base.Mul(cheap(t, pin).scalar()).Sub(d).Bytes())]; ok && !d.IsIdentity() {
			hits = append(hits, pin+" "+typed)
		}
	}
	return hits
}

// TestMeetInTheMiddleMisses is an enemy who holds S and even the master s itself, and
// one mistyped login. Without the permit's point, B = A, he gets both PINs by one table;
// with it the true pair in his list tells him nothing.
func TestMeetInTheMiddleMisses(t *testing.T) {
	s := newService(t)
	space := pins(256)
	alice := s.enrol(t, "alice", "0042")
	const pair = "0042 0137"
	a, b, err := alice.login.points()
	if err != nil {
		t.Fatal(err)
	}
	bare := func(wrong string) (v, w pairing.G1) { // a login with B = A
		k := alice.secrets.Token.Secret().Add(a.MulSecret(cheap(t, wrong).alpha))
		x := pairing.RandomSecret() // x + y
		return k.MulSecret(x).Neg().Publish(), a.MulSecret(x).Publish()
	}
	v, w := bare("0137")
	if hits := meet(t, v.Add(w.MulSecret(s.master).Publish()), w, space); len(hits) != 1 || hits[0] != pair {
		t.Fatalf("the attack finds %v without a permit: the test shows nothing", hits)
	}
	if !holds(s.server, v.Sub(w.Mul(cheap(t, "0042").scalar().Sub(cheap(t, "0137").scalar()))), w) {
		t.Fatal("S alone does not confirm the pair without a permit: the test shows nothing")
	}

	if b.Equal(a) {
		t.Error("a login has no permit's point")
	}
	v, w = mistyped(t, alice, "0137")
	d := v.Add(w.MulSecret(s.master).Publish())
	if d.IsIdentity() {
		t.Fatal("the PIN was right: the test shows nothing")
	}
	permit := alice.secrets.Permit.Secret().Publish()
	for name, base := range map[string]pairing.G1{"W": w, "A": a, "B": b, "A_e": b.Sub(a), "V": v, "P_e": permit, "T": alice.secrets.Token.Secret().Publish()} {
		if hits := meet(t, d, base, space); len(hits) != 0 {
			t.Errorf("base %s: the attack finds %v", name, hits)
		}
		difference := cheap(t, "0042").scalar().Sub(cheap(t, "0137").scalar())
		if holds(s.server, v.Sub(base.Mul(difference)), w) || holds(s.server, v.Add(base.Mul(difference)), w) {
			t.Errorf("base %s: S confirms the true pair", name)
		}
	}
}

// TestOneG2ValueOfTheMasterTellsThePIN is why the master of a service has no value in G2
// but S: with any pair (Q, sQ) a token gives its PIN, without a login.
func TestOneG2ValueOfTheMasterTellsThePIN(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "0042")
	a, _, err := alice.login.points()
	if err != nil {
		t.Fatal(err)
	}
	q := pairing.RandomSecret().Publish()
	leaked := pairing.G2Generator().Mul(s.master.Publish()).Mul(q) // sQ for Q = q·P2, known to nobody as a multiple
	search := func(sQ pairing.G2) (hits []string) {
		for _, pin := range pins(100) {
			guess := alice.secrets.Token.Secret().Publish().Add(a.Mul(cheap(t, pin).scalar()))
			if pairing.ProductIsOne(pairing.NewPair(guess, pairing.G2Generator().Mul(q)), pairing.NewPair(a.Neg(), sQ)) {
				hits = append(hits, pin)
			}
		}
		return hits
	}
	if hits := search(leaked); len(hits) != 1 || hits[0] != "0042" {
		t.Errorf("a pair in G2 finds %v: the test shows nothing", hits)
	}
	if hits := search(pairing.G2Generator().Mul(pairing.RandomSecret().Publish())); len(hits) != 0 {
		t.Errorf("a value that is not the master's finds %v", hits)
	}
}

// TestTwoTokensTellNoPIN holds two wallet files around a change of PIN: their points
// differ, since the device key does. Two tokens of one point would give both PINs.
func TestTwoTokensTellNoPIN(t *testing.T) {
	s, space := newService(t), pins(256)
	before, after := s.enrol(t, "alice", "0042"), s.enrol(t, "alice", "0137")
	a, _, err := before.login.points()
	if err != nil {
		t.Fatal(err)
	}
	a2, _, err := after.login.points()
	if err != nil {
		t.Fatal(err)
	}
	token := func(p *person) pairing.G1 { return p.secrets.Token.Secret().Publish() }
	resplit := must[keys.Private](t)(cheap(t, "0137").Split(before.login.key(identity.MPin), 2, s.issue(t, before.login.key(identity.MPin)))).Secret().Publish()
	if hits := meet(t, resplit.Sub(token(before)), a, space); len(hits) != 1 || hits[0] != "0042 0137" {
		t.Fatalf("two tokens of one point give %v: the test shows nothing", hits)
	}

	if a.Equal(a2) {
		t.Fatal("a new device has the point of the old one")
	}
	d := token(after).Sub(token(before)) // = s(A2 − A) + αA − α2·A2
	for name, base := range map[string]pairing.G1{"the old point": a, "the new point": a2, "their difference": a2.Sub(a)} {
		if hits := meet(t, d, base, space); len(hits) != 0 {
			t.Errorf("%s: found %v", name, hits)
		}
	}
	table := map[string]bool{}
	for _, pin := range space {
		table[string(a.Mul(cheap(t, pin).scalar()).Bytes())] = true
	}
	for _, pin := range space {
		if table[string(d.Add(a2.Mul(cheap(t, pin).scalar())).Bytes())] {
			t.Errorf("a table over both points finds %s", pin)
		}
	}
}

// TestStolenWalletLogsInNowhere is a thief with everything on a device, who renews
// permits as he likes and does not know α: no combination of his points is a key.
func TestStolenWalletLogsInNowhere(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	a, b, err := alice.login.points()
	if err != nil {
		t.Fatal(err)
	}
	stolen := []pairing.SecretG1{alice.secrets.Token.Secret(), alice.secrets.Permit.Secret(), alice.permit(t, alice.login.Epoch.Next()).Secret()}
	answer := func(k pairing.SecretG1) error {
		attempt := must[*Attempt](t)(Begin(alice.login, alice.secrets))
		attempt.key = k
		c := NewChallenge()
		proof := must[Proof](t)(attempt.Finish(c))
		return s.judge(t, must[Transcript](t)(alice.login.Transcript(attempt.Commitment(), c)), proof)
	}
	if err := answer(b.MulSecret(s.master)); err != nil {
		t.Fatalf("the true key: %v: the test shows nothing", err)
	}
	for i := range 27 { // every sum of them with factors −1, 0 and 1
		var k pairing.SecretG1
		for j, n := 0, i; j < 3; j, n = j+1, n/3 {
			switch n % 3 {
			case 1:
				k = k.Add(stolen[j])
			case 2:
				k = k.Sub(stolen[j])
			}
		}
		for name, key := range map[string]pairing.SecretG1{"": k, " + A": k.Add(a.MulSecret(cheap(t, "0000").alpha)), " + T": k.Add(stolen[0])} {
			if err := answer(key); !errors.Is(err, ErrRefused) {
				t.Errorf("combination %d%s: %v", i, name, err)
			}
		}
	}
}
