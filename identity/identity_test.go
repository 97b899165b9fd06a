package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

const epochDay = 86_400

func TestParseNameRefuses(t *testing.T) {
	for _, s := range []string{"spiffe://Example.org/web", "spiffe://example.org/../web", "spiffe://example.org/%2e%2e", "spiffe://example.org/web/", "spiffe://exämple.org/web", "acct:User@example.org"} {
		if _, err := ParseName(s); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestNameLiesInNoParentDomain(t *testing.T) {
	n, err := ParseName("spiffe://a.example.org/web")
	if err != nil || n.Domain() != "a.example.org" {
		t.Errorf("domain %q, error %v", n.Domain(), err)
	}
}

func TestNameSurvivesItsText(t *testing.T) {
	n, err := ParseName("acct:user@example.org")
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back Name
	if err := back.UnmarshalText(b); err != nil || back != n || back.IsZero() || !(Name{}).IsZero() {
		t.Errorf("%v, %v", back, err)
	}
}

func TestCheckDomainRefuses(t *testing.T) {
	for _, s := range []string{"", "Example.org", "a..b", "-a", "a-", "a_b", strings.Repeat("a.", 127) + "a"} {
		if err := CheckDomain(s); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if err := CheckDomain("xn--exmple-cua.org"); err != nil {
		t.Error(err)
	}
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestParseDeviceRefuses(t *testing.T) {
	if _, err := DeviceOf(newKey(t, elliptic.P384())); !errors.Is(err, ErrDevice) {
		t.Errorf("P-384: %v", err)
	}
	d, err := DeviceOf(newKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	b := d.Bytes()
	for name, bad := range map[string][]byte{"short": b[:90], "long": append(slices.Clone(b), 0), "compressed": append(slices.Clone(b[:26]), append([]byte{2}, b[27:59]...)...), "off the curve": append(slices.Clone(b[:90]), b[90]^1)} {
		if _, err := ParseDevice(bad); !errors.Is(err, ErrDevice) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDeviceSignatureIsItsOwnAlone(t *testing.T) {
	key, digest := newKey(t, elliptic.P256()), sha256.Sum256([]byte("digest"))
	d, err := DeviceOf(key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := DeviceOf(newKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	for range 64 { // short r and s come up too
		sig, err := SignDevice(key, digest)
		if err != nil || len(sig) != SignatureSize {
			t.Fatalf("%d bytes, %v", len(sig), err)
		}
		if err := d.Verify(digest, sig); err != nil {
			t.Fatal(err)
		}
		if err := other.Verify(digest, sig); !errors.Is(err, ErrPossession) {
			t.Errorf("another device: %v", err)
		}
		if err := d.Verify(sha256.Sum256(nil), sig); !errors.Is(err, ErrPossession) {
			t.Errorf("another digest: %v", err)
		}
	}
	for name, sig := range map[string][]byte{"empty": nil, "zero": make([]byte, 64), "short": make([]byte, 63), "all ones": bytes.Repeat([]byte{0xff}, 64)} {
		if err := d.Verify(digest, sig); !errors.Is(err, ErrPossession) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Device{}).Verify(digest, make([]byte, 64)); !errors.Is(err, ErrPossession) {
		t.Errorf("no device: %v", err)
	}
}

func TestDeviceHashSurvivesItsText(t *testing.T) {
	d, err := DeviceOf(newKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	h, err := ParseDeviceHash(d.Hash().String())
	if err != nil || h != d.Hash() {
		t.Errorf("%v, %v", h, err)
	}
	for _, s := range []string{"", "00", strings.ToUpper(strings.Repeat("ab", 32)), strings.Repeat("x", 64)} {
		if _, err := ParseDeviceHash(s); !errors.Is(err, ErrDevice) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestNoDSTIsAPrefixOfAnother covers those of packages above too.
func TestNoDSTIsAPrefixOfAnother(t *testing.T) {
	all := []string{channelDST, decryptDST, documentDST, freshDST, mpinDST, permitDST, testDST,
		"MILAGRO-V1-IBS-SCALAR_XMD:SHA-256", "MILAGRO-V1-DLEQ-SCALAR_XMD:SHA-256", "MILAGRO-V1-POP-SCALAR_XMD:SHA-256"}
	for i, a := range all {
		for j, b := range all {
			if i != j && strings.HasPrefix(a, b) {
				t.Errorf("%s begins with %s", a, b)
			}
		}
	}
}

func sampleKey(t testing.TB) Key {
	t.Helper()
	n, err := ParseName("spiffe://example.org/web")
	if err != nil {
		t.Fatal(err)
	}
	return Key{Domain: DomainID{1}, Purpose: Channel, Name: n, Device: DeviceHash{2}, Epoch: EpochAt(1_800_000_000, epochDay)}
}

// TestPurposesNeverShareAPoint hashes the same fields for every purpose.
func TestPurposesNeverShareAPoint(t *testing.T) {
	k := sampleKey(t)
	seen := map[string]string{}
	add := func(what string, b []byte) {
		if other, twice := seen[string(b)]; twice {
			t.Errorf("%s and %s share a point", what, other)
		}
		seen[string(b)] = what
	}
	message := []byte("the same bytes")
	for _, dst := range []string{channelDST, decryptDST, documentDST, freshDST, mpinDST, permitDST, testDST} {
		add(dst, point(dst, message).Bytes())
	}
	p, err := k.Point()
	if err != nil {
		t.Fatal(err)
	}
	add("channel", p.Bytes())
	add("document", DocumentPoint(k.Domain, 1, [32]byte{3}).Bytes())
	add("fresh", FreshPoint(k.Domain, 1, [32]byte{3}, 1).Bytes())
	add("test", TestPoint([32]byte{3}, "public").Bytes())
	add("test of mpin", TestPoint([32]byte{3}, "mpin").Bytes())
}

func TestEveryFieldChangesThePoint(t *testing.T) {
	k := sampleKey(t)
	want, err := k.Point()
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*Key){
		"domain": func(k *Key) { k.Domain[31] ^= 1 }, "device": func(k *Key) { k.Device[31] ^= 1 }, "epoch": func(k *Key) { k.Epoch = k.Epoch.Next() },
		"epoch length": func(k *Key) { k.Epoch.Length /= 2 }, "name": func(k *Key) { k.Name.text += "x" },
	}
	for name, change := range changes {
		other := k
		change(&other)
		if p, err := other.Point(); err != nil || p.Equal(want) {
			t.Errorf("%s is not in the point (%v)", name, err)
		}
	}
}

func TestCeremonyPurposesHaveNoKey(t *testing.T) {
	for _, p := range []Purpose{Document, Fresh, Test, "", "x"} {
		k := sampleKey(t)
		k.Purpose = p
		if _, err := k.Point(); !errors.Is(err, ErrPurpose) {
			t.Errorf("%q: %v", p, err)
		}
		if _, err := ParsePurpose(string(p)); !errors.Is(err, ErrPurpose) {
			t.Errorf("%q is parsed: %v", p, err)
		}
	}
}

// TestScheduleChangeRevivesNothing asks, for every second around a change of
// length, which epochs are accepted, and finds at most the neighbours.
func TestScheduleChangeRevivesNothing(t *testing.T) {
	s := Schedule{Length: 20, PreviousLength: 30, PreviousLastStart: 990} // the change is at 1020
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	for now := uint64(900); now < 1200; now++ {
		current := s.Current(now)
		if s.Accepts(current, now) != nil || now < current.Start || now >= current.End() {
			t.Fatalf("at %d the current epoch is %v", now, current)
		}
		for start := uint64(0); start < 1300; start += 10 {
			for _, length := range []uint32{20, 30} {
				e := Epoch{Start: start, Length: length}
				if start%uint64(length) != 0 || s.Accepts(e, now) != nil {
					continue
				}
				old := length == 30
				if old != (start < 1020) || now > e.End()+e.Skew() || now+e.Skew() < e.Start {
					t.Fatalf("at %d %v is accepted", now, e)
				}
			}
		}
	}
}

func TestScheduleRefusesAContradiction(t *testing.T) {
	for name, s := range map[string]Schedule{
		"no length": {}, "length over 2^31": {Length: 1 << 31}, "last start alone": {Length: 10, PreviousLastStart: 10},
		"last start off the grid": {Length: 10, PreviousLength: 10, PreviousLastStart: 5}, "change off the new grid": {Length: 40, PreviousLength: 30, PreviousLastStart: 990},
	} {
		if err := s.Check(); !errors.Is(err, ErrEpoch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNextEpochIsIssuedInTheLastQuarterOnly(t *testing.T) {
	s := Schedule{Length: 100}
	now, next := s.Current(1000), s.Following(1000)
	for at := uint64(1000); at < 1100; at++ {
		if err := s.Issuable(now, Channel, at); err != nil {
			t.Fatalf("the current epoch at %d: %v", at, err)
		}
		if err := s.Issuable(next, Channel, at); (err == nil) != (at >= 1075) {
			t.Fatalf("the next epoch at %d: %v", at, err)
		}
		if err := s.Issuable(next, Permit, at); err != nil {
			t.Fatalf("the next permit at %d: %v", at, err)
		}
		for _, e := range []Epoch{{900, 100}, next.Next(), {1000, 50}, {}} {
			if err := s.Issuable(e, Permit, at); !errors.Is(err, ErrEpoch) {
				t.Fatalf("%v at %d: %v", e, at, err)
			}
		}
	}
}

func TestWatermarkRefusesWhatEndedBefore(t *testing.T) {
	first, second, third := Epoch{100, 100}, Epoch{200, 100}, Epoch{300, 100}
	w := NewWatermark(Epoch{})
	if err := w.Admit(first); err != nil {
		t.Fatal(err)
	}
	w.Raise(third)
	w.Raise(first)
	if w.Highest() != third {
		t.Errorf("highest = %v", w.Highest())
	}
	if err := w.Admit(second); err != nil {
		t.Errorf("the epoch just before: %v", err)
	}
	if err := w.Admit(first); !errors.Is(err, ErrEpoch) {
		t.Errorf("one that ended before: %v", err)
	}
}

func TestWatermarkIsSafeForManyGoroutines(t *testing.T) {
	w := NewWatermark(Epoch{})
	var group sync.WaitGroup
	for i := range uint64(50) {
		group.Go(func() { w.Raise(Epoch{i * 10, 10}) })
	}
	group.Wait()
	if w.Highest().Start != 490 {
		t.Errorf("highest = %v", w.Highest())
	}
}

func TestEpochSurvivesItsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := EpochAt(rapid.Uint64Range(0, 1<<40).Draw(t, "now"), rapid.Uint32Range(1, 1<<31-1).Draw(t, "length"))
		if back, err := ParseEpoch(e.Bytes()); err != nil || back != e {
			t.Fatalf("%v: %v, %v", e, back, err)
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add("spiffe://example.org/web")
	f.Add("acct:user@example.org")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err == nil && (n.String() != s || CheckDomain(n.Domain()) != nil || !strings.Contains(s, n.Domain())) {
			t.Errorf("%q became %q of %q", s, n, n.Domain())
		}
	})
}

func FuzzParseDevice(f *testing.F) {
	d, err := DeviceOf(newKey(f, elliptic.P256()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(d.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := ParseDevice(b); err == nil && !bytes.Equal(d.Bytes(), b) {
			t.Errorf("%x does not survive", b)
		}
	})
}

func FuzzParseDomainID(f *testing.F) {
	f.Add(DomainID{1}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseDomainID(s); err == nil && id.String() != s {
			t.Errorf("%q became %q", s, id)
		}
	})
}

func FuzzParseEpoch(f *testing.F) {
	f.Add(EpochAt(1_800_000_000, epochDay).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseEpoch(b); err == nil && !bytes.Equal(e.Bytes(), b) {
			t.Errorf("%x does not survive", b)
		}
	})
}
