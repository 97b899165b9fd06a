package pairing

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPairingIsBilinear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genSecret().Draw(t, "a"), genSecret().Draw(t, "b")
		left := NewPair(a.G1(), b.G2())
		for name, right := range map[string]Pair{
			"e(abP, Q)": NewPair(a.Mul(b).G1().Neg(), G2Generator()),
			"e(P, abQ)": NewPair(G1Generator(), a.Mul(b).G2().Neg()),
			"secret":    G1Generator().MulSecret(b).With(a.G2().Neg()),
		} {
			if !ProductIsOne(left, right) {
				t.Fatalf("e(aP, bQ) ≠ %s", name)
			}
		}
		wrong := NewPair(a.Mul(b).AddPublic(NewScalar(1)).G1().Neg(), G2Generator())
		if ProductIsOne(left, wrong) {
			t.Fatal("e(aP, bQ) = e((ab+1)P, Q)")
		}
	})
}

// TestPreparedPointsPairAlike holds products over lines that are known against
// those over points.
func TestPreparedPointsPairAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, w := genSecret().Draw(t, "s"), genG1().Draw(t, "w")
		point := s.SecretG2()
		prepared := point.Prepared()
		v := w.MulSecret(s).Neg().Publish()
		cases := map[string]struct{ v, w G1 }{
			"equal":       {v, w},
			"negated":     {v.Neg(), w},
			"other left":  {v.Add(G1Generator()), w},
			"other right": {v, w.Add(G1Generator())},
			"left alone":  {v, G1{}},
			"right alone": {G1{}, w},
			"neither":     {G1{}, G1{}},
		}
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(cases))).Draw(t, "case")
		c := cases[name]
		want := ProductIsOne(NewPair(c.v, G2Generator()), point.With(c.w))
		if name == "equal" && !want {
			t.Fatal("e(−sW, P2)·e(W, sP2) ≠ 1")
		}
		for order, got := range map[string]bool{
			"ahead":    ProductIsOne(WithGenerator(c.v), prepared.With(c.w)),
			"public":   ProductIsOne(WithGenerator(c.v), NewPair(c.w, s.G2().Prepared().Prepared())),
			"reversed": ProductIsOne(prepared.With(c.w), WithGenerator(c.v)),
			"half":     ProductIsOne(WithGenerator(c.v), point.With(c.w)),
			"with one": ProductIsOne(WithGenerator(c.v), prepared.With(c.w), WithGenerator(G1{})),
			"of four":  ProductIsOne(WithGenerator(c.v), prepared.With(c.w), WithGenerator(w), WithGenerator(w.Neg())),
		} {
			if got != want {
				t.Fatalf("%s, %s: %v, of points %v", name, order, got, want)
			}
		}
	})
}

func TestPairingIsNotDegenerate(t *testing.T) {
	p, q := NewPair(G1Generator(), G2Generator()), NewPair(G1Generator().Neg(), G2Generator())
	if ProductIsOne(p) || ProductIsOne(p, p) || !ProductIsOne(p, q) || !ProductIsOne(q, p) {
		t.Error("e(P1, P2) = 1, or e(P1, P2)·e(−P1, P2) ≠ 1")
	}
}

func TestIdentityContributesOne(t *testing.T) {
	p, q := G1Generator(), G2Generator()
	for name, empty := range map[string]Pair{
		"left":      NewPair(G1{}, q),
		"right":     NewPair(p, G2{}),
		"both":      NewPair(G1{}, G2{}),
		"computed":  NewPair(p.Sub(p), q),
		"computed2": NewPair(p, q.Sub(q)),
		"secret":    (SecretG1{}).With(q),
		"zero":      {},
	} {
		if !ProductIsOne(empty) || !ProductIsOne(empty, empty) {
			t.Errorf("%s: not 1", name)
		}
		if ProductIsOne(empty, NewPair(p, q)) || ProductIsOne(NewPair(p, q), empty) {
			t.Errorf("%s: hides another pair", name)
		}
		if !ProductIsOne(NewPair(p, q), empty, NewPair(p.Neg(), q)) {
			t.Errorf("%s: spoils a product", name)
		}
	}
	if !ProductIsOne() {
		t.Error("the empty product is not 1")
	}
}

// TestLongProducts crosses the sizes at which the backends work in batches.
func TestLongProducts(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 9, 15, 16, 17, 33} {
		var pairs []Pair
		var sum Secret
		for range n {
			a, b := RandomSecret(), RandomSecret()
			sum = sum.Add(a.Mul(b))
			pairs = append(pairs, NewPair(a.G1(), b.G2()))
		}
		good := append(pairs, NewPair(sum.G1().Neg(), G2Generator()))
		bad := append(pairs[:n:n], NewPair(sum.G1(), G2Generator()))
		if !ProductIsOne(good...) || ProductIsOne(bad...) {
			t.Errorf("%d pairs: wrong answer", n)
		}
	}
}

func TestCheckAcceptsThisProcessor(t *testing.T) {
	if err := Check(); err != nil {
		t.Error(err)
	}
}
