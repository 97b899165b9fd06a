package dta

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

func TestDocumentVectors(t *testing.T) {
	p := spectest.Load(t, "document")
	for _, c := range p.Accept {
		if err := documentVector(t, c); err != nil {
			t.Errorf("%s: %v", c["what"], err)
		}
		if c["what"] == "published" {
			combinedVector(t, c)
		}
	}
	for _, c := range p.Refuse {
		want := ErrDocument
		if c["what"] == "fresh" {
			want = ErrStale
		}
		if err := documentVector(t, c); !errors.Is(err, want) {
			t.Errorf("%s, %s: %v", c["what"], c["reason"], err)
		}
	}
}

// documentVector returns why a case is refused.
func documentVector(t *testing.T, c spec.Case) error {
	if c["what"] == "fresh" {
		p := Published{Stamp: &Stamp{Day: uint32(spectest.Number(t, c["day"]))}}
		return p.Fresh(spectest.Number(t, c["now"]))
	}
	d, err := ParseDocument(spectest.Bytes(t, c["document"]))
	if err != nil {
		return err
	}
	switch c["what"] {
	case "published":
		p := &Published{Document: d, Signature: spectest.Bytes(t, c["signature"])}
		if c["stamp"] != "" {
			if p.Stamp, err = ParseStamp(spectest.Bytes(t, c["stamp"])); err != nil {
				return err
			}
		}
		return p.Verify(identity.DomainID(spectest.Bytes(t, c["id"])))
	case "approval":
		approved := [][]byte{spectest.Bytes(t, c["approval"])}
		if index, ok := approver(d.Authorities(), d, approved[0]); !ok || uint64(index) != spectest.Number(t, c["index"]) {
			return ErrDocument
		}
	case "first":
		firstVector(t, c, d)
	case "parse":
	default:
		t.Errorf("a case of %q", c["what"])
	}
	return nil
}

func firstVector(t *testing.T, c spec.Case, want *Document) {
	plan, err := dkg.ParsePlan(spectest.Bytes(t, c["plan"]))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := dkg.ParseCertificate(plan, spectest.Bytes(t, c["certificate"]))
	if err != nil {
		t.Fatal(err)
	}
	first, err := FirstDocument(plan, certificate)
	if err != nil || !bytes.Equal(first.Bytes(), want.Bytes()) {
		t.Errorf("another document follows from plan and certificate: %v", err)
	}
}

// combinedVector combines the case's shares.
func combinedVector(t *testing.T, c spec.Case) {
	d, err := ParseDocument(spectest.Bytes(t, c["document"]))
	if err != nil {
		t.Fatal(err)
	}
	shares := map[uint32][]byte{}
	for i, share := range strings.Split(c["shares"], ",") {
		shares[uint32(i+1)] = spectest.Bytes(t, share)
	}
	signature, _, err := d.CombineSignature(d.Point(), shares)
	if err != nil || hex.EncodeToString(signature) != c["signature"] {
		t.Errorf("another signature is combined: %x, %v", signature, err)
	}
}
