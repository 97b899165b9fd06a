package keys

import (
	"fmt"

	"milagro.dev/internal/pairing"
)

// Private is a whole key d = s·A of one identity. Its applicant alone knows it.
type Private struct{ point pairing.SecretG1 }

// ParsePrivate reads the 48 bytes of Expose; an error wraps ErrKey.
func ParsePrivate(b []byte) (Private, error) {
	p, err := pairing.ParseSecretG1(b)
	if err != nil {
		return Private{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return Private{p}, nil
}

// Expose returns the key's 48 bytes, for keeping them safe, or for publishing
// them where the key is a signature.
func (p Private) Expose() []byte { return p.point.Expose() }

// Verify returns ErrKey unless p is the key of point under master:
// e(d, P2) = e(A, mpk).
func (p Private) Verify(point pairing.G1, master Master) error {
	if p.point.IsIdentity() || !verified(p.point, point, master.point) {
		return ErrKey
	}
	return nil
}

// Secret returns the key as a point, for packages that compute with it.
func (p Private) Secret() pairing.SecretG1 { return p.point }

// Erase overwrites the key; p is of no further use.
func (p *Private) Erase() { p.point.Erase() }

// String does not tell the key.
func (p Private) String() string { return "private key [redacted]" }

// GoString returns what String does.
func (p Private) GoString() string { return p.String() }
