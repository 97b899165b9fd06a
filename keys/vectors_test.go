package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

func g1(t *testing.T, s string) pairing.G1 {
	t.Helper()
	p, err := pairing.ParseG1(spectest.Bytes(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSharesVectors(t *testing.T) {
	p := spectest.Load(t, "shares")
	for _, c := range p.Accept {
		if err := shareVector(t, c); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, c := range p.Refuse {
		want := map[string][]error{"share": {ErrShare, pairing.ErrPoint}, "key": {ErrKey}, "generation": {ErrGeneration},
			"combine": {ErrThreshold, vss.ErrIndices}}[c["what"]]
		err := shareVector(t, c)
		if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
			t.Errorf("%s, %s: %v", c["what"], c["reason"], err)
		}
	}
}

func shareVector(t *testing.T, c spec.Case) error {
	switch c["what"] {
	case "share":
		s, err := ParseShare(uint32(spectest.Number(t, c["index"])), Generation{}, spectest.Bytes(t, c["share"]))
		if err != nil {
			return err
		}
		public, err := pairing.ParseG2(spectest.Bytes(t, c["public"]))
		if err != nil {
			t.Fatal(err)
		}
		return s.Verify(g1(t, c["point"]), public)
	case "key":
		key, err := ParsePrivate(spectest.Bytes(t, c["key"]))
		if err != nil {
			return err
		}
		master, err := ParseMaster(spectest.Bytes(t, c["master"]))
		if err != nil {
			t.Fatal(err)
		}
		return key.Verify(g1(t, c["point"]), master)
	case "generation":
		g, err := ParseGeneration(spectest.Bytes(t, c["bytes"]))
		if err == nil && (g.Counter != spectest.Number(t, c["counter"]) || !bytes.Equal(g.Hash[:], spectest.Bytes(t, c["hash"]))) {
			return fmt.Errorf("generation %v", g)
		}
		return err
	}
	return combineVector(t, c)
}

func combineVector(t *testing.T, c spec.Case) error {
	var shares []Share
	for part := range strings.SplitSeq(c["shares"], ",") {
		index, point, _ := strings.Cut(part, ":")
		s, err := ParseShare(uint32(spectest.Number(t, index)), Generation{}, spectest.Bytes(t, point))
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, s)
	}
	key, err := Combine(int(spectest.Number(t, c["threshold"])), shares)
	if err == nil && hex.EncodeToString(key.Expose()) != c["key"] {
		return fmt.Errorf("combined to %x", key.Expose())
	}
	return err
}

func TestProofsVectors(t *testing.T) {
	p := spectest.Load(t, "proofs")
	for _, c := range p.Accept {
		if err := proofVector(t, c); err != nil {
			t.Error(err)
		}
	}
	for _, c := range p.Refuse {
		err := proofVector(t, c)
		if !errors.Is(err, ErrShare) && !errors.Is(err, pairing.ErrScalar) && !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

func proofVector(t *testing.T, c spec.Case) error {
	g := Generation{Counter: spectest.Number(t, c["counter"]), Hash: [32]byte(spectest.Bytes(t, c["generation"]))}
	st := ProofStatement{Domain: identity.DomainID(spectest.Bytes(t, c["domainID"])), Service: identity.ServiceID(spectest.Bytes(t, c["serviceID"])), Purpose: identity.Purpose(c["purpose"]),
		Generation: g, Index: uint32(spectest.Number(t, c["index"])), RequestHash: [32]byte(spectest.Bytes(t, c["request"])), Point: g1(t, c["point"]), Public: g1(t, c["public"])}
	share, err := ParseShare(st.Index, g, spectest.Bytes(t, c["share"]))
	if err != nil {
		return err
	}
	proof, err := ParseProof(spectest.Bytes(t, c["proof"]))
	if err != nil {
		return err
	}
	return proof.Verify(st, share)
}
