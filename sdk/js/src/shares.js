// spec/shares.md: master shares, key shares, their proofs and their combination.

import { bytes, concat, equal, field, lp, need, readLP, Refused, text, toBigInt, u32, u64 } from './encoding.js';
import {
  decodeG1, decodeG2, decodeScalar, encodePoint, encodeScalar, hashToScalar, invert, mod, nonce, P1, P2,
  pairingProductIsOne, randomScalar, times, timesPublic, weight, ZERO1, ZERO2,
} from './groups.js';

/** @typedef {{counter: bigint, hash: Uint8Array}} Generation */

function index(i) {
  need(Number.isSafeInteger(i) && i >= 1 && i < 2 ** 32, `index ${i}: not 1 … 2^32−1`);
  return i;
}

/**
 * @param {Generation} g
 * @returns {Uint8Array} 40 bytes
 */
export function encodeGeneration(g) {
  need(BigInt(g.counter) >= 1n, 'generation: the counter is 0');
  return concat(u64(g.counter, 'counter'), bytes(g.hash, 'generation hash', 32));
}

/**
 * @param {Uint8Array} b 40 bytes
 * @returns {Generation}
 */
export function decodeGeneration(b) {
  bytes(b, 'generation', 40);
  const counter = toBigInt(b.subarray(0, 8));
  need(counter >= 1n, 'generation: the counter is 0');
  return { counter, hash: b.slice(8) };
}

/**
 * Splits a secret with a fresh random polynomial (for tests and for a single dealer; a ceremony has none).
 * @param {bigint} s the secret
 * @param {number} t threshold
 * @param {number} n number of shares
 * @returns {{index: number, share: bigint}[]}
 */
export function split(s, t, n) {
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
 * @param {bigint} share master share
 * @param A identity point
 * @returns {Uint8Array} 48 bytes
 */
export const keyShare = (share, A) => encodePoint(times(A, share));

/**
 * Whether a key share under a public master is true: e(D, P2) = e(A, Y).
 * @param {Uint8Array} D 48 bytes
 * @param A identity point
 * @param {Uint8Array} Y 96 bytes, the public share
 * @returns {boolean} false also when D or Y is no point
 */
export function verifyShare(D, A, Y) {
  try {
    return pairingProductIsOne([[decodeG1(D, 'key share'), P2], [A.negate(), decodeG2(Y, 'public share')]]);
  } catch (e) {
    if (e instanceof Refused) return false;
    throw e;
  }
}

/**
 * Checks several key shares of one identity point at once, and names the false ones.
 * @param {{index: number, D: Uint8Array, Y: Uint8Array}[]} shares
 * @param A identity point
 * @returns {number[]} the indices of the false ones; empty when all are true
 */
export function verifyShares(shares, A) {
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

/**
 * @typedef {object} Statement what a proof is about
 * @property {Uint8Array} domainID
 * @property {Uint8Array} serviceID
 * @property {string} purpose mpin, permit or (in a ceremony) test
 * @property {Uint8Array} generation 40 bytes
 * @property {number} index
 * @property {Uint8Array} requestHash
 * @property {Uint8Array} A 48 bytes, the identity point
 * @property {Uint8Array} X 48 bytes, the public share X_i
 * @property {Uint8Array} D 48 bytes, the key share
 */

function statement(s) {
  need(['mpin', 'permit', 'test'].includes(s.purpose), `purpose "${s.purpose}": not of an M-Pin master`);
  const points = { A: decodeG1(s.A, 'A'), X: decodeG1(s.X, 'X_i'), D: decodeG1(s.D, 'D_i') };
  encodeGeneration(decodeGeneration(s.generation));
  const parts = [
    bytes(s.domainID, 'domainID', 32), bytes(s.serviceID, 'serviceID', 32), text(s.purpose), s.generation,
    u32(index(s.index)), bytes(s.requestHash, 'request hash', 32), encodePoint(P1), s.A, s.X, s.D,
  ];
  return { ...points, parts };
}

const challenge = (parts, R1, R2) => hashToScalar('DLEQ', lp('milagro/v1 dleq', ...parts, encodePoint(R1, 'R1'), encodePoint(R2, 'R2')));

/**
 * A proof with a given nonce: for prove and for test vectors only. A nonce used twice tells the master share.
 * @param {Statement} s
 * @param {bigint} share master share
 * @param {bigint} k
 * @returns {Uint8Array|null} c ‖ z, 64 bytes; null when z is 0
 */
export function proveWith(s, share, k) {
  const { A, parts } = statement(s);
  const c = challenge(parts, times(P1, k), times(A, k));
  const z = mod(k + c * share);
  return z === 0n ? null : concat(encodeScalar(c), encodeScalar(z));
}

/**
 * Proves that D = share·A and X = share·P1.
 * @param {Statement} s
 * @param {bigint} share master share
 * @returns {Uint8Array} c ‖ z, 64 bytes
 */
export function prove(s, share) {
  const secret = encodeScalar(share, 'master share');
  const about = lp('milagro/v1 dleq', ...statement(s).parts);
  for (;;) {
    const proof = proveWith(s, share, nonce(secret, about));
    if (proof) return proof;
  }
}

/**
 * @param {Statement} s
 * @param {Uint8Array} proof 64 bytes
 * @returns {boolean} false also when a field of the statement or the proof is malformed
 */
export function verifyProof(s, proof) {
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
 * @param {number} i
 * @param {number[]} set different indices, i among them
 * @returns {bigint}
 */
export function lagrange(i, set) {
  let top = 1n;
  let bottom = 1n;
  for (const j of set.filter((x) => x !== i)) {
    top = mod(top * BigInt(j));
    bottom = mod(bottom * BigInt(j - i));
  }
  return mod(top * invert(bottom));
}

/**
 * Combines verified key shares of one generation: of more than t, the first t. All of them must be well formed.
 * @param {{index: number, D: Uint8Array, generation?: Uint8Array}[]} shares t or more
 * @param {number} t the threshold
 * @returns {Uint8Array} the key d, 48 bytes
 */
export function combine(shares, t) {
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
 * @param {Uint8Array} d 48 bytes
 * @param A identity point
 * @param {Uint8Array} mpk 96 bytes
 * @returns {boolean}
 */
export const verifyKey = (d, A, mpk) => verifyShare(d, A, mpk);

/**
 * @param {number} i index
 * @param {Uint8Array} generation 40 bytes
 * @param {bigint} share
 * @returns {Uint8Array} a master share at rest, not yet sealed
 */
export function encodeMasterShare(i, generation, share) {
  decodeGeneration(generation);
  return lp('milagro/v1 master share', u32(index(i)), generation, encodeScalar(share, 'master share'));
}

/**
 * @param {Uint8Array} b
 * @returns {{index: number, generation: Uint8Array, share: bigint}}
 */
export function decodeMasterShare(b) {
  const [i, generation, share] = readLP(b, 'milagro/v1 master share', [
    field.u32, field.bytes(40, 'generation'), field.bytes(32, 'master share'),
  ]);
  decodeGeneration(generation);
  return { index: index(i), generation, share: decodeScalar(share, 'master share') };
}
