// spec/mpin.md "Login": the equation, of one login and of a batch.

import { equal, need, Refused } from './encoding.js';
import { decodeG1, decodeG2, P2, pairingProductIsOne, timesPublic, weight, ZERO1 } from './groups.js';
import type { G1, G2 } from './groups.js';
import { holds } from './fields.js';
import { challengeOf, decodeTranscript, loginPoints } from './mpin.js';

/** How many logins a batch may have. */
export const MAX_BATCH = 64;

type Point = { serviceID: Uint8Array, V: G1, W: G1 };
type Placed = Point & { at: number };

// V and W of one login; throws Refused when one is no point or W is the identity.
function points(transcript: Uint8Array, V: Uint8Array): Point {
  const t = decodeTranscript(transcript);
  const { B } = loginPoints(t);
  const W = decodeG1(t.U, 'U').add(timesPublic(B, challengeOf(transcript)));
  need(!W.is0(), 'W: the identity');
  return { serviceID: t.serviceID, V: decodeG1(V, 'V'), W };
}

/**
 * Whether V answers the transcript: e(V, P2)·e(W, S) = 1. The device's signature, the epoch and the row are looked at
 * elsewhere.
 * @param V 48 bytes
 * @param S 96 bytes, the server key of the transcript's service
 * @returns false also when anything is malformed
 */
export function verifyLogin(transcript: Uint8Array, V: Uint8Array, S: Uint8Array): boolean {
  return holds(() => {
    const p = points(transcript, V);
    return pairingProductIsOne([[p.V, P2], [p.W, decodeG2(S, 'S')]]);
  });
}

// Adds to bad the positions of those that fail, by halves. Weights are drawn anew for each half.
function halve(some: Placed[], S: G2, bad: number[]): void {
  if (some.length === 0) return;
  let [sumV, sumW] = [ZERO1, ZERO1];
  for (const { V, W } of some) {
    const rho = weight();
    sumV = sumV.add(timesPublic(V, rho));
    sumW = sumW.add(timesPublic(W, rho));
  }
  if (pairingProductIsOne([[sumV, P2], [sumW, S]])) return;
  if (some.length === 1) {
    bad.push(some[0].at);
    return;
  }
  const half = some.length >> 1;
  halve(some.slice(0, half), S, bad);
  halve(some.slice(half), S, bad);
}

/**
 * Verifies at most 64 logins at one service.
 * @param S 96 bytes
 * @returns the positions of the bad ones, ascending; empty when all are good
 */
export function verifyLogins(logins: { transcript: Uint8Array, V: Uint8Array }[], S: Uint8Array): number[] {
  need(logins.length <= MAX_BATCH, `${logins.length} logins: more than ${MAX_BATCH}`);
  const key = decodeG2(S, 'S');
  const bad: number[] = [];
  const rest: Placed[] = [];
  logins.forEach(({ transcript, V }, at) => {
    try {
      rest.push({ at, ...points(transcript, V) });
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      bad.push(at);
    }
  });
  for (const p of rest) need(equal(p.serviceID, rest[0].serviceID), 'batch: logins at different services');
  halve(rest, key, bad);
  return bad.sort((a, b) => a - b);
}
