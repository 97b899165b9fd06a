// spec/mpin.md "Login": the side of the device.

import { bytes, need } from './encoding.js';
import { decodeG1, encodePoint, encodeScalar, mod, nonce, times } from './groups.js';
import { epochBytes } from './fields.js';
import { deviceHash } from './identity.js';
import { challengeOf, encodeTranscript, loginPoints, nonceStatement, proofMessage } from './mpin.js';
import type { Epoch } from './epochs.js';
import type { Subject } from './mpin.js';
import type { Signer } from './device.js';

export interface Login {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  /** of the page in a browser, else of the document */
  origin: string;
  name: string;
  /** 91 bytes */
  spki: Uint8Array;
  epoch: Epoch | Uint8Array;
  /** 32 bytes */
  channel?: Uint8Array | null;
  intent?: Uint8Array | null;
}

/** Α of the PIN that was typed, T and P_e. */
export type Factors = { alpha: bigint, token: Uint8Array, permit: Uint8Array };

/**
 * K = T + αA + P_e. Nothing tells whether the PIN is right.
 * @returns 48 bytes
 */
export function loginKey(subject: Subject, { alpha, token, permit }: Factors): Uint8Array {
  encodeScalar(alpha, 'α');
  const { A } = loginPoints(subject);
  return encodePoint(decodeG1(token, 'token').add(times(A, alpha)).add(decodeG1(permit, 'permit')), 'K');
}

/** One attempt to log in: it begins once and answers the first challenge that comes, and no second one. */
export class Attempt {
  /** To be sent, 48 bytes. */
  readonly U: Uint8Array;
  #login: Login;
  #K: Uint8Array | undefined;
  #x: bigint | undefined;

  /** @param draw makes x; only tests pass it */
  constructor(login: Login, factors: Factors, draw: (K: Uint8Array, statement: Uint8Array) => bigint = nonce) {
    const subject = { ...login, device: deviceHash(login.spki) };
    const K = loginKey(subject, factors);
    this.#K = K;
    this.#x = draw(K, nonceStatement(subject));
    this.#login = { ...login, epoch: epochBytes(login.epoch) };
    this.U = encodePoint(times(loginPoints(subject).B, this.#x), 'U');
  }

  /**
   * Answers the first challenge.
   * @param session 32 bytes
   * @param challenge the server's nonce, 32 bytes
   * @param sign by the device key
   */
  async finish(session: Uint8Array, challenge: Uint8Array, sign: Signer): Promise<{ transcript: Uint8Array, V: Uint8Array, signature: Uint8Array }> {
    const [login, K, x] = [this.#login, this.#K, this.#x];
    need(x !== undefined && K !== undefined, 'attempt: it has answered a challenge');
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
