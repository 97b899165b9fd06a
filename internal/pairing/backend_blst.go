//go:build cgo

package pairing

import (
	"slices"

	"github.com/cloudflare/circl/ecc/bls12381/ff"
	blst "github.com/supranational/blst/bindings/go"
)

// Backend names the curve library of this build: "blst" with cgo, else "circl".
const Backend = "blst"

// scalarBits is given with every full scalar: blst is constant time for a fixed
// number of bits.
const scalarBits = 255

// The zero values are the identities.
type (
	point1 = blst.P1
	point2 = blst.P2
)

func generator1() *point1 { return blst.P1Generator() }

func generator2() *point2 { return blst.P2Generator() }

func add1(a, b *point1) point1 { return *a.Add(b) }

func add2(a, b *point2) point2 { return *a.Add(b) }

func sub1(a, b *point1) point1 { return *a.Sub(b) }

func sub2(a, b *point2) point2 { return *a.Sub(b) }

func equal1(a, b *point1) bool { return a.Equals(b) }

func equal2(a, b *point2) bool { return a.Equals(b) }

func bytes1(a *point1) []byte { return a.Compress() }

func bytes2(a *point2) []byte { return a.Compress() }

func mul1(a *point1, k *ff.Scalar) point1 {
	le := littleEndian(k)
	defer clear(le)
	return *a.Mult(le, scalarBits)
}

func mul2(a *point2, k *ff.Scalar) point2 {
	le := littleEndian(k)
	defer clear(le)
	return *a.Mult(le, scalarBits)
}

func hash1(dst string, msg []byte) point1 { return *blst.HashToG1(msg, []byte(dst)) }

func decode1(b []byte) (point1, flaw) {
	var a blst.P1Affine
	if slices.Max(withoutFlags(b)) == 0 {
		return point1{}, offSubgroup // (0, ±2) of order 3, which Uncompress refuses like a point off the curve
	}
	if a.Uncompress(b) == nil {
		return point1{}, offCurve
	}
	if !a.InG1() {
		return point1{}, offSubgroup
	}
	var p point1
	p.FromAffine(&a)
	return p, ""
}

func decode2(b []byte) (point2, flaw) {
	var a blst.P2Affine
	if a.Uncompress(b) == nil {
		return point2{}, offCurve
	}
	if !a.InG2() {
		return point2{}, offSubgroup
	}
	var p point2
	p.FromAffine(&a)
	return p, ""
}

// sum2 is not constant time: public values only.
func sum2(points []point2, scalars []ff.Scalar) point2 {
	packed, bits := pack(scalars)
	return *blst.P2s(points).Mult(packed, bits)
}

// productIsOne runs one n-ary Miller loop and one final exponentiation on the
// calling thread; blst's Fp12MillerLoopN would occupy every processor for it.
func productIsOne(ps []*point1, qs []*point2) bool {
	ctx := blst.PairingCtx(false, nil)
	for i := range ps {
		blst.PairingRawAggregate(ctx, qs[i].ToAffine(), ps[i].ToAffine())
	}
	blst.PairingCommit(ctx)
	return blst.PairingFinalVerify(ctx)
}

// pack returns the scalars in the layout of blst's Pippenger, little-endian one
// after another, and their width in bits: 128 when all of them fit.
func pack(scalars []ff.Scalar) ([]byte, int) {
	all, bits := make([][]byte, len(scalars)), 128
	for i := range scalars {
		all[i] = littleEndian(&scalars[i])
		if slices.Max(all[i][16:]) != 0 {
			bits = scalarBits
		}
	}
	var packed []byte
	for _, k := range all {
		packed = append(packed, k[:(bits+7)/8]...)
	}
	return packed, bits
}

func littleEndian(k *ff.Scalar) []byte {
	b := encode(k)
	slices.Reverse(b)
	return b
}
