package dkg

import (
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"milagro.dev/internal/encoding"
)

const (
	// HPKESize is the length of an MLKEM768-X25519 public key, in bytes.
	HPKESize = 1216
	// MaxCard is the greatest length of a signed card, in bytes.
	MaxCard = 4 << 10

	cardLabel        = "milagro/v1 card"
	fingerprintLabel = "milagro/v1 card fingerprint"
	maxName          = 64
	maxURL           = 256
)

// ErrCard is wrapped by every refusal of a card.
var ErrCard = errors.New("card refused")

// Card is what an authority hands out of itself before any ceremony: its name,
// where it serves, and its long-term public keys, signed by the first of them.
type Card struct {
	Name    string
	URL     string
	Ed25519 ed25519.PublicKey
	HPKE    hpke.PublicKey
	bytes   []byte
}

// SignCard returns the signed card of an authority; an error wraps ErrCard.
func SignCard(key ed25519.PrivateKey, name, url string, box hpke.PublicKey) (*Card, error) {
	public := key.Public().(ed25519.PublicKey)
	return ParseCard(encoding.Sign(key, encoding.LP(cardLabel, []byte(name), []byte(url), public, box.Bytes())))
}

// ParseCard reads a signed card and verifies its own signature; an error wraps
// ErrCard. Whose card it is only its Fingerprint tells, compared by people.
func ParseCard(b []byte) (*Card, error) {
	c, err := parseCard(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCard, err)
	}
	return c, nil
}

func parseCard(b []byte) (*Card, error) {
	e, err := encoding.ParseEnvelope(b, MaxCard)
	if err != nil {
		return nil, err
	}
	r := encoding.Open(e.Body, cardLabel)
	c := &Card{Name: r.String(maxName), URL: r.String(maxURL), bytes: append([]byte(nil), b...)}
	c.Ed25519 = ed25519.PublicKey(r.Fixed(ed25519.PublicKeySize))
	box := r.Fixed(HPKESize)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if c.HPKE, err = hpke.MLKEM768X25519().NewPublicKey(box); err != nil {
		return nil, fmt.Errorf("HPKE key: %w", err)
	}
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	if err := CheckURL(c.URL); err != nil {
		return nil, err
	}
	return c, e.Verify(c.Ed25519)
}

// Bytes returns the signed bytes as they were parsed.
func (c *Card) Bytes() []byte { return append([]byte(nil), c.bytes...) }

// Fingerprint returns what people compare to know whose card it is:
// H(LP("milagro/v1 card fingerprint", card)).
func (c *Card) Fingerprint() [32]byte {
	return sha256.Sum256(encoding.LP(fingerprintLabel, c.bytes))
}

// CheckName returns an error unless name is 1 to 64 printable ASCII characters
// without a space at either end.
func CheckName(name string) error {
	if len(name) > maxName || !readable(name) {
		return fmt.Errorf("%q is no authority's name: 1 to %d printable ASCII characters", name, maxName)
	}
	return nil
}

// readable reports whether text is not empty and shows people all that it is:
// printable ASCII without a space at either end. What an operator is asked to
// agree to cannot redraw the terminal.
func readable(text string) bool {
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	return text != "" && strings.IndexFunc(text, unprintable) < 0 && strings.TrimSpace(text) == text
}

// CheckURL returns an error unless url is http:// or https:// and then
// host[:port][/path] in characters that need no escape, without a slash at
// the end.
func CheckURL(url string) error {
	rest, ok := strings.CutPrefix(url, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(url, "http://")
	}
	plain := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune(urlCharacters, r) }) < 0
	if !ok || len(url) > maxURL || rest == "" || !plain || strings.HasPrefix(rest, "/") || strings.HasSuffix(rest, "/") {
		return fmt.Errorf("%q is no authority's URL: http(s)://host[:port][/path], at most %d characters", url, maxURL)
	}
	return nil
}

const urlCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]"
