package pairing

// SecretG2 is a point of the second group that nobody may learn: an M-Pin
// master times the generator, which exists at one login server, and the shares of
// it. Every operation on it is constant time. It does not compile with ==, prints
// as [redacted], and refuses to be marshalled. Copies of a SecretG2 share one
// memory, which Erase overwrites. Its zero value is the identity.
type SecretG2 struct {
	guard
	p     *point2
	lines *lines2 // of a prepared one, as secret
}

// ParseSecretG2 decodes exactly 96 bytes by the rules of ParseG2. The error wraps
// ErrPoint.
func ParseSecretG2(b []byte) (SecretG2, error) {
	p, err := decodeG2(b)
	if err != nil {
		return SecretG2{}, err
	}
	return secretG2(p), nil
}

// Expose returns the 96 bytes of the compressed point, to be sealed and for
// nothing else.
func (a SecretG2) Expose() []byte { return bytes2(a.point()) }

// Add returns a + b.
func (a SecretG2) Add(b SecretG2) SecretG2 { return secretG2(add2(a.point(), b.point())) }

// Mul returns k·a.
func (a SecretG2) Mul(k Scalar) SecretG2 { return secretG2(mul2(a.point(), &k.v)) }

// Equal reports in constant time whether a and b are the same point.
func (a SecretG2) Equal(b SecretG2) bool { return same(a.Expose(), b.Expose()) }

// IsIdentity reports whether a is the identity.
func (a SecretG2) IsIdentity() bool { return equal2(a.point(), new(point2)) }

// Prepared returns a copy of a that goes through many pairings: with it,
// ProductIsOne of two pairs, the other of WithGenerator, takes three quarters
// of the time. It costs 13 KiB and half a pairing.
func (a SecretG2) Prepared() SecretG2 {
	prepared := secretG2(*a.point())
	if !a.IsIdentity() {
		prepared.lines = prepare2(prepared.p)
	}
	return prepared
}

// With returns (p, a) as an argument of ProductIsOne.
func (a SecretG2) With(p G1) Pair { return Pair{p: &p.p, q: a.point(), lines: a.lines} }

// Erase overwrites a, and with it every copy of a, with the identity.
func (a *SecretG2) Erase() {
	if a.p != nil {
		*a.p = point2{}
	}
	if a.lines != nil {
		*a.lines = lines2{}
	}
}

func secretG2(p point2) SecretG2 { return SecretG2{p: &p} }

func (a SecretG2) point() *point2 {
	if a.p == nil {
		return new(point2)
	}
	return a.p
}
