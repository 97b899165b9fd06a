// spec/ibs.md: identity-based signatures over the key of purpose channel.

import { bytes, concat, lp, need, Refused, text } from './encoding.js';
import {
  decodeG1, decodeG2, encodePoint, hashToScalar, mod, nonce, P2, pairingProductIsOne, times, timesPublic, weight, ZERO1,
} from './groups.js';
import { decodeEpoch, encodeEpoch } from './epochs.js';
import { identityPoint, parseName } from './identity.js';
import type { G1 } from './groups.js';
import type { Epoch } from './epochs.js';

/** Who signs, and when. */
export interface Signer {
  /** by which the verifier pinned mpk */
  domainID: Uint8Array;
  name: string;
  /** 32 bytes */
  device: Uint8Array;
  epoch: Epoch | Uint8Array;
}

function statement({ domainID, name, device, epoch }: Signer, U: Uint8Array, message: Uint8Array): Uint8Array {
  const e = encodeEpoch(epoch instanceof Uint8Array ? decodeEpoch(epoch) : epoch);
  return lp(
    'milagro/v1 ibs', bytes(domainID, 'domainID', 32), text(parseName(name).name), bytes(device, 'device', 32), e, U,
    bytes(message, 'message'),
  );
}

/**
 * A signature with a given nonce: for sign and for test vectors only. A nonce used twice tells the key.
 * @param d the key, 48 bytes
 * @returns U ‖ V, 96 bytes; null when k + h is 0
 */
export function signWith(signer: Signer, d: Uint8Array, message: Uint8Array, k: bigint): Uint8Array | null {
  const key = decodeG1(d, 'key');
  const U = encodePoint(times(identityPoint('channel', signer), k), 'U');
  const sum = mod(k + hashToScalar('IBS', statement(signer, U, message)));
  return sum === 0n ? null : concat(U, encodePoint(times(key, sum), 'V'));
}

/**
 * @param d the key, 48 bytes
 * @returns U ‖ V, 96 bytes
 */
export function sign(signer: Signer, d: Uint8Array, message: Uint8Array): Uint8Array {
  bytes(d, 'key', 48);
  for (;;) {
    const signature = signWith(signer, d, message, nonce(d, statement(signer, new Uint8Array(0), message)));
    if (signature) return signature;
  }
}

// The points V and W of a signature; throws Refused when it is malformed or W is the identity.
function points(signer: Signer, message: Uint8Array, signature: Uint8Array): { V: G1, W: G1 } {
  bytes(signature, 'signature', 96);
  const U = decodeG1(signature.subarray(0, 48), 'U');
  const V = decodeG1(signature.subarray(48), 'V');
  const A = identityPoint('channel', signer);
  const h = hashToScalar('IBS', statement(signer, signature.slice(0, 48), message));
  const W = U.add(timesPublic(A, h));
  need(!W.is0(), 'signature: W is the identity');
  return { V, W };
}

/**
 * @param mpk 96 bytes
 * @param signature 96 bytes
 * @returns false also when anything is malformed
 */
export function verify(signer: Signer, mpk: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    const { V, W } = points(signer, message, signature);
    return pairingProductIsOne([[V, P2], [W.negate(), decodeG2(mpk, 'mpk')]]);
  } catch (e) {
    if (e instanceof Refused) return false;
    throw e;
  }
}

type Placed = { at: number, V: G1, W: G1 };

/**
 * Verifies at most 64 signatures under one mpk.
 * @param mpk 96 bytes
 * @returns the positions of the bad ones; empty when all are good
 */
export function verifyBatch(items: { signer: Signer, message: Uint8Array, signature: Uint8Array }[], mpk: Uint8Array): number[] {
  need(items.length <= 64, `${items.length} signatures: more than 64`);
  const M = decodeG2(mpk, 'mpk');
  const bad: number[] = [];
  const good: Placed[] = [];
  items.forEach(({ signer, message, signature }, at) => {
    try {
      good.push({ at, ...points(signer, message, signature) });
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      bad.push(at);
    }
  });
  const halve = (some: Placed[]): void => {
    let [sumV, sumW] = [ZERO1, ZERO1];
    for (const { V, W } of some) {
      const rho = weight();
      sumV = sumV.add(timesPublic(V, rho));
      sumW = sumW.add(timesPublic(W, rho));
    }
    if (pairingProductIsOne([[sumV, P2], [sumW.negate(), M]])) return;
    if (some.length === 1) {
      bad.push(some[0].at);
      return;
    }
    const half = some.length >> 1;
    halve(some.slice(0, half));
    halve(some.slice(half));
  };
  halve(good);
  return bad.sort((a, b) => a - b);
}
