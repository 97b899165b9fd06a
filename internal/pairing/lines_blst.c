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
typedef struct { fp2 y, z; } line;

void blst_fp_add(fp *ret, const fp *a, const fp *b);
void blst_fp_mul(fp *ret, const fp *a, const fp *b);
void blst_fp_cneg(fp *ret, const fp *a, _Bool flag);
void blst_fp_sub(fp *ret, const fp *a, const fp *b);
void blst_fp2_add(fp2 *ret, const fp2 *a, const fp2 *b);
void blst_fp2_sub(fp2 *ret, const fp2 *a, const fp2 *b);
void blst_fp2_mul(fp2 *ret, const fp2 *a, const fp2 *b);
void blst_fp2_inverse(fp2 *ret, const fp2 *a);
void blst_precompute_lines(fp6 lines[68], const void *q);
const fp12 *blst_fp12_one(void);
void blst_fp12_sqr(fp12 *ret, const fp12 *a);
void blst_fp12_mul(fp12 *ret, const fp12 *a, const fp12 *b);
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

// at evaluates a line at a point: 1 + y·v + z·vw, with y and z in Fp2.
static void at(fp2 *y, fp2 *z, const line *l, const affine1 *a)
{
    for (int i = 0; i < 2; i++) {
        blst_fp_mul(&y->c[i], &l->y.c[i], &a->x);
        blst_fp_mul(&z->c[i], &l->z.c[i], &a->y);
    }
}

// mul_by_lines multiplies f by a line of each point. Their product is
//   1 + ξ·zZ + (y+Y)·v + yY·v² + ((z+Z)·v + (yZ+Yz)·v²)·w
static void mul_by_lines(fp12 *f, const line *p, const affine1 *a, const line *q, const affine1 *b)
{
    fp2 y, z, Y, Z, yY, zZ, s, t;
    fp12 g;

    at(&y, &z, p, a);
    at(&Y, &Z, q, b);
    blst_fp2_mul(&yY, &y, &Y);
    blst_fp2_mul(&zZ, &z, &Z);
    blst_fp2_add(&s, &y, &z);
    blst_fp2_add(&t, &Y, &Z);
    blst_fp2_mul(&s, &s, &t);
    blst_fp2_sub(&s, &s, &yY);
    g.c[0].c[2] = yY;
    blst_fp2_sub(&g.c[1].c[2], &s, &zZ);
    blst_fp2_add(&g.c[0].c[1], &y, &Y);
    blst_fp2_add(&g.c[1].c[1], &z, &Z);
    memset(&g.c[1].c[0], 0, sizeof g.c[1].c[0]);
    // ξ = 1 + i
    blst_fp_sub(&g.c[0].c[0].c[0], &zZ.c[0], &zZ.c[1]);
    blst_fp_add(&g.c[0].c[0].c[1], &zZ.c[0], &zZ.c[1]);
    blst_fp_add(&g.c[0].c[0].c[0], &g.c[0].c[0].c[0], &blst_fp12_one()->c[0].c[0].c[0]);
    blst_fp12_mul(f, f, &g);
}

// milagro_lines makes the lines of an affine point, each divided by its constant: that
// is in Fp2, and the final exponentiation makes 1 of it. It reports false where a
// constant is 0, if there is such a point.
_Bool milagro_lines(line lines[68], const void *q)
{
    static const fp2 zero;
    fp6 all[68];
    fp2 inverse;
    _Bool divisible = 1;

    blst_precompute_lines(all, q);
    for (int i = 0; i < 68; i++) {
        divisible &= memcmp(&all[i].c[0], &zero, sizeof zero) != 0;
        blst_fp2_inverse(&inverse, &all[i].c[0]);
        blst_fp2_mul(&lines[i].y, &all[i].c[1], &inverse);
        blst_fp2_mul(&lines[i].z, &all[i].c[2], &inverse);
    }
    return divisible;
}

// Reports whether e(p, P)·e(q, Q) = 1, given the lines of P and Q.
// Neither point is the identity.
_Bool milagro_product_of_two(const line lines_p[68], const affine1 *p, const line lines_q[68], const affine1 *q)
{
    // |z| = 0xd201000000010000: after the first doubling, an addition and so many
    // doublings, and so on.
    static const unsigned char doublings[] = {2, 3, 9, 32, 16};
    affine1 a, b;
    fp12 f = *blst_fp12_one();
    int i = 0;

    twice(&a, p);
    twice(&b, q);
    mul_by_lines(&f, &lines_p[i], &a, &lines_q[i], &b);
    i++;
    for (size_t run = 0; run < sizeof doublings; run++)
        for (int k = 0; k <= doublings[run]; k++, i++) {
            if (k > 0)
                blst_fp12_sqr(&f, &f);
            mul_by_lines(&f, &lines_p[i], &a, &lines_q[i], &b);
        }
    blst_fp12_conjugate(&f); // z is negative
    blst_final_exp(&f, &f);
    return blst_fp12_is_one(&f);
}
