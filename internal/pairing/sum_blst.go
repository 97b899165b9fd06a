//go:build cgo

package pairing

/*
#include <stddef.h>
#include <stdint.h>

size_t blst_p1s_mult_pippenger_scratch_sizeof(size_t n);
void milagro_sum1(void *ret, const void *points, void *affine, size_t n, const uint8_t *scalars, size_t bits, uint64_t *scratch);
*/
import "C"

import (
	"unsafe"

	"github.com/cloudflare/circl/ecc/bls12381/ff"
	blst "github.com/supranational/blst/bindings/go"
)

// sum1 is not constant time: public values only. There is at least one point.
func sum1(points []point1, scalars []ff.Scalar) (sum point1) {
	n := C.size_t(len(points))
	packed, bits := pack(scalars)
	affine := make([]blst.P1Affine, n)
	scratch := make([]uint64, (C.blst_p1s_mult_pippenger_scratch_sizeof(n)+7)/8)
	C.milagro_sum1(unsafe.Pointer(&sum), unsafe.Pointer(&points[0]), unsafe.Pointer(&affine[0]), n,
		(*C.uint8_t)(&packed[0]), C.size_t(bits), (*C.uint64_t)(&scratch[0]))
	return sum
}
