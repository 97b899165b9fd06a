package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"milagro.dev/internal/encoding"
)

const (
	// SPKISize is the length of a device's SubjectPublicKeyInfo, in bytes.
	SPKISize = 91
	// SignatureSize is the length of a device signature, r ‖ s, in bytes.
	SignatureSize = 64
)

var (
	// ErrDevice is wrapped by every refusal of a device key.
	ErrDevice = errors.New("not a device key")
	// ErrPossession says that a device signature does not verify.
	ErrPossession = errors.New("device signature does not verify")
)

// spkiPrefix is everything before the point in the DER of an uncompressed
// P-256 public key (RFC 5480).
const spkiPrefix = "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"

// Device is the P-256 public key that an applicant made and that signs its
// requests (spec/identity.md "Devices").
type Device struct {
	key  *ecdsa.PublicKey
	spki [SPKISize]byte
}

// ParseDevice reads the exactly 91 bytes of a P-256 SubjectPublicKeyInfo with
// uncompressed point; anything else is an error that wraps ErrDevice.
func ParseDevice(spki []byte) (Device, error) {
	if len(spki) != SPKISize || !bytes.HasPrefix(spki, []byte(spkiPrefix)) {
		return Device{}, fmt.Errorf("%w: not the %d bytes of an uncompressed P-256 key", ErrDevice, SPKISize)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), spki[len(spkiPrefix):])
	if err != nil {
		return Device{}, fmt.Errorf("%w: point is not on P-256", ErrDevice)
	}
	return Device{key: key, spki: [SPKISize]byte(spki)}, nil
}

// DeviceOf returns the Device whose private half is signer, which must be a
// P-256 key; it may live in a TPM or a file.
func DeviceOf(signer crypto.Signer) (Device, error) {
	key, ok := signer.Public().(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return Device{}, fmt.Errorf("%w: the signer has no P-256 key", ErrDevice)
	}
	point, err := key.Bytes()
	if err != nil {
		return Device{}, fmt.Errorf("%w: %v", ErrDevice, err)
	}
	return ParseDevice(append([]byte(spkiPrefix), point...))
}

// Bytes returns the 91 bytes that ParseDevice reads.
func (d Device) Bytes() []byte { return bytes.Clone(d.spki[:]) }

// Hash returns H(LP("milagro/v1 device", SPKI)).
func (d Device) Hash() DeviceHash {
	return sha256.Sum256(encoding.LP("milagro/v1 device", d.spki[:]))
}

// Verify returns ErrPossession unless sig is 64 bytes r ‖ s, a signature of
// digest by d.
func (d Device) Verify(digest [32]byte, sig []byte) error {
	if d.key == nil || len(sig) != SignatureSize {
		return ErrPossession
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addInteger(b, sig[:32])
		addInteger(b, sig[32:])
	})
	der, err := b.Bytes()
	if err != nil || !ecdsa.VerifyASN1(d.key, digest[:], der) {
		return ErrPossession
	}
	return nil
}

// addInteger adds the unsigned big-endian number in minimal DER.
func addInteger(b *cryptobyte.Builder, number []byte) {
	b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) {
		number = bytes.TrimLeft(number, "\x00")
		if len(number) == 0 || number[0] >= 0x80 {
			b.AddUint8(0)
		}
		b.AddBytes(number)
	})
}

// SignDevice signs digest with the device's private half and returns 64 bytes
// r ‖ s. Errors are the signer's, or say that its answer is no ECDSA signature.
func SignDevice(signer crypto.Signer, digest [32]byte) ([]byte, error) {
	der, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign with device key: %w", err)
	}
	input := cryptobyte.String(der)
	var seq cryptobyte.String
	var r, s []byte
	ok := input.ReadASN1(&seq, asn1.SEQUENCE) && input.Empty() &&
		seq.ReadASN1Integer(&r) && seq.ReadASN1Integer(&s) && seq.Empty()
	if !ok || len(r) > 32 || len(s) > 32 {
		return nil, fmt.Errorf("sign with device key: answer is not a P-256 ECDSA signature")
	}
	sig := make([]byte, SignatureSize)
	copy(sig[32-len(r):], r)
	copy(sig[64-len(s):], s)
	return sig, nil
}

// DeviceHash identifies a device key: 32 bytes. It compares with ==.
type DeviceHash [32]byte

// ParseDeviceHash reads the 64 lower-case hexadecimal digits of String.
func ParseDeviceHash(s string) (DeviceHash, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 || hex.EncodeToString(b) != s {
		return DeviceHash{}, fmt.Errorf("%w: %q is not 64 lower-case hexadecimal digits", ErrDevice, s)
	}
	return DeviceHash(b), nil
}

// String returns h in hexadecimal.
func (h DeviceHash) String() string { return hex.EncodeToString(h[:]) }
