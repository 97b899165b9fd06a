package pairing

import (
	"crypto"
	"crypto/rand"
	_ "crypto/sha256" // the hash of expand_message_xmd
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/ecc/bls12381/ff"
	"github.com/cloudflare/circl/expander"
)

// ScalarSize is the length of an encoded scalar in bytes.
const ScalarSize = 32

// ErrScalar is wrapped by every refusal of a scalar: a length other than 32
// bytes, zero, or a number that is not below r (spec/groups.md "Scalars").
var ErrScalar = errors.New("invalid scalar")

// Scalar is a public number modulo r, the order of the groups. Its zero value
// is 0. Secret is the type for a number that nobody may learn.
type Scalar struct{ v ff.Scalar }

// ParseScalar decodes exactly 32 bytes, big-endian, with 0 < k < r. The error
// wraps ErrScalar.
func ParseScalar(b []byte) (Scalar, error) {
	v, err := parse(b)
	return Scalar{v}, err
}

// NewScalar returns n as a scalar.
func NewScalar(n uint64) Scalar {
	var s Scalar
	s.v.SetUint64(n)
	return s
}

// HashToScalar hashes msg under the domain separation tag dst: 48 bytes of
// expand_message_xmd with SHA-256 (RFC 9380 section 5.3.1), modulo r. The error
// wraps ErrScalar when that is zero, which nobody will see.
func HashToScalar(dst string, msg []byte) (Scalar, error) {
	s := Scalar{reduce(expand(dst, msg, 48))}
	if s.IsZero() {
		return Scalar{}, fmt.Errorf("%w: hash is zero", ErrScalar)
	}
	return s, nil
}

// RandomWeight returns a fresh number, 0 < ρ < 2¹²⁸, from crypto/rand: what each
// statement of a batch is multiplied with, so that errors cannot cancel each
// other. It is drawn after all inputs are fixed.
func RandomWeight() Scalar {
	for {
		var b [ScalarSize]byte
		_, _ = rand.Read(b[ScalarSize/2:]) // never fails: crypto/rand ends the program first
		if w, err := ParseScalar(b[:]); err == nil {
			return w
		}
	}
}

// Bytes returns s as 32 bytes, big-endian.
func (s Scalar) Bytes() []byte { return encode(&s.v) }

// Add returns s + t mod r.
func (s Scalar) Add(t Scalar) Scalar {
	s.v.Add(&s.v, &t.v)
	return s
}

// Sub returns s − t mod r.
func (s Scalar) Sub(t Scalar) Scalar {
	s.v.Sub(&s.v, &t.v)
	return s
}

// Mul returns s·t mod r.
func (s Scalar) Mul(t Scalar) Scalar {
	s.v.Mul(&s.v, &t.v)
	return s
}

// Neg returns −s mod r.
func (s Scalar) Neg() Scalar {
	s.v.Neg()
	return s
}

// Invert returns 1/s mod r. Zero has no inverse: the error wraps ErrScalar.
func (s Scalar) Invert() (Scalar, error) {
	if s.IsZero() {
		return Scalar{}, fmt.Errorf("%w: zero has no inverse", ErrScalar)
	}
	var inverse Scalar
	inverse.v.Inv(&s.v)
	return inverse, nil
}

// IsZero reports whether s is 0.
func (s Scalar) IsZero() bool { return s.v.IsZero() == 1 }

// Equal reports whether s and t are the same number.
func (s Scalar) Equal(t Scalar) bool { return s.v.IsEqual(&t.v) == 1 }

// parse decodes a scalar in constant time, but for the answer whether it is one.
func parse(b []byte) (ff.Scalar, error) {
	if len(b) != ScalarSize {
		return ff.Scalar{}, fmt.Errorf("%w: %d bytes instead of %d", ErrScalar, len(b), ScalarSize)
	}
	v := reduce(b)
	if !same(encode(&v), b) {
		return ff.Scalar{}, fmt.Errorf("%w: not below the group order", ErrScalar)
	}
	if v.IsZero() == 1 {
		return ff.Scalar{}, fmt.Errorf("%w: zero", ErrScalar)
	}
	return v, nil
}

// reduce returns the big-endian number b modulo r in constant time; len(b) is a
// multiple of 8. The library's SetBytes would go through math/big.
func reduce(b []byte) ff.Scalar {
	var acc, limb ff.Scalar
	shift := twoTo64()
	for ; len(b) > 0; b = b[8:] {
		limb.SetUint64(binary.BigEndian.Uint64(b))
		acc.Mul(&acc, &shift)
		acc.Add(&acc, &limb)
	}
	return acc
}

func twoTo64() ff.Scalar {
	var v ff.Scalar
	v.SetUint64(1 << 32)
	v.Sqr(&v)
	return v
}

func encode(v *ff.Scalar) []byte {
	b, _ := v.MarshalBinary() // its error is always nil
	return b
}

// expand is expand_message_xmd with SHA-256, RFC 9380 section 5.3.1.
func expand(dst string, msg []byte, size uint) []byte {
	return expander.NewExpanderMD(crypto.SHA256, []byte(dst)).Expand(msg, size)
}
