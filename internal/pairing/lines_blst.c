//go:build cgo

// The Miller loop over two points of G2 that are fixed, so that their lines are
// known (https://eprint.iacr.org/2010/354.pdf). blst has it for one point; here two
// share the squarings. What is called is blst's, linked with its Go package.

#include <stdint.h>
#include <string.h>

typedef struct { uint64_t l[6]; } fp;
typedef struct { fp c[2]; } fp2;
typedef struct { fp2 c[3]; } fp6;
typedef struct { fp6 c[2]; } fp12;
typedef struct { fp x, y; } affine1;

void blst_fp_add(fp *ret, const fp *a, const fp *b);
void blst_fp_mul(fp *ret, const fp *a, const fp *b);
void blst_fp_cneg(fp *ret, const fp *a, _Bool flag);
const fp12 *blst_fp12_one(void);
void blst_fp12_sqr(fp12 *ret, const fp12 *a);
void blst_fp12_mul_by_xy00z0(fp12 *ret, const fp12 *a, const fp6 *line);
void blst_fp12_conjugate(fp12 *a);
void blst_final_exp(fp12 *ret, const fp12 *f);
_Bool blst_fp12_is_one(const fp12 *a);

// twice makes (−2x, 2y) of (x, y): with them a line is evaluated.
static void twice(affine1 *a, const affine1 *p)
{
    blst_fp_add(&a->x, &p->x, &p->x);
    blst_fp_cneg(&a->x, &a->x, 1);
    blst_fp_add(&a->y, &p->y, &p->y);
}

static void mul_by_line(fp12 *f, const fp6 *line, const affine1 *a)
{
    fp6 at;
    at.c[0] = line->c[0];
    for (int i = 0; i < 2; i++) {
        blst_fp_mul(&at.c[1].c[i], &line->c[1].c[i], &a->x);
        blst_fp_mul(&at.c[2].c[i], &line->c[2].c[i], &a->y);
    }
    blst_fp12_mul_by_xy00z0(f, f, &at);
}

// Reports whether e(p, P)·e(q, Q) = 1, given blst_precompute_lines of P and Q.
// Neither point is the identity.
_Bool milagro_product_of_two(const fp6 lines_p[68], const affine1 *p, const fp6 lines_q[68], const affine1 *q)
{
    // |z| = 0xd201000000010000: after the first doubling, an addition and so many
    // doublings, and so on.
    static const unsigned char doublings[] = {2, 3, 9, 32, 16};
    affine1 a, b;
    fp12 f = *blst_fp12_one();
    int line = 0;

    twice(&a, p);
    twice(&b, q);
    mul_by_line(&f, &lines_p[line], &a);
    mul_by_line(&f, &lines_q[line++], &b);
    for (size_t i = 0; i < sizeof doublings; i++)
        for (int k = 0; k <= doublings[i]; k++, line++) {
            if (k > 0)
                blst_fp12_sqr(&f, &f);
            mul_by_line(&f, &lines_p[line], &a);
            mul_by_line(&f, &lines_q[line], &b);
        }
    blst_fp12_conjugate(&f); // z is negative
    blst_final_exp(&f, &f);
    return blst_fp12_is_one(&f);
}
