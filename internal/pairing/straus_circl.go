//go:build !cgo

package pairing

import "github.com/cloudflare/circl/ecc/bls12381/ff"

// group is what straus needs of a point of circl.
type group[P any] interface {
	*P
	SetIdentity()
	Double()
	Add(a, b *P)
}

// straus returns Σ scalars[i]·points[i], four bits of every scalar at a time, so
// that all share the doublings. Leading zeros cost nothing. Not constant time:
// public values only.
func straus[P any, G group[P]](points []*P, scalars []ff.Scalar) P {
	tables := make([][16]P, len(points))
	digits := make([][]byte, len(points))
	for i, p := range points {
		tables[i] = multiples[P, G](p)
		digits[i] = encode(&scalars[i])
	}
	var sum P
	acc := G(&sum)
	acc.SetIdentity()
	started := false
	for n := range 2 * ScalarSize {
		if started {
			acc.Double()
			acc.Double()
			acc.Double()
			acc.Double()
		}
		for i := range tables {
			if d := digits[i][n/2] >> (4 - 4*(n%2)) & 0xf; d != 0 {
				acc.Add(&sum, &tables[i][d])
				started = true
			}
		}
	}
	return sum
}

// multiples returns 0·p … 15·p.
func multiples[P any, G group[P]](p *P) [16]P {
	var table [16]P
	G(&table[0]).SetIdentity()
	for i := 1; i < len(table); i++ {
		G(&table[i]).Add(&table[i-1], p)
	}
	return table
}
