package dta

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

// evidence makes the evidence of s, signed by the device old.
func (s *succession) evidence(t testing.TB, voucher []byte) {
	t.Helper()
	b, err := SuccessionEvidence(voucher, s.old, s.request)
	if err != nil {
		t.Fatal(err)
	}
	s.request.Evidence = b
}

func TestSuccessionIsReadAsMade(t *testing.T) {
	l := newLoginDomain(t)
	s := l.succession(t)
	s.evidence(t, s.voucher.Sign(l.signer))
	sealed, err := s.request.Seal(l.opening[1].PublicKey(), s.young)
	if err != nil {
		t.Fatal(err)
	}
	q, err := openRequest(sealed, l.opening[1]) // as its authority gets it
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseSuccession(l.login.LoginKey, q)
	if err != nil || v != s.voucher {
		t.Errorf("read as %+v, %v", v, err)
	}
	if kind, err := EvidenceKind(q.Evidence); err != nil || kind != kindSuccession {
		t.Errorf("kind %q, %v", kind, err)
	}
	if _, err := ParseCodeEvidence(q.Evidence); !errors.Is(err, encoding.ErrEncoding) {
		t.Errorf("a succession as a code: %v", err)
	}
}

// TestSuccessionNeedsTheOldDevice is a login server gone bad, or a network, with a
// voucher and without the old device's key.
func TestSuccessionNeedsTheOldDevice(t *testing.T) {
	l := newLoginDomain(t)
	for name, c := range map[string]struct {
		make func(*succession)
		want error
	}{
		"signed by the new device": {func(s *succession) { s.old = s.young; s.evidence(t, s.voucher.Sign(l.signer)) }, identity.ErrPossession},
		"signed by a stranger":     {func(s *succession) { s.old = newDevice(t); s.evidence(t, s.voucher.Sign(l.signer)) }, identity.ErrPossession},
		"a stranger's signature under the old device's key": {func(s *succession) {
			old := deviceOf(t, s.old)
			signature, err := identity.SignDevice(newDevice(t), successionDigest(s.voucher.Sign(l.signer), s.request))
			if err != nil {
				t.Fatal(err)
			}
			s.request.Evidence = encoding.LP(evidenceLabel, []byte(kindSuccession), encoding.LP(successionLabel, s.voucher.Sign(l.signer), old.Bytes(), signature))
		}, identity.ErrPossession},
		"voucher by an authority":   {func(s *succession) { s.evidence(t, s.voucher.Sign(l.signing[1])) }, ErrLoginServer},
		"voucher by the old device": {func(s *succession) { s.evidence(t, encoding.LP(voucherLabel)) }, ErrLoginServer},
		"no voucher":                {func(s *succession) { s.evidence(t, nil) }, ErrLoginServer},
		"a code":                    {func(s *succession) { s.request.Evidence = CodeEvidence(NewCode(2)) }, encoding.ErrEncoding},
		"no evidence":               {func(s *succession) { s.request.Evidence = nil }, encoding.ErrEncoding},
		"a byte too many": {func(s *succession) {
			s.evidence(t, s.voucher.Sign(l.signer))
			s.request.Evidence = append(s.request.Evidence, 0)
		}, encoding.ErrEncoding},
		"moved to another name": {func(s *succession) {
			s.evidence(t, s.voucher.Sign(l.signer))
			s.request.Key.Name = mustName(t, "acct:bob@example.org")
		}, identity.ErrPossession},
		"moved to another authority":  {func(s *succession) { s.evidence(t, s.voucher.Sign(l.signer)); s.request.Index = 1 }, identity.ErrPossession},
		"moved to another service":    {func(s *succession) { s.evidence(t, s.voucher.Sign(l.signer)); s.request.Key.Service[0]++ }, identity.ErrPossession},
		"moved to another purpose":    {func(s *succession) { s.evidence(t, s.voucher.Sign(l.signer)); s.request.Key.Purpose = identity.Permit }, identity.ErrPossession},
		"moved to another generation": {func(s *succession) { s.evidence(t, s.voucher.Sign(l.signer)); s.request.Generation.Counter++ }, identity.ErrPossession},
		"moved to another device": {func(s *succession) {
			s.evidence(t, s.voucher.Sign(l.signer))
			s.request.Device = deviceOf(t, newDevice(t))
		}, identity.ErrPossession},
		"moved to another channel": {func(s *succession) { s.evidence(t, s.voucher.Sign(l.signer)); s.request.ChannelKind = 1 }, identity.ErrPossession},
		"moved to another reply key": {func(s *succession) {
			s.evidence(t, s.voucher.Sign(l.signer))
			s.request.ReplyKey = l.opening[0].PublicKey()
		}, identity.ErrPossession},
		"moved to another time":        {func(s *succession) { s.evidence(t, s.voucher.Sign(l.signer)); s.request.Time++ }, identity.ErrPossession},
		"moved to another nonce":       {func(s *succession) { s.evidence(t, s.voucher.Sign(l.signer)); s.request.Nonce[0]++ }, identity.ErrPossession},
		"the signature of its request": {func(s *succession) { s.evidenceOverRequest(t, s.voucher.Sign(l.signer)) }, identity.ErrPossession},
	} {
		s := l.succession(t)
		c.make(s)
		if v, err := ParseSuccession(l.login.LoginKey, s.request); !errors.Is(err, c.want) || v != (Voucher{}) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// evidenceOverRequest lets the old device sign what a device signs of a request.
func (s *succession) evidenceOverRequest(t testing.TB, voucher []byte) {
	t.Helper()
	old := deviceOf(t, s.old)
	signature, err := identity.SignDevice(s.old, s.request.BareHash())
	if err != nil {
		t.Fatal(err)
	}
	s.request.Evidence = encoding.LP(evidenceLabel, []byte(kindSuccession), encoding.LP(successionLabel, voucher, old.Bytes(), signature))
}

func TestBareHashKnowsNoEvidence(t *testing.T) {
	s := newLoginDomain(t).succession(t)
	bare := s.request.BareHash()
	if s.request.Hash() != bare {
		t.Error("without evidence both hashes are one")
	}
	s.request.Evidence = []byte("evidence")
	if s.request.BareHash() != bare || s.request.Hash() == bare || string(s.request.Evidence) != "evidence" {
		t.Error("the bare hash counts evidence, or takes it away")
	}
}

func TestEvidenceKindRefuses(t *testing.T) {
	if kind, err := EvidenceKind(CodeEvidence(NewCode(1))); err != nil || kind != kindCode {
		t.Errorf("kind %q, %v", kind, err)
	}
	secret := []byte("1-7777-7777-7777-7777-77") // a code in the wrong place
	for name, b := range map[string][]byte{"nothing": nil, "another label": encoding.LP("milagro/v1 proof", []byte(kindCode), nil), "an unknown kind": encoding.LP(evidenceLabel, secret, nil),
		"no kind": encoding.LP(evidenceLabel, nil, nil), "no data": encoding.LP(evidenceLabel, []byte(kindCode)), "a part too many": encoding.LP(evidenceLabel, []byte(kindCode), nil, nil)} {
		_, err := EvidenceKind(b)
		if !errors.Is(err, encoding.ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && bytes.Contains([]byte(err.Error()), secret) {
			t.Errorf("%s: the error repeats what may be a code", name)
		}
	}
}

func FuzzEvidenceKind(f *testing.F) {
	f.Add(CodeEvidence(NewCode(1)))
	f.Add(encoding.LP(evidenceLabel, []byte(kindSuccession), []byte("data")))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, err := EvidenceKind(b)
		if err != nil {
			return
		}
		r := encoding.Open(b, evidenceLabel)
		r.String(maxText)
		if data := r.Bytes(maxEvidence); !bytes.Equal(encoding.LP(evidenceLabel, []byte(kind), data), b) {
			t.Error("evidence does not survive")
		}
	})
}

func FuzzParseSuccession(f *testing.F) {
	l := newLoginDomain(f)
	s := l.succession(f)
	s.evidence(f, s.voucher.Sign(l.signer))
	good := s.request.Evidence
	f.Add(good)
	f.Add(CodeEvidence(NewCode(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		q := *s.request
		q.Evidence = b
		v, err := ParseSuccession(l.login.LoginKey, &q)
		if err != nil {
			if v != (Voucher{}) {
				t.Error("a refused voucher comes back")
			}
			return
		}
		// The last 32 bytes are s, and the order − s is as good.
		if v != s.voucher || !bytes.Equal(b[:len(b)-32], good[:len(good)-32]) || !slices.Equal(q.Evidence, b) {
			t.Errorf("other evidence is accepted: %x", b)
		}
	})
}
