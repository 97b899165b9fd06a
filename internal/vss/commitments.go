package vss

import (
	"fmt"

	"milagro.dev/internal/pairing"
)

// Element is a point of one of the two groups.
type Element[P any] interface {
	Add(P) P
	Equal(P) bool
	Mul(pairing.Scalar) P
	Bytes() []byte
}

// Commitments are a polynomial's coefficients times a generator, constant
// first: what a dealer publishes.
type Commitments[P Element[P]] []P

// CommitG1 returns p's commitments in G1.
func (p *Polynomial) CommitG1() Commitments[pairing.G1] {
	return commit(p, pairing.Secret.G1)
}

// CommitG2 returns p's commitments in G2.
func (p *Polynomial) CommitG2() Commitments[pairing.G2] {
	return commit(p, pairing.Secret.G2)
}

func commit[P Element[P]](p *Polynomial, lift func(pairing.Secret) P) Commitments[P] {
	c := make(Commitments[P], len(p.coefficients))
	for i, a := range p.coefficients {
		c[i] = lift(a)
	}
	return c
}

// At returns the commitment to the value at index.
func (c Commitments[P]) At(index uint32) P {
	x := pairing.NewScalar(uint64(index))
	value := c[len(c)-1]
	for i := len(c) - 2; i >= 0; i-- {
		value = value.Mul(x).Add(c[i])
	}
	return value
}

// Constant returns the commitment to the shared secret.
func (c Commitments[P]) Constant() P { return c[0] }

// Add returns the commitments to the sum of two polynomials of one length.
func (c Commitments[P]) Add(d Commitments[P]) Commitments[P] {
	sum := make(Commitments[P], len(c))
	for i := range c {
		sum[i] = c[i].Add(d[i])
	}
	return sum
}

// CheckG1 returns ErrShare unless share is the value at index.
func CheckG1(c Commitments[pairing.G1], index uint32, share pairing.Secret) error {
	return check(c, index, share.G1())
}

// CheckG2 returns ErrShare unless share is the value at index.
func CheckG2(c Commitments[pairing.G2], index uint32, share pairing.Secret) error {
	return check(c, index, share.G2())
}

func check[P Element[P]](c Commitments[P], index uint32, lifted P) error {
	if !c.At(index).Equal(lifted) {
		return ErrShare
	}
	return nil
}

// OnePolynomialG1 returns ErrPolynomial unless the values at indices lie on
// one polynomial of degree t−1 whose value at 0 is constant; there are at
// least t of them.
func OnePolynomialG1(indices []uint32, values []pairing.G1, constant pairing.G1, t int) error {
	return onePolynomial(indices, values, constant, t)
}

// OnePolynomialG2 is OnePolynomialG1 for G2.
func OnePolynomialG2(indices []uint32, values []pairing.G2, constant pairing.G2, t int) error {
	return onePolynomial(indices, values, constant, t)
}

// onePolynomial interpolates the constant from each window of t neighbours.
// If all windows agree, the values lie on one polynomial: two neighbouring
// windows share t−1 points and the value at 0, t in all, so they have the same
// polynomial of degree t−1.
func onePolynomial[P Element[P]](indices []uint32, values []P, constant P, t int) error {
	if t < 1 || len(indices) != len(values) || len(values) < t {
		return fmt.Errorf("%w: %d values, threshold %d", ErrPolynomial, len(values), t)
	}
	if _, err := Lagrange(indices); err != nil {
		return err
	}
	for i := 0; i+t <= len(values); i++ {
		at0, err := interpolate(indices[i:i+t], values[i:i+t])
		if err != nil {
			return err
		}
		if !at0.Equal(constant) {
			return ErrPolynomial
		}
	}
	return nil
}

func interpolate[P Element[P]](indices []uint32, values []P) (P, error) {
	var sum P
	coefficients, err := Lagrange(indices)
	if err != nil {
		return sum, err
	}
	for i, c := range coefficients {
		sum = sum.Add(values[i].Mul(c))
	}
	return sum, nil
}
