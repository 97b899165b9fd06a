package pairing

import "github.com/cloudflare/circl/ecc/bls12381/ff"

// G1 is a public point of the first group. Its zero value is the identity. It
// does not compile with ==: use Equal.
type G1 struct {
	_ [0]func()
	p point1
}

// ParseG1 decodes exactly 48 bytes: canonical, compressed, on the curve, in the
// subgroup, not the identity. The error wraps ErrPoint and tells the class of
// fault (spec/groups.md "Points").
func ParseG1(b []byte) (G1, error) {
	p, err := decodeG1(b)
	return G1{p: p}, err
}

// G1Generator returns P1.
func G1Generator() G1 { return G1{p: *generator1()} }

// HashToG1 hashes msg to a point under the domain separation tag dst, by
// BLS12381G1_XMD:SHA-256_SSWU_RO_ of RFC 9380 section 8.8.1.
func HashToG1(dst string, msg []byte) G1 { return G1{p: hash1(dst, msg)} }

// SumG1 returns Σ scalars[i]·points[i]. Its time depends on the scalars, and is
// shorter when all of them are below 2¹²⁸. It panics when the lengths differ.
func SumG1(points []G1, scalars []Scalar) G1 {
	if len(points) != len(scalars) {
		panic("pairing: SumG1 of lists of different lengths")
	}
	if len(points) == 0 {
		return G1{}
	}
	ps, ks := make([]point1, len(points)), make([]ff.Scalar, len(points))
	for i := range points {
		ps[i], ks[i] = points[i].p, scalars[i].v
	}
	return G1{p: sum1(ps, ks)}
}

// Bytes returns the 48 bytes of the compressed point.
func (a G1) Bytes() []byte { return bytes1(&a.p) }

// Add returns a + b.
func (a G1) Add(b G1) G1 { return G1{p: add1(&a.p, &b.p)} }

// Sub returns a − b.
func (a G1) Sub(b G1) G1 { return G1{p: sub1(&a.p, &b.p)} }

// Neg returns −a.
func (a G1) Neg() G1 { return G1{p: sub1(new(point1), &a.p)} }

// Mul returns k·a.
func (a G1) Mul(k Scalar) G1 { return G1{p: mul1(&a.p, &k.v)} }

// MulSecret returns s·a in constant time.
func (a G1) MulSecret(s Secret) SecretG1 { return secretG1(mul1(&a.p, s.scalar())) }

// Equal reports whether a and b are the same point.
func (a G1) Equal(b G1) bool { return equal1(&a.p, &b.p) }

// IsIdentity reports whether a is the identity.
func (a G1) IsIdentity() bool { return equal1(&a.p, new(point1)) }
