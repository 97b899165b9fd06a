// Package vss shares a secret among n holders so that any t of them determine
// it, verifiably: Feldman's scheme over either group (spec/ceremony.md
// "Polynomials").
//
// A dealer keeps a Polynomial of degree t−1, publishes Commitments to its
// coefficients and gives holder i the value at i, which the holder checks
// against the commitments. The commitments of the public master lie in G2,
// those of an M-Pin master in G1.
package vss

import (
	"errors"
	"fmt"

	"milagro.dev/internal/pairing"
)

var (
	// ErrShare says that a share does not fit the commitments.
	ErrShare = errors.New("share does not fit the commitments")
	// ErrIndices says that indices are not distinct and at least 1.
	ErrIndices = errors.New("indices are not distinct and positive")
	// ErrPolynomial says that public values do not lie on one polynomial.
	ErrPolynomial = errors.New("public shares do not lie on one polynomial with the master")
)

// Polynomial is a secret polynomial of degree t−1 over the scalars.
type Polynomial struct {
	coefficients []pairing.Secret // constant first
}

// NewPolynomial returns a random polynomial with t coefficients, t ≥ 1.
func NewPolynomial(t int) *Polynomial { return WithConstant(pairing.RandomSecret(), t) }

// WithConstant returns a polynomial with t coefficients, t ≥ 1, of which the
// constant is s and the others are random.
func WithConstant(s pairing.Secret, t int) *Polynomial {
	p := &Polynomial{coefficients: []pairing.Secret{s}}
	for len(p.coefficients) < t {
		p.coefficients = append(p.coefficients, pairing.RandomSecret())
	}
	return p
}

// At returns the value at index, by Horner's rule in constant time.
func (p *Polynomial) At(index uint32) pairing.Secret {
	x := pairing.NewScalar(uint64(index))
	last := len(p.coefficients) - 1
	value := p.coefficients[last]
	for i := last - 1; i >= 0; i-- {
		value = value.MulPublic(x).Add(p.coefficients[i])
	}
	return value
}

// Coefficient returns the coefficient of x^i, 0 ≤ i < t; that of x^0 is what
// the polynomial shares.
func (p *Polynomial) Coefficient(i int) pairing.Secret { return p.coefficients[i] }

// Erase overwrites the coefficients; p is of no further use.
func (p *Polynomial) Erase() {
	for i := range p.coefficients {
		p.coefficients[i].Erase()
	}
}

// Lagrange returns the coefficients λ_i with f(0) = Σ λ_i·f(i) for every
// polynomial f of degree below len(indices), in the order of indices. It
// returns ErrIndices unless they are distinct and at least 1.
func Lagrange(indices []uint32) ([]pairing.Scalar, error) {
	seen := map[uint32]bool{}
	for _, i := range indices {
		if i == 0 || seen[i] {
			return nil, fmt.Errorf("%w: %v", ErrIndices, indices)
		}
		seen[i] = true
	}
	coefficients := make([]pairing.Scalar, len(indices))
	for k, i := range indices {
		numerator, denominator := pairing.NewScalar(1), pairing.NewScalar(1)
		for _, j := range indices {
			if j != i {
				x := pairing.NewScalar(uint64(j))
				numerator = numerator.Mul(x)
				denominator = denominator.Mul(x.Sub(pairing.NewScalar(uint64(i))))
			}
		}
		inverse, err := denominator.Invert()
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrIndices, indices)
		}
		coefficients[k] = numerator.Mul(inverse)
	}
	return coefficients, nil
}
