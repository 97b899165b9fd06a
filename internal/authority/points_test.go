package authority_test

import (
	"bytes"
	"crypto/hpke"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
)

// badPoints returns encodings that no decoder may take, of the length of good:
// a point of G1 (48 bytes) or G2 (96).
func badPoints(good []byte) map[string][]byte {
	identity, zero, flipped := make([]byte, len(good)), make([]byte, len(good)), bytes.Clone(good)
	identity[0], zero[0] = 0xc0, 0
	flipped[0] ^= 0x80
	return map[string][]byte{"identity": identity, "all zero": zero, "all ones": bytes.Repeat([]byte{0xff}, len(good)),
		"flag cleared": flipped, "off the curve": smallPoint(len(good), false), "outside the subgroup": smallPoint(len(good), true)}
}

// smallPoint encodes the least x from 1 for which the curve has a point, or has none,
// by nothing but y² = x³ + 4 in G1 and y² = x³ + 4(1+i) in G2. With x so small it lies in no
// subgroup of order r.
func smallPoint(size int, on bool) []byte {
	p, _ := new(big.Int).SetString("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16)
	for x := int64(1); ; x++ {
		square := big.NewInt(x*x*x + 4)
		if size == 96 { // a+bi is a square if and only if its norm is
			square.Add(square.Mul(square, square), big.NewInt(16))
		}
		if (big.Jacobi(square, p) >= 0) == on {
			b := big.NewInt(x).FillBytes(make([]byte, size))
			b[0] |= 0x80
			return b
		}
	}
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// TestBadPointsAreRefused sends them wherever a call takes a point that anybody
// may have chosen.
func TestBadPointsAreRefused(t *testing.T) {
	c := at(noon())
	d, err := authoritytest.Prepare(t.Context(), authoritytest.Config{Authorities: 2, Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Certify(t.Context()); err != nil {
		t.Fatal(err)
	}
	tryBadCertificates(t, d)
	tryBadTrials(t, d)
	if err := d.Try(t.Context()); err != nil {
		t.Fatal("the trial with good points:", err)
	}
	document, err := dta.FirstDocument(d.Plan, d.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	tryBadDocuments(t, d, document)
	if err := d.Publish(t.Context(), document); err != nil {
		t.Fatal("the document with good points:", err)
	}
	if err := d.AwaitStamp(t.Context()); err != nil {
		t.Error(err)
	}
}

// replaced returns b with a point in it exchanged.
func replaced(t *testing.T, b, point, by []byte) []byte {
	t.Helper()
	if !bytes.Contains(b, point) {
		t.Fatal("no such point")
	}
	return bytes.ReplaceAll(b, point, by)
}

func tryBadCertificates(t *testing.T, d *authoritytest.Domain) {
	m, master := d.Members[0], d.Certificate.MasterBytes()
	before := stateOf(t, m)
	for what, bad := range badPoints(master) {
		certificate := replaced(t, d.Certificate.Bytes(), master, bad)
		body := fmt.Sprintf(`{"plan":%q,"certificate":%q}`, hexOf(d), base64Of(certificate))
		if p := publicOf(m).post(t, "/v1/ceremony/certificate", body).problem; p == nil || p.Kind != problem.Malformed {
			t.Errorf("master %s: %v", what, p)
		}
	}
	if after := stateOf(t, m); after != before {
		t.Errorf("the state was\n%s, is\n%s", before, after)
	}
}

func tryBadTrials(t *testing.T, d *authoritytest.Domain) {
	var shares []dta.TestShare
	for _, m := range d.Members {
		share, err := (&dta.Client{}).DeliverCertificate(t.Context(), m.URL(), d.Plan.Hash(), d.Certificate.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	m, good := d.Members[0], shares[1].Share
	before := stateOf(t, m)
	bads := badPoints(good)
	bads["another's share"], bads["nothing"], bads["too long"] = shares[0].Share, nil, append(bytes.Clone(good), 0)
	for what, bad := range bads {
		shares[1].Share = bad
		body, err := json.Marshal(map[string]any{"plan": hexOf(d), "shares": shares})
		if err != nil {
			t.Fatal(err)
		}
		if p := publicOf(m).post(t, "/v1/ceremony/trial", string(body)).problem; p == nil || p.Kind != problem.CeremonyMessage {
			t.Errorf("trial share %s: %v", what, p)
		}
	}
	if after := stateOf(t, m); after != before {
		t.Errorf("the state was\n%s, is\n%s", before, after)
	}
}

func tryBadDocuments(t *testing.T, d *authoritytest.Domain, document *dta.Document) {
	m, public := d.Members[0], publicOf(d.Members[0])
	before := stateOf(t, m)
	signature, err := d.Sign(t.Context(), document)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range badPoints(signature) {
		body := fmt.Sprintf(`{"document":%q,"signature":%q}`, base64Of(document.Bytes()), base64Of(bad))
		if p := public.post(t, "/v1/domain/document", body).problem; p == nil || p.Kind != problem.Malformed {
			t.Errorf("signature %s: %v", what, p)
		}
	}
	first, _ := document.Authority(1)
	for _, point := range [][]byte{document.Master().Bytes(), first.Public.Bytes()} {
		for what, bad := range badPoints(point) {
			body := fmt.Sprintf(`{"document":%q}`, base64Of(replaced(t, document.Bytes(), point, bad)))
			for _, path := range []string{"approve", "share", "document"} {
				if p := public.post(t, "/v1/domain/"+path, body).problem; p == nil || p.Kind != problem.Malformed {
					t.Errorf("%s, a point %s in the document: %v", path, what, p)
				}
			}
		}
	}
	if after := stateOf(t, m); after != before {
		t.Errorf("the state was\n%s, is\n%s", before, after)
	}
}

// TestReplyKeyThatTakesNothingIsRefused shows reply keys whose X25519 half has
// low order: nothing can be sealed to them, and the code is not spent on it.
func TestReplyKeyThatTakesNothingIsRefused(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	a := newApplicant(t, d, web)
	code := d.Codes(t, a.name, identity.Channel)[1]
	for what, last := range map[string]byte{"zero": 0, "one": 1} {
		refused(t, a.ask(t, 1, func(q *dta.Request) {
			withCode(code)(q)
			key := q.ReplyKey.Bytes()
			x25519 := key[len(key)-32:]
			clear(x25519)
			x25519[0] = last
			low, err := hpke.MLKEM768X25519().NewPublicKey(key)
			if err != nil {
				t.Fatal(what, err)
			}
			q.ReplyKey = low
		}), problem.Malformed)
	}
	if n := issued(t, d.Members[0]); n != 0 {
		t.Errorf("%d shares issued", n)
	}
	if err := a.ask(t, 1, withCode(code)); err != nil {
		t.Error("the code is spent:", err)
	}
}
