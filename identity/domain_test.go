package identity

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/bech32"
	"pgregory.net/rapid"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
)

func TestDomainIDIsTheHashOfNameAndMaster(t *testing.T) {
	master := pairing.G2Generator()
	id, err := NewDomainID("example.org", master)
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(encoding.LP("milagro/v1 domain", []byte("example.org"), master.Bytes())); id != want {
		t.Errorf("id = %v", id)
	}
	if other, _ := NewDomainID("example.com", master); other == id {
		t.Error("two names have one id")
	}
	if other, _ := NewDomainID("example.org", master.Neg()); other == id {
		t.Error("two masters have one id")
	}
	if _, err := NewDomainID("Example.org", master); !errors.Is(err, ErrName) {
		t.Errorf("a bad name: %v", err)
	}
}

func TestServiceIDIsBoundToAllItsFields(t *testing.T) {
	master := pairing.G1Generator()
	id := NewServiceID(DomainID{1}, "login", master)
	if want := sha256.Sum256(encoding.LP("milagro/v1 mpin service", append([]byte{1}, make([]byte, 31)...), []byte("login"), master.Bytes())); id != want {
		t.Errorf("id = %x", id)
	}
	for name, other := range map[string]ServiceID{
		"domain": NewServiceID(DomainID{2}, "login", master), "name": NewServiceID(DomainID{1}, "logon", master),
		"master": NewServiceID(DomainID{1}, "login", master.Neg()),
	} {
		if other == id {
			t.Errorf("services that differ in their %s have one id", name)
		}
	}
}

func TestFingerprintIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := DomainID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "id"))
		s := id.String()
		if len(s) != 66 || !strings.HasPrefix(s, "milagro1") {
			t.Fatalf("fingerprint %q", s)
		}
		var back DomainID
		if err := back.UnmarshalText([]byte(s)); err != nil || back != id {
			t.Fatalf("read %v, %v", back, err)
		}
		if b, err := id.MarshalText(); err != nil || string(b) != s {
			t.Fatalf("text %s, %v", b, err)
		}
	})
}

// TestFingerprintFindsTypingErrors changes one character or swaps two
// neighbours, anywhere.
func TestFingerprintFindsTypingErrors(t *testing.T) {
	good := DomainID{1, 2, 3}.String()
	for at := range len(good) {
		for _, c := range []byte("qpzry9x8gf2tvdw0s3jn54khce6mua7l1bio ") {
			s := good[:at] + string(c) + good[at+1:]
			if _, err := ParseDomainID(s); s != good && !errors.Is(err, ErrFingerprint) {
				t.Errorf("%q: %v", s, err)
			}
		}
		if at == 0 {
			continue
		}
		s := good[:at-1] + good[at:at+1] + good[at-1:at] + good[at+1:]
		if _, err := ParseDomainID(s); s != good && !errors.Is(err, ErrFingerprint) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func badFingerprints(t testing.TB) map[string]string {
	t.Helper()
	good := DomainID{1, 2, 3}
	encode := func(write func(string, []byte) (string, error), prefix string, b []byte) string {
		words, err := bech32.ConvertBits(b, 8, 5, true)
		if err != nil {
			t.Fatal(err)
		}
		s, err := write(prefix, words)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	words, err := bech32.ConvertBits(good[:], 8, 5, true)
	if err != nil {
		t.Fatal(err)
	}
	words[len(words)-1] |= 1 // a padding bit
	padded, err := bech32.EncodeM(fingerprintPrefix, words)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"empty":             "",
		"bech32, not m":     encode(bech32.Encode, fingerprintPrefix, good[:]),
		"another prefix":    encode(bech32.EncodeM, "age", good[:]),
		"31 bytes":          encode(bech32.EncodeM, fingerprintPrefix, good[:31]),
		"33 bytes":          encode(bech32.EncodeM, fingerprintPrefix, append(good[:], 0)),
		"upper case":        strings.ToUpper(good.String()),
		"mixed case":        "M" + good.String()[1:],
		"padding not zero":  padded,
		"cut":               good.String()[:40],
		"space after":       good.String() + " ",
		"hexadecimal":       strings.Repeat("01", 32),
		"1,000 characters":  "milagro1" + strings.Repeat("q", 992),
		"nothing but a one": "1",
	}
}

func TestParseDomainIDRefuses(t *testing.T) {
	for why, s := range badFingerprints(t) {
		if id, err := ParseDomainID(s); !errors.Is(err, ErrFingerprint) {
			t.Errorf("%s: %q gives %v, %v", why, s, id, err)
		}
	}
}

func FuzzParseDomainID(f *testing.F) {
	f.Add(DomainID{1, 2, 3}.String())
	for _, s := range badFingerprints(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseDomainID(s); err == nil && id.String() != s {
			t.Error("fingerprint does not survive")
		}
	})
}
