package dkg

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
)

// TestMessagesOfSixteenFitTheirLimits: what a full ceremony sends is within
// what its readers take, the largest blame file too.
func TestMessagesOfSixteenFitTheirLimits(t *testing.T) {
	r := newWorld(t, Public, 16, 16).start(t).toConfirm(t)
	for _, m := range slices.Concat(r.contributions, r.commits, r.reveals, r.confirms) {
		if len(m) > MaxMessage {
			t.Errorf("a message of %d bytes", len(m))
		}
	}
	c := r.certificate(t)
	if n := len(c.Bytes()); n > MaxCertificate {
		t.Errorf("a certificate of %d bytes", n)
	}
	if n := len(r.plan.Bytes()); n > MaxPlan {
		t.Errorf("a plan of %d bytes", n)
	}
	g, err := parseGeneration(r.plan, c.body.body)
	if err != nil {
		t.Fatal(err)
	}
	g.public[3] = Public.generator()
	b, err := BlameConfirm(r.plan, r.contributions, r.commits, r.reveals, encoding.Sign(r.keys[15], g.encode()))
	if err != nil {
		t.Fatal(err)
	}
	wantBlame(t, b, 16, FalseConfirm)
}

func TestMessagesSurviveByteForByte(t *testing.T) {
	for _, kind := range []Kind{Public, Pin} {
		r := newWorld(t, kind, 2, 3).start(t).toConfirm(t)
		for i := range r.parties {
			index := uint32(i + 1)
			m, err := openMessage(r.plan, r.contributions[i])
			if err != nil || m.index != index || m.id != r.plan.Hash() {
				t.Fatalf("contribution %d: %+v, %v", index, m, err)
			}
			c, err := parseContribution(r.plan, m.envelope.Body)
			if err != nil || !bytes.Equal(c.encode(3), m.envelope.Body) {
				t.Errorf("contribution %d does not survive: %v", index, err)
			}
			m, err = openMessage(r.plan, r.reveals[i])
			if err != nil {
				t.Fatal(err)
			}
			v, err := parseReveal(r.plan, m.id, index, m.envelope.Body)
			if err != nil || !bytes.Equal(revealBody(m.id, index, 3, v), m.envelope.Body) {
				t.Errorf("reveal %d does not survive: %v", index, err)
			}
			m, err = openMessage(r.plan, r.confirms[i])
			if err != nil || m.index != index || !bytes.Equal(m.signed, r.confirms[i]) {
				t.Fatalf("confirmation %d: %+v, %v", index, m, err)
			}
			g, err := parseGeneration(r.plan, m.envelope.Body)
			if err != nil || !bytes.Equal(g.encode(), m.envelope.Body) {
				t.Errorf("confirmation %d does not survive: %v", index, err)
			}
		}
	}
}

func TestContributionRefuses(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t)
	good := r.parties[1].parsed[0]
	hash := r.plan.Hash()
	list := func(n int, key []byte) []byte {
		var parts [][]byte
		for range n {
			parts = append(parts, key)
		}
		return encoding.List(parts...)
	}
	key := good.keys[2].Bytes()
	body := func(hash [32]byte, index uint32, random int, keys []byte) []byte {
		return encoding.LP(contributionLabel, hash[:], encoding.U32(index), make([]byte, random), keys)
	}
	if _, err := parseContribution(r.plan, body(hash, 1, 32, list(2, key))); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"another plan":    body([32]byte{1}, 1, 32, list(2, key)),
		"nobody":          body(hash, 4, 32, list(2, key)),
		"index 0":         body(hash, 0, 32, list(2, key)),
		"little random":   body(hash, 1, 31, list(2, key)),
		"a key too few":   body(hash, 1, 32, list(1, key)),
		"a key too many":  body(hash, 1, 32, list(3, key)),
		"a short key":     body(hash, 1, 32, list(2, key[:HPKESize-1])),
		"a malformed key": body(hash, 1, 32, list(2, bytes.Repeat([]byte{0xff}, HPKESize))),
		"a byte too many": append(body(hash, 1, 32, list(2, key)), 0),
	} {
		if _, err := parseContribution(r.plan, b); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	p, _, err := NewParty(r.plan, 1, r.keys[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Receive(encoding.Sign(r.keys[1], body(hash, 2, 32, list(1, key)))); !errors.Is(err, ErrMessage) {
		t.Errorf("error = %v", err)
	}
}

// TestKeyThatNothingCanBeSealedToStopsTheRun has an authority contribute a key
// whose X25519 half is of low order: the dealer names it and deals nothing.
func TestKeyThatNothingCanBeSealedToStopsTheRun(t *testing.T) {
	r := &run{world: newWorld(t, Public, 2, 2)}
	p, own, err := NewParty(r.plan, 1, r.keys[0])
	if err != nil {
		t.Fatal(err)
	}
	m, err := openMessage(r.plan, own)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseContribution(r.plan, m.envelope.Body)
	if err != nil {
		t.Fatal(err)
	}
	low := append(c.keys[2].Bytes()[:HPKESize-32], make([]byte, 32)...)
	hash := r.plan.Hash()
	bad := encoding.LP(contributionLabel, hash[:], encoding.U32(2), make([]byte, 32), encoding.List(low))
	if err := p.Receive(encoding.Sign(r.keys[1], bad)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Next(Commit); !errors.Is(err, ErrMessage) {
		t.Errorf("error = %v", err)
	}
}

func TestRevealRefuses(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t).toReveal(t)
	m, err := openMessage(r.plan, r.reveals[0])
	if err != nil {
		t.Fatal(err)
	}
	parse := func() *reveal {
		v, err := parseReveal(r.plan, m.id, 1, m.envelope.Body)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := parse()
	commitments := [][]byte{v.commitments[0].Bytes(), v.commitments[1].Bytes()}
	sealed := [][]byte{v.sealed[2], v.sealed[3]}
	identity := element{kind: Public}.Bytes()
	body := func(commitments [][]byte, proof []byte, sealed [][]byte) []byte {
		return encoding.LP(revealLabel, m.id[:], encoding.U32(1), encoding.List(commitments...), proof, encoding.List(sealed...))
	}
	zero := make([]byte, pairing.ScalarSize)
	proof := v.proof.bytes()
	if _, err := parseReveal(r.plan, m.id, 1, body(commitments, proof, sealed)); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"the identity":           body([][]byte{commitments[0], identity}, proof, sealed),
		"a point of G1":          body([][]byte{commitments[0], Pin.generator().Bytes()}, proof, sealed),
		"a point off the curve":  body([][]byte{commitments[0], append([]byte{0x80}, make([]byte, 95)...)}, proof, sealed),
		"one commitment":         body(commitments[:1], proof, sealed),
		"three commitments":      body(append(commitments[:2:2], commitments[0]), proof, sealed),
		"commitments swapped":    body([][]byte{commitments[1], commitments[0]}, proof, sealed),
		"another last one":       body([][]byte{commitments[0], commitments[0]}, proof, sealed),
		"a value too few":        body(commitments, proof, sealed[:1]),
		"a value too many":       body(commitments, proof, append(sealed[:2:2], sealed[0])),
		"a long value":           body(commitments, proof, [][]byte{make([]byte, maxSealed+1), sealed[1]}),
		"a short proof":          body(commitments, proof[:63], sealed),
		"c = 0":                  body(commitments, slices.Concat(zero, proof[32:]), sealed),
		"z = 0":                  body(commitments, slices.Concat(proof[:32], zero), sealed),
		"c not below the order":  body(commitments, slices.Concat(bytes.Repeat([]byte{0xff}, 32), proof[32:]), sealed),
		"z not below the order":  body(commitments, slices.Concat(proof[:32], bytes.Repeat([]byte{0xff}, 32)), sealed),
		"a byte after the last":  append(body(commitments, proof, sealed), 0),
		"a part after the last":  append(body(commitments, proof, sealed), 0, 0, 0, 0),
		"nothing after the head": encoding.LP(revealLabel, m.id[:], encoding.U32(1)),
	} {
		if _, err := parseReveal(r.plan, m.id, 1, b); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestSealedValueOpensInItsPlaceOnly: run, kind, dealer and receiver are bound.
func TestSealedValueOpensInItsPlaceOnly(t *testing.T) {
	_, box := newKeys(t)
	value := pairing.RandomSecret()
	sealed, err := sealDealt(box.PublicKey(), dealtInfo([32]byte{1}, Public, 2, 3), value)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := openDealt(box, dealtInfo([32]byte{1}, Public, 2, 3), sealed)
	if err != nil || !opened.Equal(value) {
		t.Fatalf("it does not open: %v", err)
	}
	for name, info := range map[string][]byte{
		"another run":      dealtInfo([32]byte{2}, Public, 2, 3),
		"another kind":     dealtInfo([32]byte{1}, Pin, 2, 3),
		"another dealer":   dealtInfo([32]byte{1}, Public, 1, 3),
		"another receiver": dealtInfo([32]byte{1}, Public, 2, 1),
		"swapped":          dealtInfo([32]byte{1}, Public, 3, 2),
	} {
		if _, err := openDealt(box, info, sealed); err == nil {
			t.Errorf("%s opens it", name)
		}
	}
}

func TestSealedScalarMustBeCanonical(t *testing.T) {
	_, box := newKeys(t)
	info := dealtInfo([32]byte{1}, Public, 2, 3)
	for name, value := range map[string][]byte{"zero": make([]byte, 32), "short": make([]byte, 31), "above the order": bytes.Repeat([]byte{0xff}, 32)} {
		sealed, err := sealBytes(box, info, value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openDealt(box, info, sealed); !errors.Is(err, pairing.ErrScalar) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAbortCutsALongReason(t *testing.T) {
	w := newWorld(t, Public, 2, 2)
	id := [32]byte{1}
	long := SignAbort(w.keys[0], id, 1, string(bytes.Repeat([]byte{'x'}, MaxMessage)))
	if err := VerifyAborts(w.plan, id, [][]byte{long, SignAbort(w.keys[1], id, 2, "")}); err != nil {
		t.Error(err)
	}
}

func FuzzOpenMessage(f *testing.F) {
	r := newWorld(f, Public, 2, 2).start(f).toConfirm(f)
	abort := SignAbort(r.keys[0], [32]byte{1}, 1, "x")
	for _, m := range slices.Concat(r.contributions, r.commits, r.reveals, r.confirms, [][]byte{abort}) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := openMessage(r.plan, b); err == nil && !bytes.Equal(m.signed, b) {
			t.Error("message does not survive")
		}
	})
}

// FuzzParseContribution and FuzzParseReveal read bodies, which a signature
// would keep a fuzzer away from.
func FuzzParseContribution(f *testing.F) {
	r := newWorld(f, Public, 2, 2).start(f)
	f.Add(r.parties[0].contributions[1].envelope.Body)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseContribution(r.plan, b); err == nil && !bytes.Equal(c.encode(2), b) {
			t.Error("contribution does not survive")
		}
	})
}

func FuzzParseReveal(f *testing.F) {
	r := newWorld(f, Public, 2, 2).start(f).toReveal(f)
	m, err := openMessage(r.plan, r.reveals[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.envelope.Body)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseReveal(r.plan, m.id, 1, b)
		if err != nil {
			return
		}
		head := encoding.LP(revealLabel, m.id[:], encoding.U32(1))
		if len(b) < len(head) || !bytes.Equal(revealBody(m.id, 1, 2, v)[len(head):], b[len(head):]) {
			t.Error("reveal does not survive")
		}
	})
}

func FuzzParseGeneration(f *testing.F) {
	r := newWorld(f, Pin, 2, 2).start(f).toConfirm(f)
	f.Add(r.certificate(f).body.body)
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := parseGeneration(r.plan, b); err == nil && !bytes.Equal(g.encode(), b) {
			t.Error("generation does not survive")
		}
	})
}

func FuzzParseCertificate(f *testing.F) {
	r := newWorld(f, Public, 2, 2).start(f).toConfirm(f)
	f.Add(r.certificate(f).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCertificate(r.plan, b); err == nil && !bytes.Equal(c.Bytes(), r.certificate(t).Bytes()) {
			t.Error("another certificate of the same run")
		}
	})
}
