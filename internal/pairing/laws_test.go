package pairing

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestG1IsAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genG1().Draw(t, "a"), genG1().Draw(t, "b"), genG1().Draw(t, "c")
		switch {
		case !a.Add(b).Equal(b.Add(a)):
			t.Fatal("a+b ≠ b+a")
		case !a.Add(b).Add(c).Equal(a.Add(b.Add(c))):
			t.Fatal("(a+b)+c ≠ a+(b+c)")
		case !a.Add(G1{}).Equal(a) || !(G1{}).Add(a).Equal(a):
			t.Fatal("0 is not neutral")
		case !a.Sub(a).IsIdentity() || !a.Add(a.Neg()).Equal(G1{}):
			t.Fatal("a−a ≠ 0")
		case !a.Sub(b).Equal(a.Add(b.Neg())):
			t.Fatal("a−b ≠ a+(−b)")
		case !a.Add(a).Equal(a.Mul(NewScalar(2))):
			t.Fatal("a+a ≠ 2a")
		case a.Equal(b) != bytes.Equal(a.Bytes(), b.Bytes()):
			t.Fatal("Equal differs from equality of bytes")
		}
	})
}

func TestG2IsAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genG2().Draw(t, "a"), genG2().Draw(t, "b"), genG2().Draw(t, "c")
		switch {
		case !a.Add(b).Equal(b.Add(a)):
			t.Fatal("a+b ≠ b+a")
		case !a.Add(b).Add(c).Equal(a.Add(b.Add(c))):
			t.Fatal("(a+b)+c ≠ a+(b+c)")
		case !a.Add(G2{}).Equal(a) || !(G2{}).Add(a).Equal(a):
			t.Fatal("0 is not neutral")
		case !a.Sub(a).IsIdentity() || !a.Add(a.Neg()).Equal(G2{}):
			t.Fatal("a−a ≠ 0")
		case !a.Sub(b).Equal(a.Add(b.Neg())):
			t.Fatal("a−b ≠ a+(−b)")
		case !a.Add(a).Equal(a.Mul(NewScalar(2))):
			t.Fatal("a+a ≠ 2a")
		case a.Equal(b) != bytes.Equal(a.Bytes(), b.Bytes()):
			t.Fatal("Equal differs from equality of bytes")
		}
	})
}

func TestScalarsActOnPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, u := genSecret().Draw(t, "s"), genSecret().Draw(t, "u")
		k, m := s.Publish(), u.Publish()
		p, q := HashToG1("laws", u.Expose()), u.G2()
		switch {
		case !p.Mul(k).Add(p.Mul(m)).Equal(p.Mul(k.Add(m))):
			t.Fatal("kp+mp ≠ (k+m)p")
		case !q.Mul(k).Add(q.Mul(m)).Equal(q.Mul(k.Add(m))):
			t.Fatal("kq+mq ≠ (k+m)q")
		case !p.Mul(k).Mul(m).Equal(p.Mul(k.Mul(m))):
			t.Fatal("m(kp) ≠ (km)p")
		case !s.G1().Equal(G1Generator().Mul(k)) || !s.G2().Equal(G2Generator().Mul(k)):
			t.Fatal("secret and public multiples of the generators differ")
		case p.Mul(k).IsIdentity() != k.IsZero():
			t.Fatal("kp = 0 for k ≠ 0, or the other way round")
		}
	})
}

func TestSecretPointsComputeLikePublicOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, u := genSecret().Draw(t, "s"), genSecret().Draw(t, "u")
		k := genScalar().Draw(t, "k")
		p := HashToG1("laws", k.Bytes())
		a, b := p.MulSecret(s), p.MulSecret(u)
		pa, pb := p.Mul(s.Publish()), p.Mul(u.Publish())
		switch {
		case !a.Publish().Equal(pa) || !bytes.Equal(a.Expose(), pa.Bytes()):
			t.Fatal("MulSecret differs from Mul")
		case !a.Add(b).Publish().Equal(pa.Add(pb)):
			t.Fatal("Add differs")
		case !a.Mul(k).Publish().Equal(pa.Mul(k)):
			t.Fatal("Mul differs")
		case !a.MulSecret(u).Equal(b.MulSecret(s)):
			t.Fatal("MulSecret does not commute")
		case a.Equal(b) != pa.Equal(pb) || a.IsIdentity() != pa.IsIdentity():
			t.Fatal("Equal or IsIdentity differs")
		}
	})
}

// genShort draws scalars that make sums hard: short, zero, and ±1.
func genShort() *rapid.Generator[Scalar] {
	return rapid.OneOf(
		rapid.Map(rapid.Uint64(), func(n uint64) Scalar { return NewScalar(n).Mul(NewScalar(n)) }),
		rapid.SampledFrom([]Scalar{{}, NewScalar(1), NewScalar(1).Neg()}),
		genScalar(),
	)
}

func TestSumsAreSumsOfProducts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 2, 3, 8, 33, 70}).Draw(t, "n")
		scalars := rapid.SliceOfN(genShort(), n, n).Draw(t, "scalars")
		if rapid.Bool().Draw(t, "all short") {
			for i := range scalars {
				scalars[i] = NewScalar(uint64(i) << 60).Mul(NewScalar(1 << 62))
			}
		}
		// Few different points, so that equal and opposite ones meet.
		few := []G1{{}, G1Generator(), G1Generator().Neg(), genG1().Draw(t, "p")}
		few2 := []G2{{}, G2Generator(), G2Generator().Neg(), genG2().Draw(t, "q")}
		var want G1
		var want2 G2
		points, points2 := make([]G1, n), make([]G2, n)
		for i := range n {
			j := rapid.IntRange(0, 3).Draw(t, "which")
			points[i], points2[i] = few[j], few2[j]
			want, want2 = want.Add(points[i].Mul(scalars[i])), want2.Add(points2[i].Mul(scalars[i]))
		}
		if !SumG1(points, scalars).Equal(want) || !SumG2(points2, scalars).Equal(want2) {
			t.Fatal("sum differs")
		}
	})
}

func TestSumsPanicOnDifferentLengths(t *testing.T) {
	for name, sum := range map[string]func(){
		"SumG1": func() { SumG1(make([]G1, 2), make([]Scalar, 1)) },
		"SumG2": func() { SumG2(make([]G2, 1), make([]Scalar, 2)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s took lists of different lengths", name)
				}
			}()
			sum()
		}()
	}
}

func TestZeroPointsAreTheIdentity(t *testing.T) {
	s := toSecret(order().Rsh(order(), 1))
	identity := G1Generator().Sub(G1Generator())
	points := []G1{{}, identity, {}, (G1{}).Neg(), (G1{}).Mul(NewScalar(5)), G1Generator().Mul(Scalar{}), (Secret{}).G1(),
		(SecretG1{}).Publish(), (G1{}).MulSecret(s).Publish(), G1Generator().MulSecret(Secret{}).Publish(),
		(SecretG1{}).Add(SecretG1{}).Mul(NewScalar(2)).MulSecret(s).Publish(), SumG1(nil, nil)}
	for i, p := range points {
		if !p.IsIdentity() || !p.Equal(G1{}) || !bytes.Equal(p.Bytes(), append([]byte{0xc0}, make([]byte, 47)...)) {
			t.Errorf("G1 %d is %x", i, p.Bytes())
		}
	}
	for i, q := range []G2{{}, (G2{}).Neg(), (G2{}).Mul(NewScalar(5)), G2Generator().Mul(Scalar{}), (Secret{}).G2(),
		G2Generator().Sub(G2Generator()), SumG2(nil, nil)} {
		if !q.IsIdentity() || !q.Equal(G2{}) || !bytes.Equal(q.Bytes(), append([]byte{0xc0}, make([]byte, 95)...)) {
			t.Errorf("G2 %d is %x", i, q.Bytes())
		}
	}
	if G1Generator().IsIdentity() || G2Generator().IsIdentity() || G1Generator().MulSecret(s).IsIdentity() {
		t.Error("a generator is the identity")
	}
}
