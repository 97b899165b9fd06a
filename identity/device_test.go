package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"

	"milagro.dev/internal/encoding"
)

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newDevice(t testing.TB) (Device, *ecdsa.PrivateKey) {
	t.Helper()
	key := newKey(t, elliptic.P256())
	d, err := DeviceOf(key)
	if err != nil {
		t.Fatal(err)
	}
	return d, key
}

func TestDeviceIsThePlatformsSPKI(t *testing.T) {
	d, key := newDevice(t)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.Bytes(), der) || len(der) != SPKISize {
		t.Errorf("device %x, crypto/x509 %x", d.Bytes(), der)
	}
	if want := sha256.Sum256(encoding.LP("milagro/v1 device", der)); d.Hash() != want {
		t.Errorf("hash %v", d.Hash())
	}
	again, err := ParseDevice(der)
	if err != nil || again.Hash() != d.Hash() {
		t.Errorf("read %v, %v", again.Hash(), err)
	}
}

// TestParseDeviceRefuses writes a key in every other way that a library might
// read: a key has one encoding, so it has one hash and one enrolment.
func TestParseDeviceRefuses(t *testing.T) {
	d, key := newDevice(t)
	good := d.Bytes()
	point := good[len(spkiPrefix):]
	p384, err := x509.MarshalPKIXPublicKey(newKey(t, elliptic.P384()).Public())
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, to byte) []byte {
		b := slices.Clone(good)
		b[at] = to
		return b
	}
	compressed := elliptic.MarshalCompressed(elliptic.P256(), key.X, key.Y)
	for why, b := range map[string][]byte{
		"nothing":             nil,
		"short":               good[:SPKISize-1],
		"trailing byte":       append(slices.Clone(good), 0),
		"the point alone":     point,
		"P-384":               p384,
		"PEM":                 pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: good}),
		"compressed":          slices.Concat([]byte("\x30\x39\x30\x13"), good[4:23], []byte("\x03\x22\x00"), compressed),
		"hybrid point":        changed(len(spkiPrefix), 0x06|point[64]&1),
		"another algorithm":   changed(12, 0x02),
		"another curve":       changed(22, 0x06),
		"off the curve":       changed(SPKISize-1, good[SPKISize-1]^1),
		"unused bits":         changed(25, 1),
		"the origin":          slices.Concat([]byte(spkiPrefix), []byte{4}, make([]byte, 64)),
		"x not below p":       slices.Concat([]byte(spkiPrefix), []byte{4}, bytes.Repeat([]byte{0xff}, 32), point[33:]),
		"x not reduced mod p": slices.Concat([]byte(spkiPrefix), []byte{4}, unreduced(t), point[33:]),
	} {
		if _, err := ParseDevice(b); !errors.Is(err, ErrDevice) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// unreduced returns p + 5: x = 5 is on P-256, so only its width refuses it.
func unreduced(t testing.TB) []byte {
	t.Helper()
	x := new(big.Int).Add(elliptic.P256().Params().P, big.NewInt(5))
	return x.FillBytes(make([]byte, 32))
}

func TestDeviceOfRefusesOtherKeys(t *testing.T) {
	if _, err := DeviceOf(newKey(t, elliptic.P384())); !errors.Is(err, ErrDevice) {
		t.Errorf("P-384: %v", err)
	}
}

func TestDeviceSignatureIsItsOwnAlone(t *testing.T) {
	d, key := newDevice(t)
	other, _ := newDevice(t)
	digest := sha256.Sum256([]byte("request"))
	for range 64 { // one in 128 has a short r or s, which is padded
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
}

func TestDeviceVerifyRefuses(t *testing.T) {
	d, key := newDevice(t)
	digest := sha256.Sum256([]byte("request"))
	good, err := SignDevice(key, digest)
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	order := elliptic.P256().Params().N.Bytes()
	zero := make([]byte, 32)
	for why, sig := range map[string][]byte{
		"nothing": nil, "short": good[:63], "long": append(slices.Clone(good), 0), "DER": der,
		"zeros": make([]byte, 64), "r zero": append(zero, good[32:]...), "s zero": append(slices.Clone(good[:32]), zero...),
		"r = n": append(slices.Clone(order), good[32:]...), "s = n": append(slices.Clone(good[:32]), order...),
		"swapped": slices.Concat(good[32:], good[:32]),
	} {
		if err := d.Verify(digest, sig); !errors.Is(err, ErrPossession) {
			t.Errorf("%s: %v", why, err)
		}
	}
	for i := range len(good) * 8 {
		sig := slices.Clone(good)
		sig[i/8] ^= 1 << (i % 8)
		if err := d.Verify(digest, sig); !errors.Is(err, ErrPossession) {
			t.Fatalf("bit %d flipped: %v", i, err)
		}
	}
	if err := (Device{}).Verify(digest, good); !errors.Is(err, ErrPossession) {
		t.Errorf("no device: %v", err)
	}
}

// TestDeviceSignaturesAreMalleable is why nothing is identified by the hash of
// a signature.
func TestDeviceSignaturesAreMalleable(t *testing.T) {
	d, key := newDevice(t)
	digest := sha256.Sum256([]byte("request"))
	sig, err := SignDevice(key, digest)
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s)
	if err := d.Verify(digest, append(slices.Clone(sig[:32]), s.FillBytes(make([]byte, 32))...)); err != nil {
		t.Errorf("r ‖ n−s: %v", err)
	}
}

// oddSigner is a crypto.Signer that answers with what it is told.
type oddSigner struct {
	crypto.Signer
	answer []byte
	err    error
}

func (s oddSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return s.answer, s.err }

func TestSignDeviceRefusesOddAnswers(t *testing.T) {
	broken := errors.New("tpm: locked out")
	if _, err := SignDevice(oddSigner{err: broken}, [32]byte{}); !errors.Is(err, broken) {
		t.Errorf("error = %v", err)
	}
	long := slices.Concat([]byte("\x30\x26\x02\x21"), bytes.Repeat([]byte{0x7f}, 33), []byte("\x02\x01\x01"))
	for why, answer := range map[string][]byte{
		"nothing": nil, "not DER": make([]byte, 64), "trailing byte": []byte("\x30\x06\x02\x01\x01\x02\x01\x01\x00"),
		"a third integer": []byte("\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01"), "r of 33 bytes": long,
		"negative r": []byte("\x30\x06\x02\x01\xff\x02\x01\x01"),
	} {
		if sig, err := SignDevice(oddSigner{answer: answer}, [32]byte{}); err == nil {
			t.Errorf("%s: %x", why, sig)
		}
	}
}

func TestDeviceHashSurvivesItsText(t *testing.T) {
	d, _ := newDevice(t)
	s := d.Hash().String()
	if h, err := ParseDeviceHash(s); err != nil || h != d.Hash() {
		t.Errorf("%v, %v", h, err)
	}
	for _, bad := range []string{"", s[2:], s + "00", strings.ToUpper(hex.EncodeToString(bytes.Repeat([]byte{0xab}, 32))), " " + s[1:], s[:63] + "g"} {
		if _, err := ParseDeviceHash(bad); !errors.Is(err, ErrDevice) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseDevice(f *testing.F) {
	d, _ := newDevice(f)
	f.Add(d.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := ParseDevice(b); err == nil && !bytes.Equal(d.Bytes(), b) {
			t.Error("device does not survive")
		}
	})
}

func FuzzParseDeviceHash(f *testing.F) {
	f.Add(strings.Repeat("0a", 32))
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := ParseDeviceHash(s); err == nil && h.String() != s {
			t.Error("device hash does not survive")
		}
	})
}
