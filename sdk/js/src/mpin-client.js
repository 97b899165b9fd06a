// spec/mpin.md "Login": the side of the device.

import { bytes, need } from './encoding.js';
import { decodeG1, encodePoint, encodeScalar, mod, nonce, times } from './groups.js';
import { epochBytes } from './fields.js';
import { deviceHash } from './identity.js';
import { challengeOf, encodeTranscript, loginPoints, nonceStatement, proofMessage } from './mpin.js';

/**
 * @typedef {object} Login
 * @property {Uint8Array} domainID
 * @property {Uint8Array} serviceID
 * @property {string} origin of the page in a browser, else of the document
 * @property {string} name
 * @property {Uint8Array} spki 91 bytes
 * @property {import('./epochs.js').Epoch | Uint8Array} epoch
 * @property {Uint8Array|null} [channel] 32 bytes
 * @property {Uint8Array|null} [intent]
 */

/** @typedef {{alpha: bigint, token: Uint8Array, permit: Uint8Array}} Factors α of the PIN that was typed, T and P_e */

/**
 * K = T + αA + P_e. Nothing tells whether the PIN is right.
 * @param {import('./mpin.js').Subject} subject
 * @param {Factors} factors
 * @returns {Uint8Array} 48 bytes
 */
export function loginKey(subject, { alpha, token, permit }) {
  encodeScalar(alpha, 'α');
  const { A } = loginPoints(subject);
  return encodePoint(decodeG1(token, 'token').add(times(A, alpha)).add(decodeG1(permit, 'permit')), 'K');
}

/** One attempt to log in: it begins once and answers the first challenge that comes, and no second one. */
export class Attempt {
  #login;
  #K;
  #x;

  /**
   * @param {Login} login
   * @param {Factors} factors
   * @param {(K: Uint8Array, statement: Uint8Array) => bigint} [draw] makes x; only tests pass it
   */
  constructor(login, factors, draw = nonce) {
    const subject = { ...login, device: deviceHash(login.spki) };
    this.#K = loginKey(subject, factors);
    this.#x = draw(this.#K, nonceStatement(subject));
    this.#login = { ...login, epoch: epochBytes(login.epoch) };
    /** U, 48 bytes, to be sent. */
    this.U = encodePoint(times(loginPoints(subject).B, this.#x), 'U');
  }

  /**
   * Answers the first challenge.
   * @param {Uint8Array} session 32 bytes
   * @param {Uint8Array} challenge the server's nonce, 32 bytes
   * @param {import('./device.js').Signer} sign by the device key
   * @returns {Promise<{transcript: Uint8Array, V: Uint8Array, signature: Uint8Array}>}
   */
  async finish(session, challenge, sign) {
    const [login, K, x] = [this.#login, this.#K, this.#x];
    need(x !== undefined, 'attempt: it has answered a challenge');
    this.#K = this.#x = undefined;
    const transcript = encodeTranscript({ ...login, U: this.U, session, nonce: challenge });
    const sum = mod(x + challengeOf(transcript));
    need(sum !== 0n, 'attempt: x + y is 0');
    const V = encodePoint(times(decodeG1(K, 'K'), sum).negate(), 'V');
    K.fill(0);
    const signature = bytes(await sign(proofMessage(transcript, V)), 'device signature', 64);
    return { transcript, V, signature };
  }
}
