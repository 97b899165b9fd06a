//go:build cgo

// Sums of multiples on the calling thread. blst's Go package spreads them over all
// processors, and below 32 points multiplies each by itself.

#include <stddef.h>
#include <stdint.h>

void blst_p1s_to_affine(void *dst, const void *const points[], size_t n);
void blst_p1s_mult_pippenger(void *ret, const void *const points[], size_t n, const uint8_t *const scalars[], size_t bits, uint64_t *scratch);

// affine has room for n points, scratch for what blst_p1s_mult_pippenger_scratch_sizeof
// says; scalars lie one after the other.
void milagro_sum1(void *ret, const void *points, void *affine, size_t n, const uint8_t *scalars, size_t bits, uint64_t *scratch)
{
    const void *from[] = {points, NULL}, *to[] = {affine, NULL};
    const uint8_t *k[] = {scalars, NULL};
    blst_p1s_to_affine(affine, from, n);
    blst_p1s_mult_pippenger(ret, to, n, k, bits, scratch);
}
