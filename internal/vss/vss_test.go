package vss

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"milagro.dev/internal/pairing"
)

func TestAnyTValuesDetermineTheConstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.IntRange(1, 6).Draw(t, "t")
		p := NewPolynomial(threshold)
		indices := rapid.SliceOfNDistinct(rapid.Uint32Range(1, 1000), threshold, threshold, rapid.ID[uint32]).Draw(t, "indices")
		coefficients, err := Lagrange(indices)
		if err != nil {
			t.Fatal(err)
		}
		sum := p.At(indices[0]).MulPublic(coefficients[0])
		for i := 1; i < threshold; i++ {
			sum = sum.Add(p.At(indices[i]).MulPublic(coefficients[i]))
		}
		if !sum.Equal(p.Coefficient(0)) {
			t.Fatal("another constant")
		}
	})
}

func TestLagrangeRefuses(t *testing.T) {
	for _, indices := range [][]uint32{{0}, {1, 0}, {1, 1}, {3, 2, 3}} {
		if _, err := Lagrange(indices); !errors.Is(err, ErrIndices) {
			t.Errorf("%v: %v", indices, err)
		}
	}
}

func TestValuesFitTheirCommitments(t *testing.T) {
	p := NewPolynomial(3)
	c1, c2 := p.CommitG1(), p.CommitG2()
	for i := uint32(1); i <= 5; i++ {
		if err := CheckG1(c1, i, p.At(i)); err != nil {
			t.Error(err)
		}
		if err := CheckG2(c2, i, p.At(i)); err != nil {
			t.Error(err)
		}
		if err := CheckG1(c1, i, p.At(i+1)); !errors.Is(err, ErrShare) {
			t.Errorf("G1, another's value: %v", err)
		}
		if err := CheckG2(c2, i, p.At(i).AddPublic(pairing.NewScalar(1))); !errors.Is(err, ErrShare) {
			t.Errorf("G2, a value changed: %v", err)
		}
	}
}

func TestSumOfPolynomialsHasTheSumOfCommitments(t *testing.T) {
	p, q := NewPolynomial(3), NewPolynomial(3)
	sum := p.CommitG2().Add(q.CommitG2())
	if err := CheckG2(sum, 4, p.At(4).Add(q.At(4))); err != nil {
		t.Error(err)
	}
	if !sum.Constant().Equal(p.Coefficient(0).Add(q.Coefficient(0)).G2()) {
		t.Error("the constant is another")
	}
}

func TestOnePolynomialRefusesEveryOneOffIt(t *testing.T) {
	const n, threshold = 6, 3
	p := NewPolynomial(threshold)
	indices := []uint32{1, 2, 3, 4, 5, 6}
	values := make([]pairing.G1, n)
	for i := range values {
		values[i] = p.At(indices[i]).G1()
	}
	constant := p.Coefficient(0).G1()
	if err := OnePolynomialG1(indices, values, constant, threshold); err != nil {
		t.Fatal(err)
	}
	for i := range values {
		bad := append([]pairing.G1(nil), values...)
		bad[i] = bad[i].Add(pairing.G1Generator())
		if err := OnePolynomialG1(indices, bad, constant, threshold); !errors.Is(err, ErrPolynomial) {
			t.Errorf("value %d off it: %v", i+1, err)
		}
	}
	if err := OnePolynomialG1(indices, values, constant.Neg(), threshold); !errors.Is(err, ErrPolynomial) {
		t.Errorf("another constant: %v", err)
	}
	if err := OnePolynomialG1(indices, values, constant, threshold-1); !errors.Is(err, ErrPolynomial) {
		t.Errorf("a lower degree: %v", err)
	}
	if err := OnePolynomialG1(indices[:2], values[:2], constant, threshold); !errors.Is(err, ErrPolynomial) {
		t.Errorf("too few values: %v", err)
	}
	if err := OnePolynomialG1([]uint32{1, 1, 2, 3, 4, 5}, values, constant, threshold); !errors.Is(err, ErrIndices) {
		t.Errorf("an index twice: %v", err)
	}
}

func TestWithConstantSharesThatConstant(t *testing.T) {
	s := pairing.RandomSecret()
	if !WithConstant(s, 3).Coefficient(0).Equal(s) {
		t.Error("another constant")
	}
}

func TestErasedPolynomialIsGone(t *testing.T) {
	p := NewPolynomial(3)
	before := p.At(1)
	p.Erase()
	if p.At(1).Equal(before) {
		t.Error("it still gives values")
	}
}

// TestFewerThanTValuesTellNothing: whatever the constant, there is a polynomial
// of degree t−1 through any t−1 values; it is computed and checked here.
func TestFewerThanTValuesTellNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		threshold := rapid.IntRange(2, 5).Draw(t, "t")
		p, other := NewPolynomial(threshold), pairing.RandomSecret()
		// q = p + (other − p(0))·Π(1 − x/i) agrees with p at 1…t−1.
		difference := other.Sub(p.Coefficient(0))
		factor := func(x uint64) pairing.Scalar {
			product := pairing.NewScalar(1)
			for i := uint64(1); i < uint64(threshold); i++ {
				inverse, err := pairing.NewScalar(i).Invert()
				if err != nil {
					t.Fatal(err)
				}
				product = product.Mul(pairing.NewScalar(i).Sub(pairing.NewScalar(x)).Mul(inverse))
			}
			return product
		}
		q := func(x uint32) pairing.Secret { return p.At(x).Add(difference.MulPublic(factor(uint64(x)))) }
		if !q(0).Equal(other) {
			t.Fatal("another constant was meant")
		}
		for x := uint32(1); x < uint32(threshold); x++ {
			if !q(x).Equal(p.At(x)) {
				t.Fatalf("the values at %d differ", x)
			}
		}
		if q(uint32(threshold)).Equal(p.At(uint32(threshold))) {
			t.Fatal("t values have two polynomials")
		}
	})
}

func TestLagrangeOfTheEmptySetIsEmpty(t *testing.T) {
	if c, err := Lagrange(nil); err != nil || len(c) != 0 {
		t.Errorf("coefficients %v, error %v", c, err)
	}
}

func TestLagrangeSumsToOne(t *testing.T) {
	for n := 1; n <= 16; n++ {
		var indices []uint32
		for i := range n {
			indices = append(indices, uint32(7*i+1))
		}
		coefficients, err := Lagrange(indices)
		if err != nil {
			t.Fatal(err)
		}
		sum := pairing.NewScalar(0)
		for _, c := range coefficients {
			sum = sum.Add(c)
		}
		if !sum.Equal(pairing.NewScalar(1)) {
			t.Errorf("%d coefficients do not interpolate a constant", n)
		}
	}
}

// TestOnePolynomialAcceptsAnyIndices: holders that were replaced leave gaps.
func TestOnePolynomialAcceptsAnyIndices(t *testing.T) {
	for threshold := 1; threshold <= 5; threshold++ {
		p := NewPolynomial(threshold)
		indices := []uint32{16, 2, 9, 1, 5}
		g1, g2 := make([]pairing.G1, len(indices)), make([]pairing.G2, len(indices))
		for i, index := range indices {
			g1[i], g2[i] = p.At(index).G1(), p.At(index).G2()
		}
		if err := OnePolynomialG1(indices, g1, p.Coefficient(0).G1(), threshold); err != nil {
			t.Errorf("G1, threshold %d: %v", threshold, err)
		}
		if err := OnePolynomialG2(indices, g2, p.Coefficient(0).G2(), threshold); err != nil {
			t.Errorf("G2, threshold %d: %v", threshold, err)
		}
		g2[4] = g2[4].Neg()
		if err := OnePolynomialG2(indices, g2, p.Coefficient(0).G2(), threshold); !errors.Is(err, ErrPolynomial) {
			t.Errorf("G2, threshold %d, one off it: %v", threshold, err)
		}
	}
}

// TestLongerPolynomialIsFoundOut: a dealer that shares with a higher degree
// than agreed would lock everybody out; its values lie on no polynomial of t.
func TestLongerPolynomialIsFoundOut(t *testing.T) {
	p := NewPolynomial(4)
	indices := []uint32{1, 2, 3, 4, 5}
	var values []pairing.G2
	for _, i := range indices {
		values = append(values, p.At(i).G2())
	}
	if err := OnePolynomialG2(indices, values, p.Coefficient(0).G2(), 3); !errors.Is(err, ErrPolynomial) {
		t.Errorf("error = %v", err)
	}
	// With t values alone nothing can tell: then the constant does.
	if err := OnePolynomialG2(indices[:3], values[:3], p.Coefficient(0).G2(), 3); !errors.Is(err, ErrPolynomial) {
		t.Errorf("three values: %v", err)
	}
}

func TestOnePolynomialRefusesListsOfDifferentLength(t *testing.T) {
	p := NewPolynomial(2)
	values := []pairing.G1{p.At(1).G1(), p.At(2).G1()}
	for _, threshold := range []int{-1, 0, 2} {
		if err := OnePolynomialG1([]uint32{1, 2, 3}, values, p.Coefficient(0).G1(), threshold); !errors.Is(err, ErrPolynomial) {
			t.Errorf("threshold %d: %v", threshold, err)
		}
	}
	if err := OnePolynomialG1([]uint32{1, 2}, values, p.Coefficient(0).G1(), 0); !errors.Is(err, ErrPolynomial) {
		t.Errorf("threshold 0: %v", err)
	}
}
