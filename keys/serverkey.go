package keys

import (
	"fmt"

	"milagro.dev/internal/pairing"
)

// ServerKeySize is the length of a login server's key and of its shares, in
// bytes.
const ServerKeySize = pairing.G2Size

// ServerShare is one authority's part s_i·P2 of a login server's key. It is
// secret: with it and t−1 others a stolen token gives up its PIN.
type ServerShare struct {
	index      uint32
	generation Generation
	point      pairing.SecretG2
}

// ServerShare returns this authority's share of the login server's key: the one
// value in G2 that is ever made of an M-Pin master (spec/mpin.md "Server key").
func (s MasterShare) ServerShare() ServerShare {
	return ServerShare{index: s.index, generation: s.generation, point: s.secret.SecretG2()}
}

// ParseServerShare reads the 96 bytes of authority index's share; an error wraps
// pairing.ErrPoint. The share is not yet verified.
func ParseServerShare(index uint32, generation Generation, b []byte) (ServerShare, error) {
	p, err := pairing.ParseSecretG2(b)
	if err != nil {
		return ServerShare{}, fmt.Errorf("share of authority %d: %w", index, err)
	}
	return ServerShare{index: index, generation: generation, point: p}, nil
}

// Index returns the index of the authority that gave the share.
func (s ServerShare) Index() uint32 { return s.index }

// Generation returns the generation that the share is of.
func (s ServerShare) Generation() Generation { return s.generation }

// Expose returns the 96 bytes of the share, for sealing only.
func (s ServerShare) Expose() []byte { return s.point.Expose() }

// Verify returns ErrShare unless the share is that of public X_i = s_i·P1:
// e(P1, s_i·P2) = e(X_i, P2).
func (s ServerShare) Verify(public pairing.G1) error {
	if s.point.IsIdentity() || !possessed(s.point, public) {
		return fmt.Errorf("%w of authority %d", ErrShare, s.index)
	}
	return nil
}

func possessed(point pairing.SecretG2, public pairing.G1) bool {
	return pairing.ProductIsOne(point.With(pairing.G1Generator()), pairing.NewPair(public.Neg(), pairing.G2Generator()))
}

// Erase overwrites the share; s is of no further use.
func (s *ServerShare) Erase() { s.point.Erase() }

// String returns the share without its secret.
func (s ServerShare) String() string { return redactedShare("server share", s.index) }

// GoString returns what String does.
func (s ServerShare) GoString() string { return s.String() }

// ServerKey is S = s·P2, with which a login server verifies. It exists there and
// nowhere else.
type ServerKey struct{ point pairing.SecretG2 }

// CombineServer makes the server key of the first threshold shares with
// different indices. They were verified before. It returns ErrGeneration when
// shares of different generations meet and ErrThreshold when there are too few.
func CombineServer(threshold int, shares []ServerShare) (ServerKey, error) {
	chosen, coefficients, err := choose(threshold, shares)
	if err != nil {
		return ServerKey{}, err
	}
	var sum pairing.SecretG2
	for i, s := range chosen {
		sum = sum.Add(s.point.Mul(coefficients[i]))
	}
	return newServerKey(sum), nil
}

// ParseServerKey reads the 96 bytes of Expose; an error wraps ErrKey.
func ParseServerKey(b []byte) (ServerKey, error) {
	p, err := pairing.ParseSecretG2(b)
	if err != nil {
		return ServerKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return newServerKey(p), nil
}

// newServerKey makes a key that verifies many logins.
func newServerKey(p pairing.SecretG2) ServerKey {
	defer p.Erase()
	return ServerKey{p.Prepared()}
}

// Expose returns the key's 96 bytes, for sealing only.
func (k ServerKey) Expose() []byte { return k.point.Expose() }

// Verify returns ErrKey unless k is the key of the service with this master:
// e(P1, S) = e(X, P2).
func (k ServerKey) Verify(master PinMaster) error {
	if k.point.IsIdentity() || !possessed(k.point, master.point) {
		return ErrKey
	}
	return nil
}

// With returns (p, S) as an argument of pairing.ProductIsOne.
func (k ServerKey) With(p pairing.G1) pairing.Pair { return k.point.With(p) }

// Erase overwrites the key; k is of no further use.
func (k *ServerKey) Erase() { k.point.Erase() }

// String does not tell the key.
func (k ServerKey) String() string { return "server key [redacted]" }

// GoString returns what String does.
func (k ServerKey) GoString() string { return k.String() }
