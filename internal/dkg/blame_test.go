package dkg

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"testing"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
)

// deal replaces authority index's dealing by one of the test's making, proved
// anew unless the test changed the proof itself, and returns its commit and
// reveal, signed.
func (r *run) deal(index uint32, change func(*reveal, *vss.Polynomial)) (commit, revealed []byte) {
	p := r.parties[index-1]
	if err := p.deal(); err != nil {
		panic(err)
	}
	v, err := parseReveal(r.plan, p.id, index, p.own)
	if err != nil {
		panic(err)
	}
	honest := v.proof.bytes()
	change(v, p.poly)
	if bytes.Equal(v.proof.bytes(), honest) {
		if v.proof, err = prove(p.id, r.plan.Kind(), index, p.poly.Coefficient(0), v.commitments); err != nil {
			panic(err)
		}
	}
	body := revealBody(p.id, index, r.plan.Size(), v)
	return encoding.Sign(p.key, commitBody(p.id, index, commitment(p.id, index, body))), encoding.Sign(p.key, body)
}

func unchanged(*reveal, *vss.Polynomial) {}

// blameOf plays a run in which authority 3 deals as change says, and returns
// what authority 1 finds.
func blameOf(t *testing.T, kind Kind, change func(*reveal, *vss.Polynomial)) error {
	t.Helper()
	r := newWorld(t, kind, 3, 3).start(t)
	commit, revealed := r.deal(3, change)
	r.parties = r.parties[:2]
	r.commits = append(r.collect(t, Commit), commit)
	r.spread(t, r.commits)
	r.reveals = append(r.collect(t, Reveal), revealed)
	r.spread(t, r.reveals)
	_, err := r.parties[0].Next(Confirm)
	return err
}

func TestCommitmentsNotExactlyTAreBlamed(t *testing.T) {
	for _, kind := range []Kind{Public, Pin} {
		err := blameOf(t, kind, func(v *reveal, _ *vss.Polynomial) { v.commitments = append(v.commitments, kind.generator()) })
		wantBlame(t, err, 3, Malformed)
		err = blameOf(t, kind, func(v *reveal, _ *vss.Polynomial) { v.commitments = v.commitments[:2] })
		wantBlame(t, err, 3, Malformed)
	}
}

func TestProofOfAnotherConstantIsBlamed(t *testing.T) {
	err := blameOf(t, Public, func(v *reveal, _ *vss.Polynomial) { v.proof.z = v.proof.z.Add(pairing.NewScalar(1)) })
	wantBlame(t, err, 3, Malformed)
}

func TestProofOfAnotherPartyRunOrKindIsRefused(t *testing.T) {
	s := pairing.RandomSecret()
	c := vss.Commitments[element]{Public.lift(s)}
	proof, err := prove([32]byte{1}, Public, 1, s, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.verify([32]byte{1}, Public, 1, c); err != nil {
		t.Fatal(err)
	}
	other := vss.Commitments[element]{c[0], Public.generator()}
	if proof.verify([32]byte{2}, Public, 1, c) == nil || proof.verify([32]byte{1}, Public, 2, c) == nil || proof.verify([32]byte{1}, Public, 1, other) == nil {
		t.Error("a proof holds elsewhere")
	}
	pin := vss.Commitments[element]{Pin.lift(s)}
	if proof.verify([32]byte{1}, Pin, 1, pin) == nil {
		t.Error("a proof of G2 holds in G1")
	}
}

func TestFalseValueIsBlamedByItsReceiver(t *testing.T) {
	for name, seal := range map[string]func(v *reveal, p *vss.Polynomial){
		"sealed to nobody": func(v *reveal, _ *vss.Polynomial) { v.sealed[1] = bytes.Repeat([]byte{1}, 1168) },
		"another's value":  func(v *reveal, _ *vss.Polynomial) { v.sealed[1] = v.sealed[2] },
	} {
		t.Run(name, func(t *testing.T) { wantBlame(t, blameOf(t, Public, seal), 3, FalseValue) })
	}
}

// TestValueOffThePolynomialIsBlamed has the dealer seal, correctly, a value
// that does not fit its commitments.
func TestValueOffThePolynomialIsBlamed(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t)
	id, _ := r.parties[2].ID()
	commit, revealed := r.deal(3, func(v *reveal, poly *vss.Polynomial) {
		to := r.parties[2].parsed[0].keys[3]
		wrong := poly.At(1).AddPublic(pairing.NewScalar(1))
		var err error
		if v.sealed[1], err = sealDealt(to, dealtInfo(id, Public, 3, 1), wrong); err != nil {
			t.Fatal(err)
		}
	})
	r.parties = r.parties[:2]
	r.commits = append(r.collect(t, Commit), commit)
	r.spread(t, r.commits)
	r.reveals = append(r.collect(t, Reveal), revealed)
	r.spread(t, r.reveals)
	_, err := r.parties[0].Next(Confirm)
	b := wantBlame(t, err, 3, FalseValue)
	e, err := parseEvidence(b.File())
	if err != nil {
		t.Fatal(err)
	}
	checkComplaintOpensOneValue(t, r, e)
	if _, err := r.parties[1].Next(Confirm); err != nil {
		t.Errorf("authority 2, whose value is good: %v", err)
	}
}

// checkComplaintOpensOneValue tries the key that a complaint publishes on all
// that other dealers sealed to the same authority.
func checkComplaintOpensOneValue(t *testing.T, r *run, e *evidence) {
	t.Helper()
	id, _ := r.parties[0].ID()
	box := r.parties[0].boxes[3]
	for i, signed := range r.reveals[:2] {
		dealer := uint32(i + 1)
		m, err := openMessage(e.plan, signed)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseReveal(e.plan, id, dealer, m.envelope.Body)
		if err != nil {
			t.Fatal(err)
		}
		for j, sealed := range v.sealed {
			if _, err := openDealt(box, dealtInfo(id, Public, dealer, j), sealed); err == nil {
				t.Errorf("the published key opens what %d sealed to %d", dealer, j)
			}
		}
	}
}

func TestFalseComplaintConvictsTheComplainer(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t).toReveal(t)
	r.spread(t, r.reveals)
	var b *Blame
	if !errors.As(r.parties[0].complain(3), &b) {
		t.Fatal("no blame")
	}
	v, err := Judge(b.File())
	if err != nil || v.Index != 1 || v.Offence != FalseComplaint {
		t.Errorf("verdict %+v, error %v", v, err)
	}
}

func TestRevealOtherThanCommittedIsBlamed(t *testing.T) {
	r := newWorld(t, Public, 3, 3).start(t)
	_, revealed := r.deal(3, unchanged)
	other, _ := r.deal(3, unchanged)
	r.parties = r.parties[:2]
	r.commits = append(r.collect(t, Commit), other)
	r.spread(t, r.commits)
	r.reveals = append(r.collect(t, Reveal), revealed)
	r.spread(t, r.reveals)
	_, err := r.parties[0].Next(Confirm)
	wantBlame(t, err, 3, Uncommitted)
}

// TestRushingRogueKeyIsRefusedAndBlamed is the attack at t = n = 3: authority
// 3 speaks last and wants the master to be x·P2 with its own x, so it deals
// C_3 = x·P2 − C_1 − C_2.
func TestRushingRogueKeyIsRefusedAndBlamed(t *testing.T) {
	r := newWorld(t, Public, 3, 3).start(t)
	rogue := r.parties[2]
	r.parties = r.parties[:2]
	early := r.collect(t, Commit)
	victims := slices.Clone(r.parties)

	// Without the commit round, the rogue would see the others' constants
	// before it deals, and without the proof nothing would stop it.
	x := pairing.RandomSecret()
	target := Public.lift(x)
	for _, v := range victims {
		body, err := parseReveal(r.plan, v.id, v.index, v.own)
		if err != nil {
			t.Fatal(err)
		}
		target = target.Add(body.commitments.Constant().Mul(pairing.NewScalar(1).Neg()))
	}
	commit, revealed := r.deal3(rogue, target)
	sum := target
	for _, v := range victims {
		body, _ := parseReveal(r.plan, v.id, v.index, v.own)
		sum = sum.Add(body.commitments.Constant())
	}
	if !sum.Equal(Public.lift(x)) {
		t.Fatal("the attack would not even choose the key")
	}

	// It has to know the others' reveals to commit to that, which the commit
	// round forbids; given them nevertheless, the proof convicts it.
	r.commits = append(early, commit)
	r.spread(t, r.commits)
	r.reveals = append(r.collect(t, Reveal), revealed)
	r.spread(t, r.reveals)
	_, err := victims[0].Next(Confirm)
	wantBlame(t, err, 3, Malformed)
}

// deal3 is the rogue's dealing with a constant whose logarithm it does not
// know; the proof is one of what it does know.
func (r *run) deal3(rogue *Party, constant element) (commit, revealed []byte) {
	if err := rogue.deal(); err != nil {
		panic(err)
	}
	v, err := parseReveal(r.plan, rogue.id, 3, rogue.own)
	if err != nil {
		panic(err)
	}
	v.commitments[0] = constant
	if v.proof, err = prove(rogue.id, Public, 3, rogue.poly.Coefficient(0), v.commitments); err != nil {
		panic(err)
	}
	body := revealBody(rogue.id, 3, 3, v)
	return encoding.Sign(rogue.key, commitBody(rogue.id, 3, commitment(rogue.id, 3, body))), encoding.Sign(rogue.key, body)
}

// TestRushingRogueCannotChangeItsCommit lets the rogue commit honestly and
// change its dealing once it has seen the others'.
func TestRushingRogueCannotChangeItsCommit(t *testing.T) {
	r := newWorld(t, Public, 3, 3).start(t).toReveal(t)
	_, late := r.deal3(r.parties[2], Public.lift(pairing.RandomSecret()))
	r.parties = r.parties[:2]
	r.spread(t, [][]byte{r.reveals[0], r.reveals[1], late})
	_, err := r.parties[0].Next(Confirm)
	wantBlame(t, err, 3, Uncommitted)
}

func TestEquivocationIsBlamed(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t).toCommit(t)
	id, _ := r.parties[0].ID()
	second := encoding.Sign(r.keys[2], commitBody(id, 3, [32]byte{9}))
	wantBlame(t, r.parties[0].Receive(second), 3, Equivocation)

	r = newWorld(t, Public, 2, 3).start(t).toConfirm(t)
	id = r.parties[0].result.ID
	b, err := BlameEquivocation(r.plan, r.confirms[1], SignAbort(r.keys[1], id, 2, ""))
	if err != nil {
		t.Fatal(err)
	}
	wantBlame(t, b, 2, Equivocation)
}

func TestConfirmationOfAnotherOutcomeIsBlamed(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t).toConfirm(t)
	g, err := parseGeneration(r.plan, r.certificate(t).body.body)
	if err != nil {
		t.Fatal(err)
	}
	g.master = Public.lift(pairing.RandomSecret())
	b, err := BlameConfirm(r.plan, r.contributions, r.commits, r.reveals, encoding.Sign(r.keys[1], g.encode()))
	if err != nil {
		t.Fatal(err)
	}
	wantBlame(t, b, 2, FalseConfirm)
	if _, err := BlameConfirm(r.plan, r.contributions, r.commits, r.reveals, r.confirms[1]); !errors.Is(err, ErrNoBlame) {
		t.Errorf("an honest confirmation: %v", err)
	}
}

// TestForgedBlameFilesConvictNobody tries twenty files made by who wants to
// see an honest authority convicted.
func TestForgedBlameFilesConvictNobody(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t).toConfirm(t)
	other := r.world.start(t).toConfirm(t)
	foreign := newWorld(t, Public, 2, 3).start(t).toConfirm(t)
	id := r.parties[0].result.ID
	file := func(offence Offence, contributions [][]byte, messages ...[]byte) []byte {
		return (&evidence{plan: r.plan, offence: offence, contributions: contributions, messages: messages}).encode()
	}
	mine := r.contributions
	complaintBy := func(key int, index, dealer uint32, secret []byte) []byte {
		return encoding.Sign(r.keys[key], encoding.LP(complaintLabel, id[:], encoding.U32(index), encoding.U32(dealer), secret))
	}
	confirmOf := func(confirm []byte, x *run) [][]byte {
		return slices.Concat([][]byte{confirm}, x.commits, x.reveals)
	}
	forged := [][]byte{
		nil,
		[]byte("authority 2 did it"),
		file("treason", mine, r.commits[1]),
		file(Equivocation, mine, r.commits[1], r.commits[1]),
		file(Equivocation, mine, r.commits[1], r.commits[2]),
		file(Equivocation, mine, r.commits[1], r.reveals[1]),
		file(Equivocation, mine, r.commits[1], other.commits[1]),
		file(Equivocation, mine, r.contributions[1], other.contributions[1]),
		file(Equivocation, mine, r.confirms[1], SignAbort(r.keys[1], [32]byte{1}, 2, "")),
		file(Equivocation, mine, r.confirms[1], SignAbort(r.keys[0], id, 2, "")),
		file(Equivocation, mine, SignAbort(r.keys[1], id, 2, "a"), SignAbort(r.keys[1], id, 2, "b")),
		file(Uncommitted, mine, r.commits[1], r.reveals[1]),
		file(Uncommitted, mine, r.commits[1], other.reveals[1]),
		file(Uncommitted, mine, r.commits[1], r.reveals[2]),
		file(Malformed, mine, r.reveals[1]),
		file(Malformed, mine, other.reveals[1]),
		file(Malformed, other.contributions, r.reveals[1]),
		file(Malformed, mine[:2], r.reveals[1]),
		file(FalseValue, mine, r.reveals[1], complaintBy(0, 1, 2, make([]byte, 32))),
		file(FalseValue, mine, r.reveals[1], complaintBy(2, 1, 2, make([]byte, 32))),
		file(FalseValue, mine, r.reveals[1], complaintBy(1, 2, 2, make([]byte, 32))),
		file(FalseConfirm, mine, confirmOf(r.confirms[1], r)...),
		file(FalseConfirm, mine, confirmOf(r.confirms[1], other)...),
		file(FalseConfirm, mine, confirmOf(foreign.confirms[1], r)...),
		append(file(Equivocation, mine, r.commits[1], r.commits[1]), 'x'),
	}
	if len(forged) < 20 {
		t.Fatalf("only %d forged files", len(forged))
	}
	for i, f := range forged {
		if v, err := Judge(f); !errors.Is(err, ErrNoBlame) {
			t.Errorf("forged file %d convicts %+v, error %v", i, v, err)
		}
	}
}

func TestAlteredBlameFileConvictsNobody(t *testing.T) {
	r := newWorld(t, Public, 2, 2).start(t).toCommit(t)
	id, _ := r.parties[0].ID()
	var b *Blame
	if !errors.As(r.parties[0].Receive(encoding.Sign(r.keys[1], commitBody(id, 2, [32]byte{9}))), &b) {
		t.Fatal("no blame")
	}
	block, _ := pem.Decode(b.File())
	plan := len(encoding.LP(blameLabel, []byte(Equivocation))) + 4 + len(r.plan.bytes)
	for i := plan; i < len(block.Bytes); i += 101 {
		bad := slices.Clone(block.Bytes)
		bad[i] ^= 1
		v, err := Judge(pem.EncodeToMemory(&pem.Block{Type: blamePEM, Bytes: bad}))
		if err == nil && v.Index != 2 {
			t.Fatalf("byte %d altered convicts %d", i, v.Index)
		}
	}
}

func FuzzJudge(f *testing.F) {
	w := newWorld(f, Public, 2, 2)
	f.Add((&evidence{plan: w.plan, offence: Malformed}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := Judge(b); err == nil {
			t.Error(fmt.Sprint("garbage convicts ", v))
		}
	})
}
