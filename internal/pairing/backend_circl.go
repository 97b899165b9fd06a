//go:build !cgo

package pairing

import (
	bls "github.com/cloudflare/circl/ecc/bls12381"
	"github.com/cloudflare/circl/ecc/bls12381/ff"
)

// Backend names the curve library of this build: "blst" with cgo, else "circl".
const Backend = "circl"

// Check returns nil: this backend runs on every processor.
func Check() error { return nil }

// The zero values are the identities; those of circl are no points at all.
type (
	point1 struct {
		p   bls.G1
		set bool
	}
	point2 struct {
		p   bls.G2
		set bool
	}
)

func (a *point1) get() *bls.G1 {
	if !a.set {
		a = &point1{set: true}
		a.p.SetIdentity()
	}
	return &a.p
}

func (a *point2) get() *bls.G2 {
	if !a.set {
		a = &point2{set: true}
		a.p.SetIdentity()
	}
	return &a.p
}

func generator1() *point1 { return &point1{*bls.G1Generator(), true} }

func generator2() *point2 { return &point2{*bls.G2Generator(), true} }

func add1(a, b *point1) point1 {
	sum := point1{set: true}
	sum.p.Add(a.get(), b.get())
	return sum
}

func add2(a, b *point2) point2 {
	sum := point2{set: true}
	sum.p.Add(a.get(), b.get())
	return sum
}

func sub1(a, b *point1) point1 {
	minus := point1{*b.get(), true}
	minus.p.Neg()
	return add1(a, &minus)
}

func sub2(a, b *point2) point2 {
	minus := point2{*b.get(), true}
	minus.p.Neg()
	return add2(a, &minus)
}

func equal1(a, b *point1) bool { return a.get().IsEqual(b.get()) }

func equal2(a, b *point2) bool { return a.get().IsEqual(b.get()) }

// bytes1 is constant time but for the sign: the library compares y with (p+1)/2
// byte by byte, which tells how many leading bytes agree, almost always none.
func bytes1(a *point1) []byte { return a.get().BytesCompressed() }

func bytes2(a *point2) []byte { return a.get().BytesCompressed() }

func mul1(a *point1, k *ff.Scalar) point1 {
	product := point1{set: true}
	product.p.ScalarMult(k, a.get())
	return product
}

func mul2(a *point2, k *ff.Scalar) point2 {
	product := point2{set: true}
	product.p.ScalarMult(k, a.get())
	return product
}

func hash1(dst string, msg []byte) point1 {
	h := point1{set: true}
	h.p.Hash(msg, []byte(dst))
	return h
}

func decode1(b []byte) (point1, flaw) {
	p := point1{set: true}
	if p.p.SetBytes(b) == nil {
		return p, ""
	}
	if onCurve1(b) {
		return point1{}, offSubgroup
	}
	return point1{}, offCurve
}

func decode2(b []byte) (point2, flaw) {
	p := point2{set: true}
	if p.p.SetBytes(b) == nil {
		return p, ""
	}
	if onCurve2(b) {
		return point2{}, offSubgroup
	}
	return point2{}, offCurve
}

// onCurve1 reports whether x³+4 is a square, x being the coordinate in b. The
// library does not tell a point off the curve from one outside the subgroup.
func onCurve1(b []byte) bool {
	var x, y2 ff.Fp
	if x.UnmarshalBinary(withoutFlags(b)) != nil {
		return false
	}
	y2.Sqr(&x)
	y2.Mul(&y2, &x)
	x.SetUint64(4)
	y2.Add(&y2, &x)
	return x.Sqrt(&y2) == 1
}

// onCurve2 reports whether x³+4(1+i) is a square, x being the coordinate in b.
func onCurve2(b []byte) bool {
	var x, y2 ff.Fp2
	if x.UnmarshalBinary(withoutFlags(b)) != nil {
		return false
	}
	y2.Sqr(&x)
	y2.Mul(&y2, &x)
	x[0].SetUint64(4)
	x[1].SetUint64(4)
	y2.Add(&y2, &x)
	return x.Sqrt(&y2) == 1
}

func sum1(points []point1, scalars []ff.Scalar) point1 {
	ps := make([]*bls.G1, len(points))
	for i := range points {
		ps[i] = points[i].get()
	}
	return point1{straus(ps, scalars), true}
}

func sum2(points []point2, scalars []ff.Scalar) point2 {
	ps := make([]*bls.G2, len(points))
	for i := range points {
		ps[i] = points[i].get()
	}
	return point2{straus(ps, scalars), true}
}

func productIsOne(ps []*point1, qs []*point2) bool {
	left := make([]*bls.G1, len(ps))
	right := make([]*bls.G2, len(qs))
	signs := make([]int, len(ps))
	for i := range ps {
		left[i], right[i], signs[i] = ps[i].get(), qs[i].get(), 1
	}
	return bls.ProdPairFrac(left, right, signs).IsIdentity()
}

// lines2 would be lines of a point of G2: the library makes none ahead.
type lines2 struct{}

func prepare2(*point2) *lines2 { return nil }

func productOfTwo([]*point1, []*lines2) bool { panic("pairing: lines that nobody made") }
