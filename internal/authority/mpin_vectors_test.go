package authority

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

// A vectorAuthority is authority 1 of the vectors of M-Pin.
type vectorAuthority struct {
	domain *served
	self   *self
}

func newVectorAuthority(t *testing.T, p *spec.Page) *vectorAuthority {
	t.Helper()
	for _, c := range p.Accept {
		if c["what"] != "document" {
			continue
		}
		d, err := dta.ParseDocument(spectest.Bytes(t, c["document"]))
		if err != nil {
			t.Fatal(err)
		}
		service, _ := d.Service("login")
		card, _ := d.Authority(1)
		domain := &served{Published: &dta.Published{Document: d}, self: card, services: map[identity.ServiceID]*master{d.ServiceID(service): {service: service}}}
		return &vectorAuthority{domain, &self{card: &dkg.Card{Ed25519: card.Ed25519}, signing: ed25519.NewKeyFromSeed(make([]byte, 32))}}
	}
	t.Fatal("no document among the vectors")
	return nil
}

// approves reads an operator's approval as the call does that is for its act.
func (v *vectorAuthority) approves(t *testing.T, c spec.Case) error {
	o := &operators{self: v.self, state: emptyState(t), clock: func() time.Time { return vectorTime(t, c) }}
	for i, key := range spectest.List(t, c["operators"]) {
		if _, entered, err := o.state.enter(t.Context(), operator{name: string(rune('A' + i)), key: key}, nil, o.clock()); err != nil || !entered {
			t.Fatal(err)
		}
	}
	given, what, err := o.readApproval(t.Context(), spectest.Bytes(t, c["approval"]))
	if err != nil {
		return err
	}
	if c["act"] == string(actServerKey) {
		service, err := v.domain.deliverable(what)
		if err == nil && (service != "login" || !bytes.Equal(what.subject, spectest.Bytes(t, c["subject"]))) {
			t.Errorf("%s: approves %x of %s", c["reason"], what.subject, service)
		}
		return err
	}
	r := encoding.Open(spectest.Bytes(t, c["subject"]), operatorLabel)
	in := operatorRequest{Name: r.String(1 << 10), Key: HexHash(r.Fixed(ed25519.PublicKeySize)), Approvals: [][]byte{given.signed}}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	entry, err := o.enter(t.Context(), in)
	if err == nil && (entry.Entered || entry.Approved != 1) {
		t.Errorf("%s: %+v", c["reason"], entry)
	}
	return err
}

func vectorTime(t *testing.T, c spec.Case) time.Time {
	t.Helper()
	return time.Unix(int64(spectest.Number(t, c["now"])), 0)
}

// delivers reads a server key request up to what operators must approve.
func (v *vectorAuthority) delivers(t *testing.T, c spec.Case) error {
	now, signed := vectorTime(t, c), spectest.Bytes(t, c["request"])
	q, _, err := dta.ParseServerKeyRequest(v.domain.Document, signed)
	if err != nil {
		return notWord(err)
	}
	v.domain.Stamp = &dta.Stamp{Day: dta.Day(unixSeconds(now))}
	m, err := (&logins{self: v.self}).admitted(v.domain, q, sha256.Sum256(signed), now)
	if err == nil && m.service.Name != "login" {
		t.Errorf("delivers to %s", m.service.Name)
	}
	return err
}

// succeeds reads the evidence of a PIN change up to the old device's enrolment here.
func (v *vectorAuthority) succeeds(t *testing.T, c spec.Case) error {
	q := vectorRequest(t, spectest.Bytes(t, c["request"]))
	voucher, err := dta.ParseSuccession(spectest.Bytes(t, c["key"]), q)
	if err != nil {
		return problem.New(problem.VoucherRefused, "%s", err)
	}
	return (&claim{Request: q, now: vectorTime(t, c)}).fits(voucher, v.domain.self.Index)
}

// vectorRequest opens a request that it has sealed itself: the vectors have it open.
func vectorRequest(t *testing.T, plaintext []byte) *dta.Request {
	t.Helper()
	key, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	r := encoding.Open(plaintext, "milagro/v1 signed request")
	body := encoding.Open(r.Bytes(1<<16), "milagro/v1 request")
	domain, _, index := body.Fixed(32), body.Fixed(40), body.U32()
	for range 7 { // purpose, service, name, epoch, channel kind, device and reply key
		body.Bytes(1 << 16)
	}
	at := body.U64()
	info := encoding.LP("milagro/v1 seal", domain, encoding.U32(index), []byte("request"), encoding.U64(at))
	box, err := hpke.Seal(key.PublicKey(), hpke.HKDFSHA256(), hpke.AES256GCM(), info, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := dta.ParseSealedRequest(encoding.LP("milagro/v1 sealed request", domain, encoding.U32(index), encoding.U64(at), box))
	if err != nil {
		t.Fatal(err)
	}
	q, err := sealed.Open(key)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestLoginVectors reads the vectors of what operators, login servers and devices
// that take another's place send to an authority.
func TestLoginVectors(t *testing.T) {
	p := spectest.Load(t, "mpin")
	v := newVectorAuthority(t, p)
	read := map[string]func(*testing.T, spec.Case) error{"operator approval": v.approves, "server key request": v.delivers, "succession": v.succeeds}
	for _, c := range p.Accept {
		if judge := read[c["what"]]; judge != nil {
			if err := judge(t, c); err != nil {
				t.Errorf("%s at %s: %v", c["what"], c["now"], err)
			}
		}
	}
	for _, c := range p.Refuse {
		if judge := read[c["what"]]; judge != nil {
			var refused *problem.Problem
			if err := judge(t, c); !errors.As(err, &refused) || refused.Kind == problem.Unavailable {
				t.Errorf("%s: %v", c["reason"], err)
			}
		}
	}
}
