// spec/ibs.md: identity-based signatures over the key of purpose channel.

import { bytes, concat, lp, need, Refused, text } from './encoding.js';
import {
  decodeG1, decodeG2, encodePoint, hashToScalar, mod, nonce, P2, pairingProductIsOne, times, timesPublic, weight, ZERO1,
} from './groups.js';
import { decodeEpoch, encodeEpoch } from './epochs.js';
import { identityPoint, parseName } from './identity.js';

/**
 * @typedef {object} Signer who signs, and when
 * @property {Uint8Array} domainID by which the verifier pinned mpk
 * @property {string} name
 * @property {Uint8Array} device 32 bytes
 * @property {import('./epochs.js').Epoch | Uint8Array} epoch
 */

function statement({ domainID, name, device, epoch }, U, message) {
  const e = encodeEpoch(epoch instanceof Uint8Array ? decodeEpoch(epoch) : epoch);
  return lp(
    'milagro/v1 ibs', bytes(domainID, 'domainID', 32), text(parseName(name).name), bytes(device, 'device', 32), e, U,
    bytes(message, 'message'),
  );
}

/**
 * A signature with a given nonce: for sign and for test vectors only. A nonce used twice tells the key.
 * @param {Signer} signer
 * @param {Uint8Array} d the key, 48 bytes
 * @param {Uint8Array} message
 * @param {bigint} k
 * @returns {Uint8Array|null} U ‖ V, 96 bytes; null when k + h is 0
 */
export function signWith(signer, d, message, k) {
  const key = decodeG1(d, 'key');
  const U = encodePoint(times(identityPoint('channel', signer), k), 'U');
  const sum = mod(k + hashToScalar('IBS', statement(signer, U, message)));
  return sum === 0n ? null : concat(U, encodePoint(times(key, sum), 'V'));
}

/**
 * @param {Signer} signer
 * @param {Uint8Array} d the key, 48 bytes
 * @param {Uint8Array} message
 * @returns {Uint8Array} U ‖ V, 96 bytes
 */
export function sign(signer, d, message) {
  bytes(d, 'key', 48);
  for (;;) {
    const signature = signWith(signer, d, message, nonce(d, statement(signer, new Uint8Array(0), message)));
    if (signature) return signature;
  }
}

// The points V and W of a signature; throws Refused when it is malformed or W is the identity.
function points(signer, message, signature) {
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
 * @param {Signer} signer
 * @param {Uint8Array} mpk 96 bytes
 * @param {Uint8Array} message
 * @param {Uint8Array} signature 96 bytes
 * @returns {boolean} false also when anything is malformed
 */
export function verify(signer, mpk, message, signature) {
  try {
    const { V, W } = points(signer, message, signature);
    return pairingProductIsOne([[V, P2], [W.negate(), decodeG2(mpk, 'mpk')]]);
  } catch (e) {
    if (e instanceof Refused) return false;
    throw e;
  }
}

/**
 * Verifies at most 64 signatures under one mpk.
 * @param {{signer: Signer, message: Uint8Array, signature: Uint8Array}[]} items
 * @param {Uint8Array} mpk 96 bytes
 * @returns {number[]} the positions of the bad ones; empty when all are good
 */
export function verifyBatch(items, mpk) {
  need(items.length <= 64, `${items.length} signatures: more than 64`);
  const M = decodeG2(mpk, 'mpk');
  const bad = [];
  const good = [];
  items.forEach(({ signer, message, signature }, at) => {
    try {
      good.push({ at, ...points(signer, message, signature) });
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      bad.push(at);
    }
  });
  const halve = (some) => {
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
