// spec/groups.md: points, scalars, hash to curve and to scalar, nonces.

import { bls12_381 } from '@noble/curves/bls12-381.js';
import { expand_message_xmd } from '@noble/curves/abstract/hash-to-curve.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { bytes, concat, equal, need, Refused, toBigInt } from './encoding.js';

/** The prime order of G1 and G2. */
export const r = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
/** The prime of the field. */
export const p = 0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn;

/** A point of G1. */
export type G1 = typeof bls12_381.G1.Point.BASE;
/** A point of G2. */
export type G2 = typeof bls12_381.G2.Point.BASE;

/** What points of both groups can do. */
export interface Point<P> {
  add(other: P): P;
  subtract(other: P): P;
  equals(other: P): boolean;
  is0(): boolean;
  toBytes(): Uint8Array;
  multiply(k: bigint): P;
  multiplyUnsafe(k: bigint): P;
}

const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;
const Fp12 = bls12_381.fields.Fp12;

/** Generator of G1. */
export const P1 = G1.BASE;
/** Generator of G2. */
export const P2 = G2.BASE;
/** The identity of G1, for sums; it is never encoded. */
export const ZERO1 = G1.ZERO;
/** The identity of G2, for sums; it is never encoded. */
export const ZERO2 = G2.ZERO;

// Flags, ranges and the subgroup are checked here: the library also takes uncompressed points and the
// identity, and does not look at the subgroup.
function decode<P extends G1 | G2>(Point: { fromBytes(b: Uint8Array): P }, width: number, b: Uint8Array, what: string): P {
  bytes(b, what, width);
  need(b[0] & 0x80, `${what}: not compressed`);
  need(!(b[0] & 0x40), `${what}: the identity`);
  for (let at = 0; at < width; at += 48) {
    const c = b.slice(at, at + 48);
    if (at === 0) c[0] &= 0x1f;
    need(toBigInt(c) < p, `${what}: a coordinate is not below p`);
  }
  let point;
  try {
    point = Point.fromBytes(Uint8Array.from(b));
  } catch {
    throw new Refused(`${what}: no point of the curve`);
  }
  need(!point.is0() && point.isTorsionFree(), `${what}: outside the subgroup`);
  need(equal(point.toBytes(), b), `${what}: not canonical`);
  return point;
}

/**
 * @param b 48 bytes
 * @param what name of the field, for the error
 * @returns a point of G1 in the subgroup, not the identity
 */
export const decodeG1 = (b: Uint8Array, what = 'point in G1') => decode(G1, 48, b, what);

/**
 * @param b 96 bytes
 * @param what name of the field, for the error
 * @returns a point of G2 in the subgroup, not the identity
 */
export const decodeG2 = (b: Uint8Array, what = 'point in G2') => decode(G2, 96, b, what);

/**
 * @param point a point of G1 or G2
 * @returns 48 or 96 bytes; the identity is refused
 */
export function encodePoint(point: { is0(): boolean, toBytes(): Uint8Array }, what = 'point'): Uint8Array {
  need(!point.is0(), `${what}: the identity`);
  return point.toBytes();
}

/**
 * @param b 32 bytes
 * @returns 0 < k < r
 */
export function decodeScalar(b: Uint8Array, what = 'scalar'): bigint {
  const k = toBigInt(bytes(b, what, 32));
  need(k !== 0n, `${what}: 0`);
  need(k < r, `${what}: not below r`);
  return k;
}

/**
 * @param k 0 < k < r
 * @returns 32 bytes, big-endian
 */
export function encodeScalar(k: bigint, what = 'scalar'): Uint8Array {
  need(typeof k === 'bigint' && k > 0n && k < r, `${what}: not in 1 … r−1`);
  return Uint8Array.from({ length: 32 }, (_, i) => Number((k >> BigInt(8 * (31 - i))) & 255n));
}

/** @returns k mod r, 0 … r−1 */
export const mod = (k: bigint): bigint => ((k % r) + r) % r;

/** @returns 1/k mod r; 0 is refused */
export function invert(k: bigint): bigint {
  need(mod(k) !== 0n, '0 has no inverse');
  return bls12_381.fields.Fr.inv(mod(k));
}

const CURVE_TAGS = ['CHANNEL', 'DECRYPT', 'DOCUMENT', 'FRESH', 'MPIN', 'PERMIT', 'TEST'];
const SCALAR_TAGS = ['IBS', 'DLEQ', 'POP', 'PIN', 'MPINY'];

/**
 * H_X(m): hash to G1.
 * @param x CHANNEL, DECRYPT, DOCUMENT, FRESH, MPIN, PERMIT or TEST
 */
export function hashToG1(x: string, m: Uint8Array) {
  need(CURVE_TAGS.includes(x), `hash to curve: no use is named "${x}"`);
  const point = bls12_381.G1.hashToCurve(bytes(m, 'message'), { DST: `MILAGRO-V1-${x}-BLS12381G1_XMD:SHA-256_SSWU_RO_` });
  need(!point.is0(), 'hash to curve: the identity');
  return point;
}

/**
 * S_X(m): hash to scalar.
 * @param x IBS, DLEQ, POP, PIN or MPINY
 * @returns 0 < k < r
 */
export function hashToScalar(x: string, m: Uint8Array): bigint {
  need(SCALAR_TAGS.includes(x), `hash to scalar: no use is named "${x}"`);
  const k = mod(toBigInt(expand_message_xmd(bytes(m, 'message'), `MILAGRO-V1-${x}-SCALAR_XMD:SHA-256`, 48, sha256)));
  need(k !== 0n, 'hash to scalar: 0');
  return k;
}

/**
 * A hedged nonce.
 * @param secret the 32- or 48-byte encoding of the secret
 * @param random 64 fresh bytes; only tests pass them
 * @returns 0 < k < r
 */
export function nonce(secret: Uint8Array, statement: Uint8Array, random: Uint8Array = randomBytes(64)): bigint {
  need(secret.length === 32 || secret.length === 48, 'nonce: the secret is neither 32 nor 48 bytes');
  bytes(random, 'nonce: random bytes', 64);
  const k = mod(toBigInt(hmac(sha512, secret, concat(random, statement))));
  need(k !== 0n, 'nonce: 0');
  return k;
}

/**
 * k·point for secret operands: the library's path without shortcuts for the scalar. 0 is refused.
 * @param k 0 < k < r
 */
export const times = <P>(point: { multiply(k: bigint): P }, k: bigint): P => point.multiply(k);

/** k·point for public operands, k any integer. */
export const timesPublic = <P>(point: { multiplyUnsafe(k: bigint): P }, k: bigint): P => point.multiplyUnsafe(mod(k));

/**
 * Whether a product of pairings is 1. A pair with an identity contributes 1.
 * @param pairs points of G1 and of G2
 */
export function pairingProductIsOne(pairs: [G1, G2][]): boolean {
  const rest = pairs.filter(([a, b]) => !a.is0() && !b.is0()).map(([g1, g2]) => ({ g1, g2 }));
  return rest.length === 0 || Fp12.eql(bls12_381.pairingBatch(rest), Fp12.ONE);
}

/** A random weight for a batch, 0 < ρ < 2^128. */
export function weight(): bigint {
  for (;;) {
    const w = toBigInt(randomBytes(16));
    if (w !== 0n) return w;
  }
}

/**
 * A random scalar.
 * @returns 0 < k < r
 */
export function randomScalar(): bigint {
  for (;;) {
    const k = mod(toBigInt(randomBytes(64)));
    if (k !== 0n) return k;
  }
}
