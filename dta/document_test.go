package dta

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

func TestDocumentSurvivesItsBytes(t *testing.T) {
	d := newDomain(t, 2, 3)
	doc, err := ParseDocument(d.published.Document.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(doc.fields.encode(), d.published.Document.bytes) {
		t.Error("encoded again, the bytes differ")
	}
	if doc.Threshold() != 2 || len(doc.Authorities()) != 3 || doc.Domain() != "example.org" {
		t.Errorf("parsed as %d of %d of %s", doc.Threshold(), len(doc.Authorities()), doc.Domain())
	}
	if _, ok := doc.Authority(4); ok {
		t.Error("there is a fourth authority")
	}
}

func TestPublishedVerifiesWithTheFingerprintAlone(t *testing.T) {
	d := newDomain(t, 2, 3)
	b, err := json.Marshal(d.published)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePublished(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(d.published.Document.ID()); err != nil {
		t.Error(err)
	}
	if err := p.Verify(identity.DomainID{1}); !errors.Is(err, ErrDocument) {
		t.Errorf("another fingerprint: %v", err)
	}
}

func TestDocumentRefusesAnotherSignature(t *testing.T) {
	d, other := newDomain(t, 2, 3), newDomain(t, 2, 3)
	doc := d.published.Document
	cases := map[string][]byte{
		"another master's":     other.published.Signature,
		"of another purpose":   d.sign(t, doc.FreshPoint(1)),
		"of the next revision": d.sign(t, identity.DocumentPoint(doc.ID(), 2, doc.Hash())),
		"one share alone":      d.shares[0].Issue(doc.Point()).Expose(),
		"empty":                nil,
		"identity":             append([]byte{0xc0}, make([]byte, 47)...),
	}
	for name, signature := range cases {
		if err := doc.VerifySignature(signature); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

func TestDocumentRefusesSharesOffThePolynomial(t *testing.T) {
	d := newDomain(t, 2, 3)
	f := d.revise()
	f.Authorities[2].Public = pairing.RandomSecret().G2()
	if _, err := NewDocument(f); !errors.Is(err, ErrDocument) {
		t.Errorf("a foreign share: %v", err)
	}
	f = d.revise()
	f.Master = newDomain(t, 2, 3).published.Document.Master()
	if _, err := NewDocument(f); !errors.Is(err, ErrDocument) {
		t.Errorf("a foreign master: %v", err)
	}
	f = newDomain(t, 3, 3).revise()
	f.Threshold = 2
	if _, err := NewDocument(f); !errors.Is(err, ErrDocument) {
		t.Errorf("a lower threshold than the polynomial's: %v", err)
	}
}

func TestDocumentRefuses(t *testing.T) {
	d := newDomain(t, 2, 3)
	cases := map[string]func(*Fields){
		"threshold of 1":            func(f *Fields) { f.Threshold = 1 },
		"threshold over n":          func(f *Fields) { f.Threshold = 4 },
		"revision 0":                func(f *Fields) { f.Revision = 0 },
		"revision 2 with no parent": func(f *Fields) { f.Revision = 2 },
		"revision 1 with a parent":  func(f *Fields) { f.Predecessor = make([]byte, 32) },
		"a parent of 31 bytes":      func(f *Fields) { f.Revision, f.Predecessor = 2, make([]byte, 31) },
		"no suites":                 func(f *Fields) { f.Suites = nil },
		"suites out of order":       func(f *Fields) { f.Suites = []byte{2, 1} },
		"a suite twice":             func(f *Fields) { f.Suites = []byte{1, 1} },
		"flags out of order":        func(f *Fields) { f.Flags = []string{"b", "a"} },
		"no channel epochs":         func(f *Fields) { f.Schedules = map[identity.Purpose]identity.Schedule{identity.Decrypt: {Length: 1}} },
		"epochs of length 0":        func(f *Fields) { f.Schedules = map[identity.Purpose]identity.Schedule{identity.Channel: {}} },
		"epochs of another purpose": func(f *Fields) {
			f.Schedules = map[identity.Purpose]identity.Schedule{identity.Channel: {Length: 1}, "fresh": {Length: 1}}
		},
		"domain in capitals":           func(f *Fields) { f.Domain = "Example.org" },
		"an index out of place":        func(f *Fields) { f.Authorities[0].Index = 2 },
		"a name twice":                 func(f *Fields) { f.Authorities[1].Name = f.Authorities[0].Name },
		"a URL twice":                  func(f *Fields) { f.Authorities[1].URL = f.Authorities[0].URL },
		"a URL of another scheme":      func(f *Fields) { f.Authorities[1].URL = "ftp://x" },
		"a signing key twice":          func(f *Fields) { f.Authorities[1].Ed25519 = f.Authorities[0].Ed25519 },
		"an HPKE key twice":            func(f *Fields) { f.Authorities[1].HPKE = f.Authorities[0].HPKE },
		"an authority without name":    func(f *Fields) { f.Authorities[1].Name = "" },
		"a service's name in capitals": func(f *Fields) { s := pinService(t, *f); s.Name = "Login"; f.Services = []Service{s} },
		"a service's origin with path": func(f *Fields) { s := pinService(t, *f); s.Origin += "/"; f.Services = []Service{s} },
		"services out of order":        func(f *Fields) { s := pinService(t, *f); f.Services = []Service{s, s} },
		"a service's share too few":    func(f *Fields) { s := pinService(t, *f); s.Public = s.Public[:2]; f.Services = []Service{s} },
		"a service's shares swapped":   func(f *Fields) { s := pinService(t, *f); slices.Reverse(s.Public); f.Services = []Service{s} },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			f := d.revise()
			change(&f)
			if _, err := NewDocument(f); !errors.Is(err, ErrDocument) {
				t.Errorf("error = %v, want ErrDocument", err)
			}
		})
	}
}

func TestDocumentListsAPinService(t *testing.T) {
	f := newDomain(t, 2, 3).revise()
	f.Services = []Service{pinService(t, f)}
	if _, err := NewDocument(f); !errors.Is(err, ErrDocument) {
		t.Errorf("a service without epochs of permits: %v", err)
	}
	f.Schedules[identity.Permit] = identity.Schedule{Length: 30 * 86_400}
	doc, err := NewDocument(f)
	if err != nil {
		t.Fatal(err)
	}
	s := doc.Services()
	if len(s) != 1 || s[0].Name != "login" || len(s[0].Public) != 3 {
		t.Fatalf("services = %v", s)
	}
	if found, ok := doc.Service("login"); !ok || found.Name != "login" {
		t.Error("it is not found by its name")
	}
	if found, ok := doc.ServiceByID(doc.ServiceID(s[0])); !ok || found.Name != "login" {
		t.Error("it is not found by its identity")
	}
	if _, ok := doc.Service("logout"); ok {
		t.Error("a service that is not there is found")
	}
}

// pinService is a service with a polynomial of its own over G1.
func pinService(t *testing.T, f Fields) Service {
	t.Helper()
	a, b := pairing.RandomSecret(), pairing.RandomSecret()
	s := Service{Name: "login", Generation: f.Generation, Origin: "https://login.example.org", LoginKey: make(ed25519.PublicKey, ed25519.PublicKeySize)}
	for i := range f.Authorities {
		s.Public = append(s.Public, a.Add(b.MulPublic(pairing.NewScalar(uint64(i+1)))).G1())
	}
	master, err := keys.ParsePinMaster(a.G1().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	s.Master = master
	return s
}

func TestDocumentRefusesEveryTruncation(t *testing.T) {
	b := newDomain(t, 2, 3).published.Document.Bytes()
	for n := 0; n < len(b); n += 97 {
		if _, err := ParseDocument(b[:n]); !errors.Is(err, ErrDocument) {
			t.Fatalf("first %d bytes: %v", n, err)
		}
	}
	if _, err := ParseDocument(append(b, 0)); !errors.Is(err, ErrDocument) {
		t.Errorf("a byte too many: %v", err)
	}
	if _, err := ParseDocument(make([]byte, MaxDocument+1)); !errors.Is(err, ErrDocument) {
		t.Errorf("too long: %v", err)
	}
}

func TestPublishedGoesStale(t *testing.T) {
	d := newDomain(t, 2, 2)
	const day = 86_400
	for now, fresh := range map[uint64]bool{testNow: true, testNow + 7*day: true, testNow + 8*day: false,
		testNow - day: true, testNow - 2*day: false} {
		if err := d.published.Fresh(now); errors.Is(err, ErrStale) == fresh || err != nil && fresh {
			t.Errorf("%d days later: %v", (int64(now)-testNow)/day, err)
		}
	}
	d.published.Stamp = nil
	if err := d.published.Fresh(testNow); !errors.Is(err, ErrStale) {
		t.Errorf("no stamp: %v", err)
	}
}

func TestStampIsForOneDocumentAndDay(t *testing.T) {
	d := newDomain(t, 2, 2)
	doc, good := d.published.Document, *d.published.Stamp
	if err := good.Verify(doc); err != nil {
		t.Fatal(err)
	}
	later, unsigned, foreign := good, good, good
	later.Day++
	unsigned.Signature = d.published.Signature
	foreign.Hash[0] ^= 1
	for name, s := range map[string]Stamp{"another day": later, "the document's signature": unsigned, "another document": foreign} {
		if err := s.Verify(doc); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := *d.published
	p.Stamp = &later
	if err := p.Verify(doc.ID()); !errors.Is(err, ErrDocument) {
		t.Errorf("published with a false stamp: %v", err)
	}
}

func TestParsePublishedRefuses(t *testing.T) {
	good, err := json.Marshal(newDomain(t, 2, 2).published)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"empty": nil, "not JSON": []byte("x"), "two objects": append(slices.Clone(good), good...),
		"another member": []byte(`{"document":"","signature":"","extra":1}`),
		"no document":    []byte(`{"signature":""}`),
		"bad stamp":      bytes.Replace(good, []byte(`"stamp":"`), []byte(`"stamp":"AAAA`), 1),
		"too long":       bytes.Repeat([]byte(" "), maxPublished+1),
	}
	for name, b := range cases {
		if _, err := ParsePublished(b); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestApprovalsNeedAQuorum(t *testing.T) {
	d := newDomain(t, 2, 3) // q = 3
	doc := d.published.Document
	var approvals [][]byte
	for i, key := range d.signing {
		approvals = append(approvals, SignApproval(key, uint32(i+1), doc))
	}
	if err := VerifyApprovals(doc.Authorities(), doc, approvals); err != nil {
		t.Fatal(err)
	}
	revised := d.revise()
	revised.Flags = []string{"other"}
	other, err := NewDocument(revised)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][][]byte{
		"two of three":       approvals[:2],
		"one of them twice":  {approvals[0], approvals[0], approvals[1]},
		"one for another":    {approvals[0], approvals[1], SignApproval(d.signing[2], 3, other)},
		"one by another key": {approvals[0], approvals[1], SignApproval(d.signing[0], 3, doc)},
		"one of rubbish":     {approvals[0], approvals[1], encoding.LP("x")},
	}
	for name, given := range cases {
		if err := VerifyApprovals(doc.Authorities(), doc, given); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuorumsOfTwoDocumentsShareAnHonestAuthority(t *testing.T) {
	for n := 2; n <= MaxAuthorities; n++ {
		for threshold := 2; threshold <= n; threshold++ {
			q := Quorum(n, threshold)
			if both := 2*q - n; both < threshold || q > n {
				t.Errorf("t=%d n=%d: quorum %d, so %d authorities in both", threshold, n, q, both)
			}
		}
	}
}

func TestCombineSignatureNamesBadShares(t *testing.T) {
	d := newDomain(t, 2, 3)
	doc := d.published.Document
	shares := map[uint32][]byte{}
	for _, s := range d.shares {
		shares[s.Index()] = s.Issue(doc.Point()).Expose()
	}
	shares[2] = shares[1]
	signature, bad, err := doc.CombineSignature(doc.Point(), shares)
	if err != nil || !slices.Equal(bad, []uint32{2}) {
		t.Fatalf("bad = %v, error %v", bad, err)
	}
	if err := doc.VerifySignature(signature); err != nil {
		t.Error(err)
	}
	delete(shares, 3)
	if _, _, err := doc.CombineSignature(doc.Point(), shares); !errors.Is(err, keys.ErrThreshold) {
		t.Errorf("one good share: %v", err)
	}
}
