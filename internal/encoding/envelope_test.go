package encoding

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
)

func TestEnvelopeOpensWithItsKeyOnly(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	other, _, _ := ed25519.GenerateKey(nil)
	body := LP("milagro/v1 example", []byte("x"))
	b := Sign(private, body)
	got, err := OpenEnvelope(public, b, 100)
	if err != nil || !bytes.Equal(got, body) {
		t.Fatalf("body %x, error %v", got, err)
	}
	for name, key := range map[string]ed25519.PublicKey{"another key": other, "no key": nil} {
		if _, err := OpenEnvelope(key, b, 100); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	if _, err := OpenEnvelope(public, b, len(body)-1); !errors.Is(err, ErrEncoding) {
		t.Errorf("body over the limit: error = %v", err)
	}
}

func TestEnvelopeRefusesEveryFlippedBit(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(nil)
	b := Sign(private, LP("milagro/v1 example", []byte("x")))
	for i := range len(b) * 8 {
		bad := slices.Clone(b)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := OpenEnvelope(public, bad, 100); err == nil {
			t.Fatalf("bit %d flipped and accepted", i)
		}
	}
}
