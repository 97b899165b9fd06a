package dta

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

func TestLoginCardIsReadAsSigned(t *testing.T) {
	public, signer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	card, err := SignLoginCard(signer, "login", "https://login.example.org:8443")
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseLoginCard(card.Bytes())
	if err != nil || back.Service != "login" || back.Origin != "https://login.example.org:8443" || !back.Ed25519.Equal(public) || !bytes.Equal(back.Bytes(), card.Bytes()) {
		t.Errorf("read as %+v, %v", back, err)
	}
	clear(back.Bytes())
	if !bytes.Equal(back.Bytes(), card.Bytes()) {
		t.Error("Bytes gives the card's memory away")
	}
}

func TestLoginCardRefuses(t *testing.T) {
	public, signer, _ := ed25519.GenerateKey(nil)
	_, other, _ := ed25519.GenerateKey(nil)
	for name, c := range map[string][2]string{"no service": {"", "https://a.example"}, "service in capitals": {"Login", "https://a.example"}, "service with a hyphen before": {"-a", "https://a.example"},
		"service too long": {strings.Repeat("a", 65), "https://a.example"}, "no origin": {"login", ""}, "origin with a path": {"login", "https://a.example/"}, "origin with a user": {"login", "https://u@a.example"},
		"origin in capitals": {"login", "https://A.example"}, "another scheme": {"login", "wss://a.example"}, "origin too long": {"login", "https://" + strings.Repeat("a", 249)}} {
		if _, err := SignLoginCard(signer, c[0], c[1]); !errors.Is(err, ErrLoginServer) {
			t.Errorf("%s is signed: %v", name, err)
		}
	}
	if _, err := ParseLoginCard(encoding.Sign(other, encoding.LP(loginCardLabel, []byte("login"), []byte("https://a.example"), public))); !errors.Is(err, ErrLoginServer) {
		t.Errorf("signed by another key: %v", err)
	}
	card, err := SignLoginCard(signer, "login", "https://a.example")
	if err != nil {
		t.Fatal(err)
	}
	refusesAltered(t, card.Bytes(), func(b []byte) error { _, err := ParseLoginCard(b); return err })
}

// refusesAltered flips a bit of every byte of what a login server signed, cuts it and
// makes it longer.
func refusesAltered(t *testing.T, b []byte, parse func([]byte) error) {
	t.Helper()
	if err := parse(b); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		bad := slices.Clone(b)
		bad[i] ^= 1
		if err := parse(bad); !errors.Is(err, ErrLoginServer) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
	for _, bad := range [][]byte{nil, b[:len(b)-1], append(slices.Clone(b), 0)} {
		if err := parse(bad); !errors.Is(err, ErrLoginServer) {
			t.Errorf("%d bytes of %d: %v", len(bad), len(b), err)
		}
	}
}

func TestVoucherIsReadAsSigned(t *testing.T) {
	l := newLoginDomain(t)
	want := l.succession(t).voucher
	got, err := ParseVoucher(l.login.LoginKey, want.Sign(l.signer))
	if err != nil || got != want {
		t.Errorf("read as %+v, %v", got, err)
	}
	refusesAltered(t, want.Sign(l.signer), func(b []byte) error { _, err := ParseVoucher(l.login.LoginKey, b); return err })
	for i, key := range []ed25519.PublicKey{l.authority(t, 1).Ed25519, nil, make(ed25519.PublicKey, 32)} {
		if _, err := ParseVoucher(key, want.Sign(l.signer)); !errors.Is(err, ErrLoginServer) {
			t.Errorf("by another key, %d: %v", i, err)
		}
	}
	if _, err := ParseVoucher(l.login.LoginKey, Notice{Domain: want.Domain, Service: want.Service, Name: want.Name}.Sign(l.signer)); !errors.Is(err, ErrLoginServer) {
		t.Errorf("a notice as a voucher: %v", err)
	}
}

func TestNoticeIsItsServicesWord(t *testing.T) {
	l, other := newLoginDomain(t), newLoginDomain(t)
	want := Notice{Domain: l.doc.ID(), Service: l.id, Name: mustName(t, "acct:alice@example.org"), Device: identity.DeviceHash{3}, Time: testNow}
	got, err := ParseNotice(l.doc, want.Sign(l.signer))
	if err != nil || got != want {
		t.Errorf("read as %+v, %v", got, err)
	}
	refusesAltered(t, want.Sign(l.signer), func(b []byte) error { _, err := ParseNotice(l.doc, b); return err })
	foreign, nobodys := want, want
	foreign.Domain[0]++
	nobodys.Service[0]++
	theirs := Notice{Domain: other.doc.ID(), Service: other.id, Name: want.Name, Device: want.Device, Time: testNow}
	for name, b := range map[string][]byte{
		"signed by an authority":         want.Sign(l.signing[0]),
		"signed by another login server": want.Sign(other.signer),
		"of another domain":              foreign.Sign(l.signer),
		"of another domain's service":    theirs.Sign(other.signer),
		"of a service that is nobody's":  nobodys.Sign(l.signer),
		"a voucher":                      l.succession(t).voucher.Sign(l.signer),
	} {
		if n, err := ParseNotice(l.doc, b); !errors.Is(err, ErrLoginServer) || n != (Notice{}) {
			t.Errorf("notice %s: %v", name, err)
		}
	}
}

// TestServiceSpeaksForItselfOnly has two services in one domain.
func TestServiceSpeaksForItselfOnly(t *testing.T) {
	l := newLoginDomain(t)
	public, signer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := l.doc.fields
	second := l.login
	second.Name, second.Origin, second.LoginKey = "staff", "https://staff.example.org", public
	f.Services = []Service{l.login, second}
	doc, err := NewDocument(f)
	if err != nil {
		t.Fatal(err)
	}
	other := doc.ServiceID(second)
	if other == l.id || len(doc.Services()) != 2 {
		t.Fatal("two services are one")
	}
	notice := Notice{Domain: doc.ID(), Service: other, Name: mustName(t, "acct:alice@example.org"), Time: testNow}
	if _, err := ParseNotice(doc, notice.Sign(signer)); err != nil {
		t.Error(err)
	}
	if _, err := ParseNotice(doc, notice.Sign(l.signer)); !errors.Is(err, ErrLoginServer) {
		t.Errorf("notice of the other service: %v", err)
	}
	q, _, _ := l.ask(t, 1)
	if _, s, err := ParseServerKeyRequest(doc, q.Sign(l.signer)); err != nil || s.Name != "login" {
		t.Errorf("service %s, %v", s.Name, err)
	}
	if _, _, err := ParseServerKeyRequest(doc, q.Sign(signer)); !errors.Is(err, ErrLoginServer) {
		t.Errorf("request of the other service: %v", err)
	}
}

func TestGenerationIsThatOfTheKeysMaster(t *testing.T) {
	l := newLoginDomain(t)
	for purpose, want := range map[identity.Purpose]keys.Generation{identity.Channel: l.doc.Generation(), identity.Decrypt: l.doc.Generation(), identity.MPin: l.login.Generation, identity.Permit: l.login.Generation} {
		k := identity.Key{Purpose: purpose}
		if purpose.Service() {
			k.Service = l.id
		}
		if g, ok := l.doc.GenerationOf(k); !ok || g != want {
			t.Errorf("%s: %v, %v", purpose, g, ok)
		}
	}
	if _, ok := l.doc.GenerationOf(identity.Key{Purpose: identity.MPin, Service: identity.ServiceID{9}}); ok {
		t.Error("a service that is not there has a generation")
	}
	if l.login.Generation == l.doc.Generation() {
		t.Fatal("both masters have one generation: the test shows nothing")
	}
}

func FuzzParseLoginCard(f *testing.F) {
	card, err := SignLoginCard(ed25519.NewKeyFromSeed(make([]byte, 32)), "login", "https://a.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(card.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseLoginCard(b); err == nil && !bytes.Equal(c.Bytes(), b) {
			t.Error("card does not survive")
		}
	})
}

func FuzzParseVoucher(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	good := Voucher{Index: 1, Name: mustName(f, "acct:a@example.org"), Time: 7}.Sign(key)
	f.Add(good)
	f.Add(encoding.Sign(key, encoding.LP(voucherLabel)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ParseVoucher(key.Public().(ed25519.PublicKey), b); err == nil && !bytes.Equal(v.Sign(key), b) {
			t.Error("voucher does not survive")
		}
		// The body that a fuzzer cannot sign.
		if v, err := ParseVoucher(key.Public().(ed25519.PublicKey), encoding.Sign(key, b)); err == nil && !bytes.Equal(v.Sign(key), encoding.Sign(key, b)) {
			t.Error("voucher's body does not survive")
		}
	})
}

func FuzzParseNotice(f *testing.F) {
	l := newLoginDomain(f)
	n := Notice{Domain: l.doc.ID(), Service: l.id, Name: mustName(f, "acct:a@example.org"), Time: 7}
	f.Add(n.Sign(l.signer))
	e, err := encoding.ParseEnvelope(n.Sign(l.signer), maxLoginWord)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.Body)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, word := range [][]byte{b, encoding.Sign(l.signer, b)} {
			if n, err := ParseNotice(l.doc, word); err == nil && !bytes.Equal(n.Sign(l.signer), word) {
				t.Errorf("notice does not survive: %s", hex.EncodeToString(word))
			}
		}
	})
}
