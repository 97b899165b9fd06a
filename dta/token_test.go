package dta

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

// aToken has the form of a JWT and no more.
func aToken() string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"ES256"}`)) + "." + b64([]byte(`{"iss":"x"}`)) + "." + b64([]byte{1, 2, 3})
}

func TestTokenEvidenceIsReadAsItWasWritten(t *testing.T) {
	b, err := TokenEvidence(aToken())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseTokenEvidence(b); err != nil || got != aToken() {
		t.Errorf("%q, %v", got, err)
	}
	if kind, err := EvidenceKind(b); err != nil || kind != "jwt" {
		t.Errorf("kind %q, %v", kind, err)
	}
	if _, err := ParseCodeEvidence(b); !errors.Is(err, encoding.ErrEncoding) {
		t.Errorf("as a code: %v", err)
	}
	if _, err := ParseTokenEvidence(CodeEvidence(NewCode(1))); !errors.Is(err, encoding.ErrEncoding) {
		t.Errorf("a code as a token: %v", err)
	}
}

// TestWhatIsNoTokenIsShownToNobody has in its rows what may lie in a token's file by
// mistake.
func TestWhatIsNoTokenIsShownToNobody(t *testing.T) {
	parts := strings.Split(aToken(), ".")
	for name, text := range map[string]string{
		"nothing":         "",
		"a key":           "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n",
		"a code":          NewCode(1).Canonical(),
		"two parts":       parts[0] + "." + parts[1],
		"four parts":      aToken() + "." + parts[2],
		"no signature":    parts[0] + "." + parts[1] + ".",
		"padding":         parts[0] + "=." + parts[1] + "." + parts[2],
		"a line break":    parts[0] + "\n." + parts[1] + "." + parts[2],
		"stray bits":      parts[0] + "." + parts[1] + ".AR",
		"no JSON":         parts[2] + "." + parts[1] + "." + parts[2],
		"too long":        aToken() + strings.Repeat("A", MaxToken),
		"other white":     " " + aToken(),
		"standard base64": parts[0] + "." + parts[1] + ".+/+/",
	} {
		_, err := TokenEvidence(text)
		if !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && len(text) > 8 && strings.Contains(err.Error(), text[:8]) {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
		if _, err := ParseTokenEvidence(encoding.LP("milagro/v1 evidence", []byte("jwt"), []byte(text))); err == nil {
			t.Errorf("%s: taken from the wire", name)
		}
	}
}

func TestTokenAudienceNamesAuthorityAndDevice(t *testing.T) {
	device := identity.DeviceHash{0xab, 31: 0x01}
	want := "https://alpha.example#ab" + strings.Repeat("00", 30) + "01"
	if got := (Authority{URL: "https://alpha.example"}).TokenAudience(device); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzParseTokenEvidence(f *testing.F) {
	good, _ := TokenEvidence(aToken())
	f.Add(good)
	f.Add(CodeEvidence(NewCode(3)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		token, err := ParseTokenEvidence(b)
		if err != nil {
			return
		}
		again, err := TokenEvidence(token)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is written otherwise: %v", token, err)
		}
	})
}
