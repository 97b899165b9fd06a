// spec/mpin.md "Keys": the PIN, the token and the permit.

import { argon2id } from '@noble/hashes/argon2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { bytes, equal, lp, need, text } from './encoding.js';
import { decodeG1, encodePoint, encodeScalar, hashToScalar, times, ZERO1 } from './groups.js';
import type { G1 } from './groups.js';
import { authorityIndex } from './fields.js';
import { combine, decodeGeneration, lagrange } from './shares.js';

/** Memory is in KiB. */
export type Stretching = { memory: number, passes: number, threads: number };

/** With what a new token is made. */
export const STRETCHING = Object.freeze({ memory: 65536, passes: 3, threads: 1 });

const ABSENT = new Uint8Array(0);
const BOUNDS: Record<keyof Stretching, [number, number]> = { memory: [19456, 1048576], passes: [2, 16], threads: [1, 4] };

/** @returns the salt of a new token */
export const newSalt = (): Uint8Array => randomBytes(32);

/** @returns its bytes */
export function parsePIN(pin: string): Uint8Array {
  need(typeof pin === 'string', 'PIN: not a string');
  need(pin.length >= 4 && pin.length <= 64, 'PIN: not 4–64 characters');
  need(/^[\x20-\x7e]+$/.test(pin), 'PIN: a character that is not printable ASCII');
  return text(pin, 'PIN');
}

/** @returns the same, within the bounds of a reader */
export function checkStretching(s: Stretching): Stretching {
  for (const [what, [least, most]] of Object.entries(BOUNDS)) {
    const v = s?.[what as keyof Stretching];
    need(Number.isSafeInteger(v) && v >= least && v <= most, `Argon2id: ${what} is not ${least}–${most}`);
  }
  return { memory: s.memory, passes: s.passes, threads: s.threads };
}

/**
 * @param salt 32 bytes
 * @returns stretched, 32 bytes
 */
export function stretch(pin: string, salt: Uint8Array, parameters: Stretching = STRETCHING): Uint8Array {
  const { memory: m, passes: t, threads: p } = checkStretching(parameters);
  bytes(salt, 'salt', 32);
  return argon2id(parsePIN(pin), salt, { m, t, p, dkLen: 32, version: 0x13, maxmem: 2 ** 31 });
}

/**
 * α of what was stretched.
 * @param stretched 32 bytes
 * @returns 0 < α < r
 */
export const pinScalar = (stretched: Uint8Array): bigint => hashToScalar('PIN', lp('milagro/v1 pin', bytes(stretched, 'stretched', 32)));

/**
 * α of a PIN.
 * @param salt 32 bytes
 * @returns 0 < α < r
 */
export const alphaOf = (pin: string, salt: Uint8Array, parameters: Stretching = STRETCHING): bigint => pinScalar(stretch(pin, salt, parameters));

/**
 * T from verified shares of sA, which itself is never made. A point is split with one PIN, ever.
 * @param shares verified; of more than t, the first t
 * @param t the threshold
 * @param A identity point of purpose mpin
 * @returns T, 48 bytes
 */
export function makeToken(shares: { index: number, D: Uint8Array, generation?: Uint8Array }[], t: number, A: G1, alpha: bigint): Uint8Array {
  encodeScalar(alpha, 'α');
  need(Number.isSafeInteger(t) && t >= 1 && shares.length >= t, `${shares.length} shares, not ${t}`);
  const all = shares.map((s) => authorityIndex(s.index));
  need(new Set(all).size === all.length, 'two shares have the same index');
  for (const { generation } of shares) {
    need((generation === undefined) === (shares[0].generation === undefined), 'only some shares tell their generation');
    if (generation === undefined) continue;
    decodeGeneration(generation);
    need(equal(generation, shares[0].generation ?? ABSENT), 'shares of different generations');
  }
  const less = times(A, alpha).negate();
  const points = shares.map((s) => decodeG1(s.D, 'key share'));
  const set = all.slice(0, t);
  const sum = set.reduce((T, i, at) => {
    const part = points[at].add(less);
    return part.is0() ? T : T.add(times(part, lagrange(i, set)));
  }, ZERO1);
  return encodePoint(sum, 'token');
}

/**
 * P_e = sA_e from verified shares.
 * @param t the threshold
 * @returns 48 bytes
 */
export const makePermit = (shares: { index: number, D: Uint8Array, generation?: Uint8Array }[], t: number): Uint8Array => combine(shares, t);
