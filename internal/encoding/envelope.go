package encoding

import (
	"crypto/ed25519"
	"errors"
	"fmt"
)

const envelopeLabel = "milagro/v1 signed"

// ErrSignature says that an envelope's signature does not verify.
var ErrSignature = errors.New("signature does not verify")

// Envelope is a body together with an Ed25519 signature over it
// (spec/document.md "Signed envelope"). The body begins with a label of its
// own, so a signature for one use is none for another.
type Envelope struct {
	Body      []byte
	Signature []byte
}

// Sign returns the bytes of the envelope of body, signed with key.
func Sign(key ed25519.PrivateKey, body []byte) []byte {
	return LP(envelopeLabel, body, ed25519.Sign(key, body))
}

// ParseEnvelope reads what Sign wrote, without verifying it; body is at most
// max bytes. An error wraps ErrEncoding.
func ParseEnvelope(b []byte, max int) (Envelope, error) {
	r := Open(b, envelopeLabel)
	e := Envelope{Body: r.Bytes(max), Signature: r.Fixed(ed25519.SignatureSize)}
	if err := r.Close(); err != nil {
		return Envelope{}, fmt.Errorf("signed envelope: %w", err)
	}
	return e, nil
}

// Verify returns ErrSignature unless key signed the body.
func (e Envelope) Verify(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, e.Body, e.Signature) {
		return ErrSignature
	}
	return nil
}

// OpenEnvelope reads what Sign wrote and returns the body that key signed. An
// error wraps ErrEncoding or is ErrSignature.
func OpenEnvelope(key ed25519.PublicKey, b []byte, max int) ([]byte, error) {
	e, err := ParseEnvelope(b, max)
	if err != nil {
		return nil, err
	}
	if err := e.Verify(key); err != nil {
		return nil, err
	}
	return e.Body, nil
}
