package dta

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/spec"
)

func loadVectors(t *testing.T, page string) *spec.Page {
	t.Helper()
	p, err := spec.Load(page)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDocumentVectors(t *testing.T) {
	p := loadVectors(t, "document")
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
		p := Published{Stamp: &Stamp{Day: uint32(number(t, c["day"]))}}
		return p.Fresh(number(t, c["now"]))
	}
	d, err := ParseDocument(unhex(t, c["document"]))
	if err != nil {
		return err
	}
	switch c["what"] {
	case "published":
		p := &Published{Document: d, Signature: unhex(t, c["signature"])}
		if c["stamp"] != "" {
			if p.Stamp, err = ParseStamp(unhex(t, c["stamp"])); err != nil {
				return err
			}
		}
		return p.Verify(identity.DomainID(unhex(t, c["id"])))
	case "approval":
		approved := [][]byte{unhex(t, c["approval"])}
		if index, ok := approver(d.Authorities(), d, approved[0]); !ok || uint64(index) != number(t, c["index"]) {
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
	plan, err := dkg.ParsePlan(unhex(t, c["plan"]))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := dkg.ParseCertificate(plan, unhex(t, c["certificate"]))
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
	d, err := ParseDocument(unhex(t, c["document"]))
	if err != nil {
		t.Fatal(err)
	}
	shares := map[uint32][]byte{}
	for i, share := range strings.Split(c["shares"], ",") {
		shares[uint32(i+1)] = unhex(t, share)
	}
	signature, _, err := d.CombineSignature(d.Point(), shares)
	if err != nil || hex.EncodeToString(signature) != c["signature"] {
		t.Errorf("another signature is combined: %x, %v", signature, err)
	}
}
