package dta

import (
	"bytes"
	"crypto/hpke"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

// issuanceVectors returns by what a case of each kind is read.
var issuanceVectors = map[string]func(*testing.T, spec.Case) error{
	"code": codeVector, "request": requestVector, "reply": replyVector, "statement": statementVector, "time": timeVector, "false share": falseShareVector,
}

func TestIssuanceVectors(t *testing.T) {
	p := spectest.Load(t, "issuance")
	refusals := []error{ErrCode, ErrReply, ErrEvidence, keys.ErrShare, encoding.ErrEncoding, identity.ErrPossession, errSignedTime}
	for _, c := range p.Accept {
		if err := issuanceVectors[c["what"]](t, c); err != nil {
			t.Errorf("%s: %v", c["what"], err)
		}
	}
	for _, c := range p.Refuse {
		err := issuanceVectors[c["what"]](t, c)
		known := false
		for _, want := range refusals {
			known = known || errors.Is(err, want)
		}
		if !known {
			t.Errorf("%s, %s: %v", c["what"], c["reason"], err)
		}
	}
}

var errSignedTime = errors.New("time is not signed")

func codeVector(t *testing.T, c spec.Case) error {
	code, err := ParseCode(c["typed"])
	if err != nil {
		return err
	}
	if hash := code.Hash(); code.Canonical() != c["code"] || hex.EncodeToString(hash[:]) != c["hash"] ||
		fmt.Sprint(code.Index()) != c["index"] || hex.EncodeToString(code.secret[:]) != c["random"] {
		t.Errorf("%s reads as %s", c["typed"], code.Canonical())
	}
	return nil
}

func vectorBox(t *testing.T, c spec.Case) hpke.PrivateKey {
	t.Helper()
	key, err := hpke.MLKEM768X25519().NewPrivateKey(spectest.Bytes(t, c["box"]))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// requestVector opens what seals the case's plaintext, and what the case says
// seals it.
func requestVector(t *testing.T, c spec.Case) error {
	key := vectorBox(t, c)
	domain, index, time := identity.DomainID(spectest.Bytes(t, c["domain"])), uint32(spectest.Number(t, c["index"])), spectest.Number(t, c["time"])
	box, err := seal(key.PublicKey(), requestInfo(domain, index, time), spectest.Bytes(t, c["plaintext"]))
	if err != nil {
		t.Fatal(err)
	}
	q, err := (&SealedRequest{Domain: domain, Index: index, Time: time, box: box}).Open(key)
	if err != nil {
		return err
	}
	if hash := q.Hash(); hex.EncodeToString(hash[:]) != c["hash"] {
		t.Errorf("request hash is %x", hash)
	}
	if c["sealed"] == "" {
		return nil
	}
	s, err := ParseSealedRequest(spectest.Bytes(t, c["sealed"]))
	if err != nil {
		return err
	}
	again, err := s.Open(key)
	if err == nil && again.Hash() != q.Hash() {
		t.Error("another request was sealed")
	}
	return err
}

func replyVector(t *testing.T, c spec.Case) error {
	key, a := vectorBox(t, c), vectorAuthority(t, c, 1)
	r := encoding.Open(spectest.Bytes(t, c["request"]), signedRequestLabel)
	q, err := parseRequest(r.Bytes(maxRequestBody), r.Bytes(maxEvidence))
	if err != nil {
		t.Fatal(err)
	}
	sealings := [][]byte{nil}
	if sealings[0], err = seal(key.PublicKey(), replyInfo(q.Key.Domain, q.Index, q.Hash()), spectest.Bytes(t, c["signed"])); err != nil {
		t.Fatal(err)
	}
	if c["sealed"] != "" {
		sealings = append(sealings, spectest.Bytes(t, c["sealed"]))
	}
	for _, sealed := range sealings {
		p, signed, err := OpenReply(a, q, key, sealed)
		if err != nil {
			return err
		}
		if !bytes.Equal(signed, spectest.Bytes(t, c["signed"])) {
			t.Error("another reply was sealed")
		}
		if _, err := p.KeyShare(vectorDocument(t, c), a); err != nil {
			return err
		}
	}
	return nil
}

// vectorAuthority returns an authority of the case's document.
func vectorAuthority(t *testing.T, c spec.Case, index uint32) Authority {
	t.Helper()
	d := vectorDocument(t, c)
	a, ok := d.Authority(index)
	if !ok {
		t.Fatalf("no authority %d", index)
	}
	return a
}

func statementVector(t *testing.T, c spec.Case) error {
	s, err := ParseStatement(vectorAuthority(t, c, uint32(spectest.Number(t, c["index"]))), spectest.Bytes(t, c["statement"]))
	if err != nil {
		return err
	}
	if s.Name.String() != c["name"] || s.Time != spectest.Number(t, c["time"]) {
		t.Errorf("statement says %+v", s)
	}
	return nil
}

func timeVector(t *testing.T, c spec.Case) error {
	d, err := ParseDocument(spectest.Bytes(t, c["document"]))
	if err != nil {
		t.Fatal(err)
	}
	a := vectorAuthority(t, c, uint32(spectest.Number(t, c["index"])))
	if !VerifyTime(a, d.ID(), [32]byte(spectest.Bytes(t, c["request"])), spectest.Number(t, c["time"]), spectest.Bytes(t, c["signature"])) {
		return errSignedTime
	}
	return nil
}

func falseShareVector(t *testing.T, c spec.Case) error {
	convicted, err := JudgeFalseShare(spectest.Bytes(t, c["evidence"]))
	if err != nil {
		return err
	}
	if fmt.Sprint(convicted.Authority.Index) != c["guilty"] {
		t.Errorf("authority %d is convicted", convicted.Authority.Index)
	}
	return nil
}

func vectorDocument(t *testing.T, c spec.Case) *Document {
	t.Helper()
	d, err := ParseDocument(spectest.Bytes(t, c["document"]))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
