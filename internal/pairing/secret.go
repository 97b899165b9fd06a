package pairing

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/ecc/bls12381/ff"
)

// Secret is a number modulo r that nobody may learn. Every operation on it is
// constant time. It does not compile with ==, prints as [redacted], and refuses
// to be marshalled. Copies of a Secret share one memory, which Erase overwrites.
// Its zero value is 0.
type Secret struct {
	guard
	v *ff.Scalar
}

// RandomSecret returns a uniform number in 1 … r−1 from crypto/rand.
func RandomSecret() Secret {
	var wide [64]byte
	defer clear(wide[:])
	for {
		_, _ = rand.Read(wide[:]) // never fails: crypto/rand ends the program first
		if s := WideSecret(&wide); !s.IsZero() {
			return s
		}
	}
}

// ParseSecret decodes exactly 32 bytes, big-endian, with 0 < k < r, in constant
// time. The error wraps ErrScalar.
func ParseSecret(b []byte) (Secret, error) {
	v, err := parse(b)
	if err != nil {
		return Secret{}, err
	}
	return Secret{v: &v}, nil
}

// Nonce returns the secret number for one proof or signature about statement,
// never 0: HMAC-SHA-512(key, 64 random bytes ‖ statement) mod r (spec/groups.md
// "Nonces"). Neither a weak random source nor a repeated statement alone repeats it.
func Nonce(key, statement []byte) Secret {
	var noise, wide [64]byte
	defer clear(noise[:])
	defer clear(wide[:])
	for {
		_, _ = rand.Read(noise[:]) // never fails: crypto/rand ends the program first
		mac := hmac.New(sha512.New, key)
		mac.Write(noise[:])
		mac.Write(statement)
		mac.Sum(wide[:0])
		if s := WideSecret(&wide); !s.IsZero() {
			return s
		}
	}
}

// WideSecret returns the big-endian number b modulo r, in constant time. From 64
// uniform bytes it is uniform to within 2⁻²⁵⁶.
func WideSecret(b *[64]byte) Secret {
	v := reduce(b[:])
	return Secret{v: &v}
}

// HashToSecret hashes a secret message as HashToScalar does a public one. The
// error wraps ErrScalar when the number is zero, which nobody will see.
func HashToSecret(dst string, msg []byte) (Secret, error) {
	wide := expand(dst, msg, 48)
	defer clear(wide)
	v := reduce(wide)
	s := Secret{v: &v}
	if s.IsZero() {
		return Secret{}, fmt.Errorf("%w: hash is zero", ErrScalar)
	}
	return s, nil
}

// Expose returns s as 32 bytes, big-endian, to be sealed and for nothing else.
func (s Secret) Expose() []byte { return encode(s.scalar()) }

// Publish returns s as a public value. It is for numbers that are about to be
// sent in clear, such as the response of a Schnorr proof.
func (s Secret) Publish() Scalar { return Scalar{*s.scalar()} }

// Add returns s + t mod r.
func (s Secret) Add(t Secret) Secret {
	var v ff.Scalar
	v.Add(s.scalar(), t.scalar())
	return Secret{v: &v}
}

// Sub returns s − t mod r.
func (s Secret) Sub(t Secret) Secret {
	var v ff.Scalar
	v.Sub(s.scalar(), t.scalar())
	return Secret{v: &v}
}

// Mul returns s·t mod r.
func (s Secret) Mul(t Secret) Secret {
	var v ff.Scalar
	v.Mul(s.scalar(), t.scalar())
	return Secret{v: &v}
}

// AddPublic returns s + k mod r.
func (s Secret) AddPublic(k Scalar) Secret { return s.Add(Secret{v: &k.v}) }

// MulPublic returns s·k mod r.
func (s Secret) MulPublic(k Scalar) Secret { return s.Mul(Secret{v: &k.v}) }

// Equal reports in constant time whether s and t are the same number.
func (s Secret) Equal(t Secret) bool { return s.scalar().IsEqual(t.scalar()) == 1 }

// IsZero reports in constant time whether s is 0.
func (s Secret) IsZero() bool { return s.scalar().IsZero() == 1 }

// G1 returns s·P1 in constant time.
func (s Secret) G1() G1 { return G1{p: mul1(generator1(), s.scalar())} }

// G2 returns s·P2 in constant time.
func (s Secret) G2() G2 { return G2{p: mul2(generator2(), s.scalar())} }

// SecretG2 returns s·P2, which nobody may learn, in constant time.
func (s Secret) SecretG2() SecretG2 { return secretG2(mul2(generator2(), s.scalar())) }

// Erase overwrites s, and with it every copy of s, with 0.
func (s *Secret) Erase() {
	if s.v != nil {
		*s.v = ff.Scalar{}
	}
}

func (s Secret) scalar() *ff.Scalar {
	if s.v == nil {
		return new(ff.Scalar)
	}
	return s.v
}

const redacted = "[redacted]"

var errSecret = errors.New(redacted + " is not to be marshalled")

// guard makes the struct around it incomparable with == and unprintable. That
// struct keeps its secret behind a pointer: inside another struct, where fmt
// cannot call methods of unexported fields, it prints an address.
type guard struct{ _ [0]func() }

// String returns "[redacted]".
func (guard) String() string { return redacted }

// Format writes "[redacted]" whatever the verb.
func (guard) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns an error, and so makes encoding/json, log/slog and others
// write an error in place of the secret.
func (guard) MarshalText() ([]byte, error) { return nil, errSecret }

func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
