package dta

import (
	"bytes"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

func TestCodeSurvivesItsText(t *testing.T) {
	for index := uint32(1); index <= MaxAuthorities; index++ {
		c := NewCode(index)
		for _, text := range []string{c.Canonical(), strings.ToLower(c.Canonical()), " " + c.Canonical() + "\n"} {
			got, err := ParseCode(text)
			if err != nil || got != c {
				t.Errorf("%q: %v, %v", text, got, err)
			}
		}
	}
}

func TestCodeReadsWhatPeopleMistake(t *testing.T) {
	c := Code{index: 1, secret: [10]byte{}}
	mistaken := strings.ReplaceAll(c.Canonical()[2:], "0", "O")
	if got, err := ParseCode("1-" + mistaken); err != nil || got != c {
		t.Errorf("O for 0: %v, %v", got, err)
	}
}

func TestParseCodeRefuses(t *testing.T) {
	good := NewCode(3).Canonical()
	last := good[len(good)-1]
	wrong := "0"
	if last == '0' {
		wrong = "1"
	}
	for name, text := range map[string]string{
		"empty": "", "no index": good[2:], "index 0": "0" + good[1:], "index 17": "17" + good[1:],
		"index with a zero": "0" + good, "another index": "4" + good[1:], "short": good[:len(good)-1],
		"long": good + "0", "a wrong check": good[:len(good)-1] + wrong, "a U": good[:3] + "U" + good[4:],
		"an end of line within": good[:3] + "\n" + good[4:], "another end of line": good[:3] + "\r" + good[4:],
	} {
		if _, err := ParseCode(text); !errors.Is(err, ErrCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCodeIsNeverPrinted(t *testing.T) {
	c := NewCode(2)
	_, err := ParseCode(c.Canonical() + "0")
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), err.Error()} {
		if strings.Contains(text, c.Canonical()[2:7]) {
			t.Errorf("%q tells the code", text)
		}
	}
}

func TestCodeHashBindsTheAuthority(t *testing.T) {
	a := NewCode(1)
	b := Code{index: 2, secret: a.secret}
	if a.Hash() == b.Hash() || a.Hash() == NewCode(1).Hash() {
		t.Error("two codes have one hash")
	}
}

func newRequest(t testing.TB, d *domain, index uint32) (*Request, hpke.PrivateKey, []byte) {
	t.Helper()
	reply, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	signer := newDevice(t)
	device, err := identity.DeviceOf(signer)
	if err != nil {
		t.Fatal(err)
	}
	q := &Request{Key: channelKey(t), Generation: d.published.Document.Generation(), Index: index,
		Device: device, ReplyKey: reply.PublicKey(), Time: testNow, Evidence: CodeEvidence(NewCode(index))}
	q.Key.Domain = d.published.Document.ID()
	rand.Read(q.Nonce[:])
	sealed, err := q.Seal(d.opening[index-1].PublicKey(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return q, reply, sealed
}

func openRequest(sealed []byte, key hpke.PrivateKey) (*Request, error) {
	s, err := ParseSealedRequest(sealed)
	if err != nil {
		return nil, err
	}
	return s.Open(key)
}

func TestRequestOpensAtItsAuthorityOnly(t *testing.T) {
	d := newDomain(t, 2, 3)
	q, _, sealed := newRequest(t, d, 2)
	got, err := openRequest(sealed, d.opening[1])
	if err != nil {
		t.Fatal(err)
	}
	if got.Hash() != q.Hash() || got.IdentityKey() != q.IdentityKey() || !bytes.Equal(got.Evidence, q.Evidence) {
		t.Errorf("opened as %+v", got)
	}
	if _, err := openRequest(sealed, d.opening[0]); !errors.Is(err, ErrOpen) {
		t.Errorf("another authority: %v", err)
	}
}

func TestOpenRequestRefusesAlteredFields(t *testing.T) {
	d := newDomain(t, 2, 3)
	_, _, sealed := newRequest(t, d, 1)
	step := len(sealed)/400 + 1
	for i := 0; i < len(sealed); i += step {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		if _, err := openRequest(bad, d.opening[0]); err == nil {
			t.Fatalf("byte %d of %d altered and accepted", i, len(sealed))
		}
	}
	r := encoding.Open(sealed, sealedRequestLabel)
	domain, index, time, box := r.Fixed(32), r.Fixed(4), r.U64(), r.Bytes(MaxSealed)
	for name, b := range map[string][]byte{
		"time":   encoding.LP(sealedRequestLabel, domain, index, encoding.U64(time+1), box),
		"index":  encoding.LP(sealedRequestLabel, domain, encoding.U32(2), encoding.U64(time), box),
		"domain": encoding.LP(sealedRequestLabel, make([]byte, 32), index, encoding.U64(time), box),
	} {
		if _, err := openRequest(b, d.opening[0]); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// reseal seals a body and signature of the test's choice, as an enemy who
// knows the authority's public key would.
func reseal(t *testing.T, d *domain, q *Request, body, evidence, signature []byte) []byte {
	t.Helper()
	box, err := seal(d.opening[0].PublicKey(), requestInfo(q.Key.Domain, q.Index, q.Time),
		encoding.LP(signedRequestLabel, body, evidence, signature))
	if err != nil {
		t.Fatal(err)
	}
	return encoding.LP(sealedRequestLabel, q.Key.Domain[:], encoding.U32(q.Index), encoding.U64(q.Time), box)
}

func TestOpenRequestRefusesAnotherDevice(t *testing.T) {
	d := newDomain(t, 2, 3)
	q, _, _ := newRequest(t, d, 1)
	thief, err := identity.SignDevice(newDevice(t), q.Hash())
	if err != nil {
		t.Fatal(err)
	}
	for name, signature := range map[string][]byte{"another key's": thief, "zero": make([]byte, 64)} {
		if _, err := openRequest(reseal(t, d, q, q.body(), q.Evidence, signature), d.opening[0]); !errors.Is(err, identity.ErrPossession) {
			t.Errorf("%s signature: %v", name, err)
		}
	}
}

func TestOpenRequestRefusesWhatDiffersFromItsEnvelope(t *testing.T) {
	d := newDomain(t, 2, 3)
	q, _, _ := newRequest(t, d, 1)
	changed := *q
	changed.Time++
	for name, b := range map[string][]byte{
		"another time inside": reseal(t, d, q, changed.body(), q.Evidence, make([]byte, 64)),
		"other evidence":      reseal(t, d, q, q.body(), []byte("x"), make([]byte, 64)),
		"a byte too many":     reseal(t, d, q, append(q.body(), 0), q.Evidence, make([]byte, 64)),
		"a short signature":   reseal(t, d, q, q.body(), q.Evidence, make([]byte, 63)),
	} {
		if _, err := openRequest(b, d.opening[0]); !errors.Is(err, encoding.ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryFieldChangesTheRequestHash(t *testing.T) {
	d := newDomain(t, 2, 3)
	q, _, _ := newRequest(t, d, 1)
	other, _, _ := newRequest(t, d, 1)
	changes := map[string]func(*Request){
		"domain": func(q *Request) { q.Key.Domain[0] ^= 1 }, "purpose": func(q *Request) { q.Key.Purpose = identity.Decrypt },
		"service": func(q *Request) { q.Key.Service[0] = 1 }, "name": func(q *Request) { q.Key.Name = mustName(t, "spiffe://example.org/api") },
		"epoch": func(q *Request) { q.Key.Epoch = q.Key.Epoch.Next() }, "generation": func(q *Request) { q.Generation.Counter++ },
		"index": func(q *Request) { q.Index++ }, "channel kind": func(q *Request) { q.ChannelKind++ }, "device": func(q *Request) { q.Device = other.Device },
		"reply key": func(q *Request) { q.ReplyKey = other.ReplyKey }, "time": func(q *Request) { q.Time++ },
		"nonce": func(q *Request) { q.Nonce[0] ^= 1 }, "evidence": func(q *Request) { q.Evidence = nil },
	}
	for name, change := range changes {
		changed := *q
		change(&changed)
		if changed.Hash() == q.Hash() {
			t.Errorf("%s is not in the request hash", name)
		}
	}
}

func TestReplyOpensWithItsReplyKeyOnly(t *testing.T) {
	d := newDomain(t, 2, 3)
	q, replyKey, _ := newRequest(t, d, 1)
	a, _ := d.published.Document.Authority(1)
	sealed := answerTo(t, d, q, 0)
	p, signed, err := OpenReply(a, q, replyKey, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.KeyShare(d.published.Document, a); err != nil || len(signed) == 0 {
		t.Errorf("share: %v", err)
	}
	_, another, _ := newRequest(t, d, 1)
	if _, _, err := OpenReply(a, q, another, sealed); !errors.Is(err, ErrReply) {
		t.Errorf("another reply key: %v", err)
	}
	b, _ := d.published.Document.Authority(2)
	if _, _, err := OpenReply(b, q, replyKey, sealed); !errors.Is(err, ErrReply) {
		t.Errorf("as another authority's: %v", err)
	}
	for i := 0; i < len(sealed); i += 31 {
		bad := slices.Clone(sealed)
		bad[i] ^= 0x80
		if _, _, err := OpenReply(a, q, replyKey, bad); !errors.Is(err, ErrReply) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
}

// answerTo returns authority 1's sealed reply to q, with the share of the
// authority at place from.
func answerTo(t *testing.T, d *domain, q *Request, from int) []byte {
	t.Helper()
	point, err := q.IdentityKey().Point()
	if err != nil {
		t.Fatal(err)
	}
	p := ReplyTo(q, d.shares[from].Issue(point))
	p.Statement = StatementFor(q, testNow).Sign(d.signing[q.Index-1])
	sealed, err := p.Seal(d.signing[q.Index-1], q.ReplyKey)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestReplyToAnotherRequestIsRefused(t *testing.T) {
	d := newDomain(t, 2, 3)
	a, _ := d.published.Document.Authority(1)
	changes := map[string]func(*Reply){
		"name":         func(p *Reply) { p.Key.Name = mustName(t, "spiffe://example.org/api") },
		"device":       func(p *Reply) { p.Device[0] ^= 1 },
		"epoch":        func(p *Reply) { p.Key.Epoch = p.Key.Epoch.Next() },
		"generation":   func(p *Reply) { p.Generation.Counter++ },
		"index":        func(p *Reply) { p.Index = 2 },
		"request hash": func(p *Reply) { p.RequestHash[0] ^= 1 },
		"purpose":      func(p *Reply) { p.Key.Purpose = identity.Decrypt },
	}
	for name, change := range changes {
		q, replyKey, _ := newRequest(t, d, 1)
		p := ReplyTo(q, d.shares[0].Issue(d.published.Document.Point()))
		change(p)
		box, err := seal(q.ReplyKey, replyInfo(q.Key.Domain, 1, q.Hash()), encoding.Sign(d.signing[0], p.body()))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenReply(a, q, replyKey, box); !errors.Is(err, ErrReply) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestStatementIsItsAuthoritysAlone(t *testing.T) {
	d := newDomain(t, 2, 3)
	q, _, _ := newRequest(t, d, 1)
	a, _ := d.published.Document.Authority(1)
	b, _ := d.published.Document.Authority(2)
	want := StatementFor(q, testNow)
	got, err := ParseStatement(a, want.Sign(d.signing[0]))
	if err != nil || got != want {
		t.Errorf("statement = %+v, error %v", got, err)
	}
	if _, err := ParseStatement(b, want.Sign(d.signing[0])); !errors.Is(err, ErrReply) {
		t.Errorf("as another's: %v", err)
	}
	if _, err := ParseStatement(b, want.Sign(d.signing[1])); !errors.Is(err, ErrReply) {
		t.Errorf("index 1 signed by authority 2: %v", err)
	}
}

func TestSignedTimeRefusesAnotherKey(t *testing.T) {
	d := newDomain(t, 2, 3)
	a, _ := d.published.Document.Authority(1)
	b, _ := d.published.Document.Authority(2)
	id := d.published.Document.ID()
	signature := SignTime(d.signing[0], id, 1, [32]byte{1}, testNow)
	if !VerifyTime(a, id, [32]byte{1}, testNow, signature) {
		t.Error("the authority's own time is refused")
	}
	if VerifyTime(b, id, [32]byte{1}, testNow, signature) || VerifyTime(a, id, [32]byte{2}, testNow, signature) ||
		VerifyTime(a, id, [32]byte{1}, testNow+1, signature) {
		t.Error("a time is taken that the authority did not sign for this request")
	}
}

func TestJudgeFalseShareConvictsTheLiarOnly(t *testing.T) {
	d := newDomain(t, 2, 3)
	a, _ := d.published.Document.Authority(1)
	signedReply := func(from int) []byte {
		q, replyKey, _ := newRequest(t, d, 1)
		_, signed, err := OpenReply(a, q, replyKey, answerTo(t, d, q, from))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	c, err := JudgeFalseShare(falseShare(d.published, signedReply(1)))
	if err != nil || c.Authority.Index != 1 || c.Key.Name.String() != "spiffe://example.org/web" {
		t.Fatalf("conviction %+v, error %v", c, err)
	}
	other := newDomain(t, 2, 3)
	unsigned := *d.published
	unsigned.Signature = other.published.Signature
	for name, evidence := range map[string][]byte{
		"a good share":                      falseShare(d.published, signedReply(0)),
		"another domain's document":         falseShare(other.published, signedReply(1)),
		"a document that nobody signed":     falseShare(&unsigned, signedReply(1)),
		"a reply that no authority signed":  falseShare(d.published, encoding.Sign(other.signing[0], encoding.LP(replyLabel))),
		"a reply of another generation":     falseShare(d.published, foreignReply(t, d, func(p *Reply) { p.Generation.Counter++ })),
		"a reply of another authority":      falseShare(d.published, foreignReply(t, d, func(p *Reply) { p.Index = 2 })),
		"a reply of another domain":         falseShare(d.published, foreignReply(t, d, func(p *Reply) { p.Key.Domain[0] ^= 1 })),
		"a share of an M-Pin master":        falseShare(d.published, foreignReply(t, d, func(p *Reply) { p.Key.Purpose = identity.Permit })),
		"a purpose that is nobody's":        falseShare(d.published, foreignReply(t, d, func(p *Reply) { p.Key.Purpose = "x" })),
		"truncated":                         falseShare(d.published, signedReply(1))[:500],
		"empty":                             nil,
		"an enrolment statement, not reply": falseShare(d.published, StatementFor(&Request{}, 1).Sign(d.signing[0])),
	} {
		if c, err := JudgeFalseShare(evidence); !errors.Is(err, ErrEvidence) {
			t.Errorf("%s convicts %+v, error %v", name, c, err)
		}
	}
}

// foreignReply is a reply that authority 1 signed after change.
func foreignReply(t *testing.T, d *domain, change func(*Reply)) []byte {
	t.Helper()
	q, _, _ := newRequest(t, d, 1)
	p := ReplyTo(q, d.shares[1].Issue(d.published.Document.Point()))
	change(p)
	return encoding.Sign(d.signing[0], p.body())
}

func TestKeyShareRefusesBadPoints(t *testing.T) {
	d := newDomain(t, 2, 3)
	a, _ := d.published.Document.Authority(1)
	q, _, _ := newRequest(t, d, 1)
	for name, b := range map[string][]byte{"identity": append([]byte{0xc0}, make([]byte, 47)...),
		"not on the curve": append([]byte{0x80}, bytes.Repeat([]byte{1}, 47)...), "short": make([]byte, 47)} {
		p := ReplyTo(q, d.shares[0].Issue(d.published.Document.Point()))
		p.Share = b
		if _, err := p.KeyShare(d.published.Document, a); !errors.Is(err, keys.ErrShare) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add(encoding.LP(documentLabel))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := ParseDocument(b); err == nil && !bytes.Equal(d.fields.encode(), b) {
			t.Error("document does not survive")
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add(encoding.LP(requestLabel), []byte{})
	f.Fuzz(func(t *testing.T, body, evidence []byte) {
		if q, err := parseRequest(body, evidence); err == nil && !bytes.Equal(q.body(), body) {
			t.Error("request does not survive")
		}
	})
}

func FuzzParseCode(f *testing.F) {
	f.Add(NewCode(1).Canonical())
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := ParseCode(s); err == nil {
			if again, err := ParseCode(c.Canonical()); err != nil || again != c {
				t.Errorf("%q does not survive", s)
			}
		}
	})
}

func FuzzParsePublished(f *testing.F) {
	f.Add([]byte(`{"document":"","signature":""}`))
	f.Fuzz(func(t *testing.T, b []byte) { ParsePublished(b) })
}

func FuzzJudgeFalseShare(f *testing.F) {
	f.Add(encoding.LP(falseShareLabel))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := JudgeFalseShare(b); err == nil {
			t.Error("garbage convicts")
		}
	})
}
