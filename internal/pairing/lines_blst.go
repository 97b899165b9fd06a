//go:build cgo

package pairing

/*
_Bool milagro_lines(void *lines, const void *q);
_Bool milagro_product_of_two(const void *lines_p, const void *p, const void *lines_q, const void *q);
*/
import "C"

import "unsafe"

// lines2 are the lines of a point of G2 through the Miller loop, 68 pairs of
// elements of Fp2. They are as secret as the point.
type lines2 [68 * 4 * 6]uint64

// prepare2 returns the lines of q, or nil if it has none that serve.
func prepare2(q *point2) *lines2 {
	lines, affine := new(lines2), q.ToAffine()
	if !C.milagro_lines(unsafe.Pointer(lines), unsafe.Pointer(affine)) {
		return nil
	}
	return lines
}

// productOfTwo is productIsOne for two points of G2 whose lines are known.
func productOfTwo(ps []*point1, qs []*lines2) bool {
	a, b := ps[0].ToAffine(), ps[1].ToAffine()
	return bool(C.milagro_product_of_two(unsafe.Pointer(qs[0]), unsafe.Pointer(a), unsafe.Pointer(qs[1]), unsafe.Pointer(b)))
}
