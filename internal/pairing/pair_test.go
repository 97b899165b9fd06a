package pairing

import "testing"

func TestBilinear(t *testing.T) {
	a, b := RandomSecret(), RandomSecret()
	if !ProductIsOne(NewPair(a.G1(), b.G2()), NewPair(a.Mul(b).G1().Neg(), G2Generator())) {
		t.Fatal("e(aP, bQ) is not e(abP, Q)")
	}
}
