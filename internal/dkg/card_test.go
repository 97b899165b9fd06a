package dkg

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"milagro.dev/internal/encoding"
)

func TestCardKeepsItsExactBytes(t *testing.T) {
	w := newWorld(t, Public, 2, 2)
	card, err := SignCard(w.keys[0], "operator 9", "https://[2001:db8::1]:8443/dta", w.boxes[0].PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseCard(card.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), card.Bytes()) || again.Fingerprint() != card.Fingerprint() {
		t.Error("a card does not survive")
	}
	if again.Name != "operator 9" || again.URL != "https://[2001:db8::1]:8443/dta" || !again.Ed25519.Equal(w.keys[0].Public()) ||
		!bytes.Equal(again.HPKE.Bytes(), w.boxes[0].PublicKey().Bytes()) {
		t.Errorf("card = %+v", again)
	}
	card.Bytes()[0] ^= 1
	if !bytes.Equal(again.Bytes(), card.Bytes()) {
		t.Error("Bytes hands out the card's own memory")
	}
}

// TestFingerprintTellsCardsApart changes one thing at a time: who compares
// fingerprints compares everything on the card.
func TestFingerprintTellsCardsApart(t *testing.T) {
	w := newWorld(t, Public, 2, 2)
	seen := map[[32]byte]bool{}
	for _, c := range []struct {
		key, box  int
		name, url string
	}{{0, 0, "a", "http://a"}, {1, 0, "a", "http://a"}, {0, 1, "a", "http://a"}, {0, 0, "b", "http://a"}, {0, 0, "a", "http://b"}} {
		card, err := SignCard(w.keys[c.key], c.name, c.url, w.boxes[c.box].PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		if seen[card.Fingerprint()] {
			t.Errorf("%+v has the fingerprint of another card", c)
		}
		seen[card.Fingerprint()] = true
	}
}

func TestCardAtItsLimitsIsTaken(t *testing.T) {
	w := newWorld(t, Public, 2, 2)
	longest := "https://" + strings.Repeat("a", maxURL-len("https://"))
	for _, name := range []string{"x", "~", "a b", strings.Repeat("n", maxName)} {
		if _, err := SignCard(w.keys[0], name, longest, w.boxes[0].PublicKey()); err != nil {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, err := SignCard(w.keys[0], "x", longest+"a", w.boxes[0].PublicKey()); !errors.Is(err, ErrCard) {
		t.Errorf("a URL of %d characters: %v", len(longest)+1, err)
	}
}

// TestCardIsSignedByItsOwnKey has somebody sign a card that shows another's key.
func TestCardIsSignedByItsOwnKey(t *testing.T) {
	w := newWorld(t, Public, 2, 2)
	e, err := encoding.ParseEnvelope(w.plan.Cards()[0].Bytes(), MaxCard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCard(encoding.Sign(w.keys[1], e.Body)); !errors.Is(err, ErrCard) || !errors.Is(err, encoding.ErrSignature) {
		t.Errorf("error = %v", err)
	}
}

func TestCardRefuses(t *testing.T) {
	w := newWorld(t, Public, 2, 2)
	for _, name := range []string{"", " x", "ü", "tab\t", string(make([]byte, 65))} {
		if _, err := SignCard(w.keys[0], name, "http://x", w.boxes[0].PublicKey()); !errors.Is(err, ErrCard) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, url := range []string{"", "x", "ftp://x", "http://", "http:///x", "http://x/", "http://x?y", "http://x#y", "https://a b", "http://ü"} {
		if _, err := SignCard(w.keys[0], "x", url, w.boxes[0].PublicKey()); !errors.Is(err, ErrCard) {
			t.Errorf("URL %q: %v", url, err)
		}
	}
	good := w.plan.Cards()[0].Bytes()
	for i := 0; i < len(good); i += 13 {
		bad := slices.Clone(good)
		bad[i] ^= 1
		if _, err := ParseCard(bad); !errors.Is(err, ErrCard) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
}

func FuzzParseCard(f *testing.F) {
	f.Add(newWorld(f, Public, 2, 2).plan.Cards()[0].Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCard(b); err == nil && !bytes.Equal(c.Bytes(), b) {
			t.Error("card does not survive")
		}
	})
}
