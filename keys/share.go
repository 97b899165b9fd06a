package keys

import (
	"errors"
	"fmt"
	"slices"

	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
)

// ShareSize is the length of a key share and of a private key, in bytes.
const ShareSize = pairing.G1Size

var (
	// ErrShare says that a key share is not its authority's true one.
	ErrShare = errors.New("false share")
	// ErrThreshold says that there are fewer shares than the threshold.
	ErrThreshold = errors.New("too few shares")
	// ErrKey says that a private key does not verify against the master.
	ErrKey = errors.New("not the private key of this identity")
)

// Share is one authority's part s_i·A of an applicant's key. It is secret.
type Share struct {
	index      uint32
	generation Generation
	point      pairing.SecretG1
}

// ParseShare reads the 48 bytes of authority index's share; an error wraps
// pairing.ErrPoint. The share is not yet verified.
func ParseShare(index uint32, generation Generation, b []byte) (Share, error) {
	p, err := pairing.ParseSecretG1(b)
	if err != nil {
		return Share{}, fmt.Errorf("share of authority %d: %w", index, err)
	}
	return Share{index: index, generation: generation, point: p}, nil
}

// Index returns the index of the authority that gave the share.
func (s Share) Index() uint32 { return s.index }

// Generation returns the generation that the share is of.
func (s Share) Generation() Generation { return s.generation }

// Expose returns the 48 bytes of the share, for sealing it to its applicant,
// or for publishing it where the key is a signature.
func (s Share) Expose() []byte { return s.point.Expose() }

// Verify returns ErrShare unless the share is s_i·point, where public is
// Y_i = s_i·P2: e(s_i·A, P2) = e(A, Y_i) (spec/shares.md "Public master").
func (s Share) Verify(point pairing.G1, public pairing.G2) error {
	if s.point.IsIdentity() || !verified(s.point, point, public) {
		return fmt.Errorf("%w of authority %d", ErrShare, s.index)
	}
	return nil
}

func verified(share pairing.SecretG1, point pairing.G1, public pairing.G2) bool {
	return pairing.ProductIsOne(share.With(pairing.G2Generator()), pairing.NewPair(point.Neg(), public))
}

// VerifyShares returns the indices of the shares that are not true ones of the
// key of point; publics has Y_i by index. All are checked at once, by a random
// combination, and singly only if that fails.
func VerifyShares(point pairing.G1, shares []Share, publics map[uint32]pairing.G2) (bad []uint32) {
	if len(shares) > 1 && verifiedTogether(point, shares, publics) {
		return nil
	}
	for _, s := range shares {
		public, known := publics[s.index]
		if !known || s.Verify(point, public) != nil {
			bad = append(bad, s.index)
		}
	}
	return bad
}

// verifiedTogether checks e(Σ ρ_i·s_iA, P2) = e(A, Σ ρ_i·Y_i) with fresh
// 128-bit weights. The shares are secret, so they are multiplied in constant
// time.
func verifiedTogether(point pairing.G1, shares []Share, publics map[uint32]pairing.G2) bool {
	var sum pairing.SecretG1
	var points []pairing.G2
	var weights []pairing.Scalar
	for i, s := range shares {
		public, known := publics[s.index]
		if !known || s.point.IsIdentity() {
			return false
		}
		w := pairing.RandomWeight()
		term := s.point.Mul(w)
		if i == 0 {
			sum = term
		} else {
			sum = sum.Add(term)
		}
		points, weights = append(points, public), append(weights, w)
	}
	return verified(sum, point, pairing.SumG2(points, weights))
}

// Combine makes the whole key of the first threshold shares with different
// indices. They were verified before. It returns ErrGeneration when shares of
// different generations meet and ErrThreshold when there are too few.
func Combine(threshold int, shares []Share) (Private, error) {
	return CombineLess(threshold, shares, pairing.SecretG1{})
}

// CombineLess is Combine for a key that nobody is to hold whole: it makes
// Σ λ_i(s_i·A − part), the key less part, without ever making the key
// (spec/mpin.md "Token").
func CombineLess(threshold int, shares []Share, part pairing.SecretG1) (Private, error) {
	chosen, coefficients, err := choose(threshold, shares)
	if err != nil {
		return Private{}, err
	}
	var sum pairing.SecretG1
	for i, s := range chosen {
		sum = sum.Add(s.point.Sub(part).Mul(coefficients[i]))
	}
	return Private{point: sum}, nil
}

// dealt is what a share of any kind says of itself.
type dealt interface {
	Index() uint32
	Generation() Generation
}

// choose returns the first threshold shares with different indices, and their
// coefficients.
func choose[S dealt](threshold int, shares []S) ([]S, []pairing.Scalar, error) {
	var chosen []S
	var indices []uint32
	for _, s := range shares {
		if s.Generation() != shares[0].Generation() {
			return nil, nil, fmt.Errorf("%w: shares %d and %d", ErrGeneration, shares[0].Index(), s.Index())
		}
		if !slices.Contains(indices, s.Index()) && len(chosen) < threshold {
			chosen, indices = append(chosen, s), append(indices, s.Index())
		}
	}
	if threshold < 1 || len(chosen) < threshold {
		return nil, nil, fmt.Errorf("%w: %d of %d", ErrThreshold, len(chosen), threshold)
	}
	coefficients, err := vss.Lagrange(indices)
	return chosen, coefficients, err
}

// Erase overwrites the share, and with it every copy of it.
func (s *Share) Erase() { s.point.Erase() }

// String returns the share without its secret.
func (s Share) String() string { return redactedShare("share", s.index) }

// GoString returns what String does.
func (s Share) GoString() string { return s.String() }
