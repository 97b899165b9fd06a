package dkg

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

func TestCeremonyVectors(t *testing.T) {
	p := spectest.Load(t, "ceremony")
	for _, c := range p.Accept {
		switch c["what"] {
		case "card":
			cardVector(t, c)
		case "run":
			runVector(t, c)
		case "abort":
			abortVector(t, c)
		case "blame":
			v, err := Judge([]byte(c["blame"]))
			if err != nil || fmt.Sprint(v.Index) != c["guilty"] || string(v.Offence) != c["verdict"] || v.Name != "operator "+c["guilty"] {
				t.Errorf("%s of %s: %+v, %v", c["verdict"], c["guilty"], v, err)
			}
		default:
			t.Errorf("a case of %q", c["what"])
		}
	}
	for _, c := range p.Refuse {
		err, want := refusal(t, c)
		if !errors.Is(err, want) {
			t.Errorf("%s, %s: %v", c["what"], c["reason"], err)
		}
	}
}

func refusal(t *testing.T, c spec.Case) (err, want error) {
	switch c["what"] {
	case "card":
		_, err = ParseCard(spectest.Bytes(t, c["card"]))
		return err, ErrCard
	case "plan":
		_, err = ParsePlan(spectest.Bytes(t, c["plan"]))
		return err, ErrPlan
	case "certificate":
		plan, failed := ParsePlan(spectest.Bytes(t, c["plan"]))
		if failed != nil {
			t.Fatal(failed)
		}
		_, err = ParseCertificate(plan, spectest.Bytes(t, c["certificate"]))
		return err, ErrCertificate
	case "blame":
		_, err = Judge([]byte(c["blame"]))
		return err, ErrNoBlame
	}
	return fmt.Errorf("a case of %q", c["what"]), ErrCard
}

func hpkeKey(t *testing.T, seed []byte) hpke.PrivateKey {
	t.Helper()
	key, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func cardVector(t *testing.T, c spec.Case) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(spectest.Bytes(t, c["signing"]))
	card, err := SignCard(key, c["name"], c["url"], hpkeKey(t, spectest.Bytes(t, c["box"])).PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := card.Fingerprint()
	if !bytes.Equal(card.Bytes(), spectest.Bytes(t, c["card"])) || !bytes.Equal(fingerprint[:], spectest.Bytes(t, c["fingerprint"])) {
		t.Errorf("card of %s is another", c["name"])
	}
}

func abortVector(t *testing.T, c spec.Case) {
	t.Helper()
	plan, err := ParsePlan(spectest.Bytes(t, c["plan"]))
	if err != nil {
		t.Fatal(err)
	}
	m, err := openMessage(plan, spectest.Bytes(t, c["message"]))
	if err != nil || m.label != abortLabel || m.index != 1 || !bytes.Equal(m.id[:], spectest.Bytes(t, c["id"])) {
		t.Errorf("abort = %+v, %v", m, err)
	}
}

// recorded is a run of the vectors, opened with all its secrets.
type recorded struct {
	*run
	id    [32]byte
	polys [][]pairing.Secret
}

func runVector(t *testing.T, c spec.Case) {
	t.Helper()
	plan, err := ParsePlan(spectest.Bytes(t, c["plan"]))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorded{run: &run{world: &world{plan: plan}, contributions: spectest.List(t, c["contributions"]), commits: spectest.List(t, c["commits"]),
		reveals: spectest.List(t, c["reveals"]), confirms: spectest.List(t, c["confirms"])}}
	for i := range 2 {
		r.keys = append(r.keys, ed25519.NewKeyFromSeed(spectest.List(t, c["signing"])[i]))
		r.boxes = append(r.boxes, hpkeKey(t, spectest.List(t, c["box"])[i]))
	}
	for polynomial := range strings.SplitSeq(c["coefficients"], "/") {
		var coefficients []pairing.Secret
		for _, b := range spectest.List(t, polynomial) {
			a, err := pairing.ParseSecret(b)
			if err != nil {
				t.Fatal(err)
			}
			coefficients = append(coefficients, a)
		}
		r.polys = append(r.polys, coefficients)
	}
	r.checkRounds(t, c)
	r.checkDealings(t, spectest.List(t, c["nonces"]))
	r.checkOutcome(t, c)
}

// checkRounds holds the hashes that tie the rounds together against the vector.
func (r *recorded) checkRounds(t *testing.T, c spec.Case) {
	t.Helper()
	var opened, commits, reveals []*message
	for i := range 2 {
		for _, round := range []struct {
			signed [][]byte
			kept   *[]*message
		}{{r.contributions, &opened}, {r.commits, &commits}, {r.reveals, &reveals}} {
			m, err := openMessage(r.plan, round.signed[i])
			if err != nil || m.index != uint32(i+1) || !bytes.Equal(encoding.Sign(r.keys[i], m.envelope.Body), round.signed[i]) {
				t.Fatalf("message of %d: %+v, %v", i+1, m, err)
			}
			*round.kept = append(*round.kept, m)
		}
		contribution, err := parseContribution(r.plan, opened[i].envelope.Body)
		if err != nil || !bytes.Equal(contribution.keys[uint32(2-i)].Bytes(), r.boxes[i].PublicKey().Bytes()) {
			t.Fatalf("contribution of %d: %v", i+1, err)
		}
	}
	r.id = ceremonyID(r.plan, bodies(opened))
	transcript := transcriptHash(r.id, bodies(commits), bodies(reveals))
	if !bytes.Equal(r.id[:], spectest.Bytes(t, c["id"])) || !bytes.Equal(transcript[:], spectest.Bytes(t, c["transcript"])) {
		t.Error("id or transcript is another")
	}
	for i, m := range commits {
		fixed := commitment(r.id, m.index, reveals[i].envelope.Body)
		if !bytes.Equal(m.envelope.Body, commitBody(r.id, m.index, fixed)) {
			t.Errorf("commit of %d is another", i+1)
		}
	}
}

// checkDealings makes each proof again with its nonce and opens each value.
func (r *recorded) checkDealings(t *testing.T, nonces [][]byte) {
	t.Helper()
	kind := r.plan.Kind()
	for i, signed := range r.reveals {
		m, err := openMessage(r.plan, signed)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseReveal(r.plan, r.id, m.index, m.envelope.Body)
		if err != nil {
			t.Fatal(err)
		}
		k, err := pairing.ParseSecret(nonces[i])
		if err != nil {
			t.Fatal(err)
		}
		challenge, err := pairing.HashToScalar(popDST, popStatement(r.id, kind, m.index, v.commitments, kind.lift(k)))
		z := k.Add(r.polys[i][0].MulPublic(challenge)).Publish()
		if err != nil || !bytes.Equal(v.proof.bytes(), slices.Concat(challenge.Bytes(), z.Bytes())) {
			t.Errorf("proof of %d is another: %v", i+1, err)
		}
		for j, a := range r.polys[i] {
			if !v.commitments[j].Equal(kind.lift(a)) {
				t.Errorf("commitment %d of %d is another", j, i+1)
			}
		}
		to := uint32(2 - i)
		value, err := openDealt(r.boxes[1-i], dealtInfo(r.id, kind, m.index, to), v.sealed[to])
		if err != nil || !value.Equal(r.at(i, to)) {
			t.Errorf("what %d dealt is another: %v", i+1, err)
		}
	}
}

func (r *recorded) at(dealer int, index uint32) pairing.Secret {
	return r.polys[dealer][0].Add(r.polys[dealer][1].MulPublic(pairing.NewScalar(uint64(index))))
}

func (r *recorded) checkOutcome(t *testing.T, c spec.Case) {
	t.Helper()
	certificate, err := ParseCertificate(r.plan, spectest.Bytes(t, c["certificate"]))
	if err != nil {
		t.Fatal(err)
	}
	assembled := r.certificate(t)
	if g := certificate.Generation(); !bytes.Equal(g.Hash[:], spectest.Bytes(t, c["generation"])) || !bytes.Equal(assembled.Bytes(), certificate.Bytes()) {
		t.Error("certificate or generation is another")
	}
	var tests []TestShare
	for i, b := range spectest.List(t, c["shares"]) {
		index := uint32(i + 1)
		s, err := pairing.ParseSecret(b)
		if err != nil || !s.Equal(r.at(0, index).Add(r.at(1, index))) {
			t.Fatalf("share of %d is another: %v", index, err)
		}
		test, err := certificate.MakeTestShare(keys.NewMasterShare(index, certificate.Generation(), s))
		if err != nil || !bytes.Equal(test.Share, spectest.List(t, c["test"])[i]) {
			t.Errorf("test share of %d is another: %v", index, err)
		}
		tests = append(tests, test)
	}
	if err := certificate.VerifyTrial(tests); err != nil {
		t.Error(err)
	}
	indices := []uint32{1, 2}
	if r.plan.Kind() == Pin {
		err = vss.OnePolynomialG1(indices, certificate.PublicPin(), certificate.body.master.g1, 2)
	} else {
		err = vss.OnePolynomialG2(indices, certificate.Public(), certificate.body.master.g2, 2)
	}
	if err != nil {
		t.Error(err)
	}
}
