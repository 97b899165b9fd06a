// spec/shares.md: master shares, key shares, their proofs and their combination.

import { bytes, concat, equal, field, lp, need, readLP, Refused, text, toBigInt, u32, u64 } from './encoding.js';
import {
  decodeG1, decodeG2, decodeScalar, encodePoint, encodeScalar, hashToScalar, invert, mod, nonce, P1, P2,
  pairingProductIsOne, randomScalar, times, timesPublic, weight, ZERO1, ZERO2,
} from './groups.js';
import type { G1, Point } from './groups.js';

export type Generation = { counter: bigint, hash: Uint8Array };

function index(i: number): number {
  need(Number.isSafeInteger(i) && i >= 1 && i < 2 ** 32, `index ${i}: not 1 … 2^32−1`);
  return i;
}

/** @returns 40 bytes */
export function encodeGeneration(g: Generation): Uint8Array {
  need(BigInt(g.counter) >= 1n, 'generation: the counter is 0');
  return concat(u64(g.counter, 'counter'), bytes(g.hash, 'generation hash', 32));
}

/** @param b 40 bytes */
export function decodeGeneration(b: Uint8Array): Generation {
  bytes(b, 'generation', 40);
  const counter = toBigInt(b.subarray(0, 8));
  need(counter >= 1n, 'generation: the counter is 0');
  return { counter, hash: b.slice(8) };
}

/**
 * Splits a secret with a fresh random polynomial (for tests and for a single dealer; a ceremony has none).
 * @param s the secret
 * @param t threshold
 * @param n number of shares
 */
export function split(s: bigint, t: number, n: number): { index: number, share: bigint }[] {
  need(Number.isSafeInteger(t) && Number.isSafeInteger(n) && t >= 1 && t <= n, 'split: not 1 ≤ t ≤ n');
  encodeScalar(s, 'secret');
  const f = [s, ...Array.from({ length: t - 1 }, randomScalar)];
  return Array.from({ length: n }, (_, i) => {
    const share = f.reduceRight((sum, c) => mod(sum * BigInt(i + 1) + c), 0n);
    encodeScalar(share, 'share');
    return { index: i + 1, share };
  });
}

/**
 * s_i·A.
 * @param share master share
 * @param A identity point
 * @returns 48 bytes
 */
export const keyShare = (share: bigint, A: G1): Uint8Array => encodePoint(times(A, share));

/**
 * Whether a key share under a public master is true: e(D, P2) = e(A, Y).
 * @param D 48 bytes
 * @param A identity point
 * @param Y 96 bytes, the public share
 * @returns false also when D or Y is no point
 */
export function verifyShare(D: Uint8Array, A: G1, Y: Uint8Array): boolean {
  try {
    return pairingProductIsOne([[decodeG1(D, 'key share'), P2], [A.negate(), decodeG2(Y, 'public share')]]);
  } catch (e) {
    if (e instanceof Refused) return false;
    throw e;
  }
}

/**
 * Checks several key shares of one identity point at once, and names the false ones.
 * @param A identity point
 * @returns the indices of the false ones; empty when all are true
 */
export function verifyShares(shares: { index: number, D: Uint8Array, Y: Uint8Array }[], A: G1): number[] {
  try {
    let sumD = ZERO1;
    let sumY = ZERO2;
    for (const { D, Y } of shares) {
      const rho = weight();
      sumD = sumD.add(times(decodeG1(D, 'key share'), rho));
      sumY = sumY.add(timesPublic(decodeG2(Y, 'public share'), rho));
    }
    if (pairingProductIsOne([[sumD, P2], [A.negate(), sumY]])) return [];
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
  }
  return shares.filter(({ D, Y }) => !verifyShare(D, A, Y)).map((s) => s.index);
}

/** What a proof is about. */
export interface Statement {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  /** mpin, permit or (in a ceremony) test */
  purpose: string;
  /** 40 bytes */
  generation: Uint8Array;
  index: number;
  requestHash: Uint8Array;
  /** 48 bytes, the identity point */
  A: Uint8Array;
  /** 48 bytes, the public share X_i */
  X: Uint8Array;
  /** 48 bytes, the key share */
  D: Uint8Array;
}

function statement(s: Statement): { A: G1, X: G1, D: G1, parts: Uint8Array[] } {
  need(['mpin', 'permit', 'test'].includes(s.purpose), `purpose "${s.purpose}": not of an M-Pin master`);
  const points = { A: decodeG1(s.A, 'A'), X: decodeG1(s.X, 'X_i'), D: decodeG1(s.D, 'D_i') };
  encodeGeneration(decodeGeneration(s.generation));
  const parts = [
    bytes(s.domainID, 'domainID', 32), bytes(s.serviceID, 'serviceID', 32), text(s.purpose), s.generation,
    u32(index(s.index)), bytes(s.requestHash, 'request hash', 32), encodePoint(P1), s.A, s.X, s.D,
  ];
  return { ...points, parts };
}

const challenge = (parts: Uint8Array[], R1: G1, R2: G1): bigint =>
  hashToScalar('DLEQ', lp('milagro/v1 dleq', ...parts, encodePoint(R1, 'R1'), encodePoint(R2, 'R2')));

/**
 * A proof with a given nonce: for prove and for test vectors only. A nonce used twice tells the master share.
 * @param share master share
 * @returns c ‖ z, 64 bytes; null when z is 0
 */
export function proveWith(s: Statement, share: bigint, k: bigint): Uint8Array | null {
  const { A, parts } = statement(s);
  const c = challenge(parts, times(P1, k), times(A, k));
  const z = mod(k + c * share);
  return z === 0n ? null : concat(encodeScalar(c), encodeScalar(z));
}

/**
 * Proves that D = share·A and X = share·P1.
 * @param share master share
 * @returns c ‖ z, 64 bytes
 */
export function prove(s: Statement, share: bigint): Uint8Array {
  const secret = encodeScalar(share, 'master share');
  const about = lp('milagro/v1 dleq', ...statement(s).parts);
  for (;;) {
    const proof = proveWith(s, share, nonce(secret, about));
    if (proof) return proof;
  }
}

/**
 * @param proof 64 bytes
 * @returns false also when a field of the statement or the proof is malformed
 */
export function verifyProof(s: Statement, proof: Uint8Array): boolean {
  try {
    const { A, X, D, parts } = statement(s);
    bytes(proof, 'proof', 64);
    const c = decodeScalar(proof.subarray(0, 32), 'c');
    const z = decodeScalar(proof.subarray(32), 'z');
    const R1 = timesPublic(P1, z).subtract(timesPublic(X, c));
    const R2 = timesPublic(A, z).subtract(times(D, c));
    return challenge(parts, R1, R2) === c;
  } catch (e) {
    if (e instanceof Refused) return false;
    throw e;
  }
}

/**
 * λ_i of the set of indices.
 * @param set different indices, i among them
 */
export function lagrange(i: number, set: number[]): bigint {
  let top = 1n;
  let bottom = 1n;
  for (const j of set.filter((x) => x !== i)) {
    top = mod(top * BigInt(j));
    bottom = mod(bottom * BigInt(j - i));
  }
  return mod(top * invert(bottom));
}

/** Refuses shares of 1 … n that lie on no polynomial of degree t−1 with the master at 0. */
export function checkPolynomial<P extends Point<P>>(master: P, shares: P[], t: number, what: string): void {
  need(!shares.some((s) => s.equals(master)), `${what}: a share is the master`);
  const all = [master, ...shares];
  const set = Array.from({ length: t }, (_, i) => i); // 0 … t−1
  for (let at = t; at < all.length; at++) {
    // The value at `at` by interpolation, its argument moved to 0.
    const moved = set.map((i) => i - at);
    const value = set.reduce((sum, i) => sum.add(timesPublic(all[i], lagrange(moved[i], moved))), all[0].subtract(all[0]));
    need(value.equals(all[at]), `${what}: a public share off the polynomial`);
  }
}

/**
 * Combines verified key shares of one generation: of more than t, the first t. All of them must be well formed.
 * @param shares t or more
 * @param t the threshold
 * @returns the key d, 48 bytes
 */
export function combine(shares: { index: number, D: Uint8Array, generation?: Uint8Array }[], t: number): Uint8Array {
  need(Number.isSafeInteger(t) && t >= 1, 'threshold: not 1 or more');
  need(shares.length >= t, `${shares.length} shares, not ${t}`);
  const all = shares.map((s) => index(s.index));
  need(new Set(all).size === all.length, 'two shares have the same index');
  const [first] = shares;
  for (const s of shares) {
    need((s.generation === undefined) === (first.generation === undefined), 'only some shares tell their generation');
    if (s.generation === undefined) continue;
    decodeGeneration(s.generation);
    need(equal(s.generation, first.generation ?? new Uint8Array(0)), 'shares of different generations');
  }
  const points = shares.map((s) => decodeG1(s.D, 'key share'));
  const set = all.slice(0, t);
  const sum = set.reduce((d, i, at) => d.add(times(points[at], lagrange(i, set))), ZERO1);
  return encodePoint(sum, 'key');
}

/**
 * Whether a key under a public master is true: e(d, P2) = e(A, mpk).
 * @param d 48 bytes
 * @param A identity point
 * @param mpk 96 bytes
 */
export const verifyKey = (d: Uint8Array, A: G1, mpk: Uint8Array): boolean => verifyShare(d, A, mpk);

/**
 * @param i index
 * @param generation 40 bytes
 * @returns a master share at rest, not yet sealed
 */
export function encodeMasterShare(i: number, generation: Uint8Array, share: bigint): Uint8Array {
  decodeGeneration(generation);
  return lp('milagro/v1 master share', u32(index(i)), generation, encodeScalar(share, 'master share'));
}

export function decodeMasterShare(b: Uint8Array): { index: number, generation: Uint8Array, share: bigint } {
  const [i, generation, share] = readLP(b, 'milagro/v1 master share', [
    field.u32, field.bytes(40, 'generation'), field.bytes(32, 'master share'),
  ]);
  decodeGeneration(generation);
  return { index: index(i), generation, share: decodeScalar(share, 'master share') };
}
