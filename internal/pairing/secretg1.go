package pairing

// SecretG1 is a point of the first group that nobody may learn: a share of a key,
// a private key. Every operation on it is constant time. It does not compile with
// ==, prints as [redacted], and refuses to be marshalled. Copies of a SecretG1
// share one memory, which Erase overwrites. Its zero value is the identity.
type SecretG1 struct {
	guard
	p *point1
}

// ParseSecretG1 decodes exactly 48 bytes by the rules of ParseG1. The error wraps
// ErrPoint.
func ParseSecretG1(b []byte) (SecretG1, error) {
	p, err := decodeG1(b)
	if err != nil {
		return SecretG1{}, err
	}
	return secretG1(p), nil
}

// Expose returns the 48 bytes of the compressed point, to be sealed and for
// nothing else.
func (a SecretG1) Expose() []byte { return bytes1(a.point()) }

// Publish returns a as a public point. It is for points that are about to be sent
// in clear.
func (a SecretG1) Publish() G1 { return G1{p: *a.point()} }

// Add returns a + b.
func (a SecretG1) Add(b SecretG1) SecretG1 { return secretG1(add1(a.point(), b.point())) }

// Sub returns a − b.
func (a SecretG1) Sub(b SecretG1) SecretG1 { return secretG1(sub1(a.point(), b.point())) }

// Neg returns −a.
func (a SecretG1) Neg() SecretG1 { return secretG1(sub1(new(point1), a.point())) }

// Mul returns k·a.
func (a SecretG1) Mul(k Scalar) SecretG1 { return secretG1(mul1(a.point(), &k.v)) }

// MulSecret returns s·a.
func (a SecretG1) MulSecret(s Secret) SecretG1 { return secretG1(mul1(a.point(), s.scalar())) }

// Equal reports in constant time whether a and b are the same point.
func (a SecretG1) Equal(b SecretG1) bool { return same(a.Expose(), b.Expose()) }

// IsIdentity reports whether a is the identity.
func (a SecretG1) IsIdentity() bool { return equal1(a.point(), new(point1)) }

// With returns (a, q) as an argument of ProductIsOne.
func (a SecretG1) With(q G2) Pair { return Pair{p: a.point(), q: &q.p} }

// Erase overwrites a, and with it every copy of a, with the identity.
func (a *SecretG1) Erase() {
	if a.p != nil {
		*a.p = point1{}
	}
}

func secretG1(p point1) SecretG1 { return SecretG1{p: &p} }

func (a SecretG1) point() *point1 {
	if a.p == nil {
		return new(point1)
	}
	return a.p
}
