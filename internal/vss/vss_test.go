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
