// spec/mpin.md "Server key": how a login server asks for its shares of S, proves and combines them.

import { bytes, concat, equal, field, H, lp, need, readLP, text, u32, u64 } from './encoding.js';
import { openEnvelope, signEnvelope } from './envelope.js';
import { open, seal } from './hpke.js';
import { authorityIndex, generation as checkGeneration, holds, needTime, read } from './fields.js';
import { decodeG1, decodeG2, encodePoint, P1, pairingProductIsOne, P2, times, ZERO2 } from './groups.js';
import { lagrange } from './shares.js';

const key = (v: Uint8Array, what: string): Uint8Array => bytes(v, what, 32);

export interface KeyRequest {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  /** 40 bytes */
  generation: Uint8Array;
  index: number;
  /** 1216 bytes, made for this request */
  replyKey: Uint8Array;
  time: number | bigint;
  /** 32 bytes */
  nonce: Uint8Array;
}

/**
 * @param secretKey Ed25519, of the login server
 * @returns the envelope
 */
export function signKeyRequest(r: KeyRequest, secretKey: Uint8Array): Uint8Array {
  const body = lp(
    'milagro/v1 server key request', key(r.domainID, 'domainID'), key(r.serviceID, 'serviceID'), checkGeneration(r.generation),
    u32(authorityIndex(r.index)), bytes(r.replyKey, 'reply key', 1216), u64(r.time), key(r.nonce, 'nonce'),
  );
  return signEnvelope(body, secretKey);
}

/** @param now when given, the time must be within ±300 s */
export function openKeyRequest(envelope: Uint8Array, loginServerKey: Uint8Array, now?: number | bigint): KeyRequest {
  const [domainID, serviceID, generation, index, replyKey, time, nonce] = readLP(
    openEnvelope(envelope, loginServerKey, 'server key request'), 'milagro/v1 server key request', [
      read.id('domainID'), read.id('serviceID'), read.generation, read.index, field.bytes(1216, 'reply key'), field.u64,
      read.id('nonce'),
    ],
  );
  if (now !== undefined) needTime(time, now, 300n, 'server key request');
  return { domainID, serviceID, generation, index, replyKey, time, nonce };
}

/**
 * The info of HPKE, by which the answer is sealed to the reply key.
 * @param request the envelope
 */
export const keyReplyInfo = (domainID: Uint8Array, index: number, request: Uint8Array): Uint8Array =>
  lp('milagro/v1 seal', key(domainID, 'domainID'), u32(authorityIndex(index)), text('server key'), H(bytes(request, 'request')));

export interface KeyShare {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  /** 40 bytes */
  generation: Uint8Array;
  index: number;
  /** H(request) */
  requestHash: Uint8Array;
  /** s_i·P2, 96 bytes */
  point: Uint8Array;
}

/**
 * @param secretKey Ed25519, of the authority
 * @returns the envelope
 */
export function signKeyShare(s: KeyShare, secretKey: Uint8Array): Uint8Array {
  decodeG2(s.point, 's_i·P2');
  const body = lp(
    'milagro/v1 server key share', key(s.domainID, 'domainID'), key(s.serviceID, 'serviceID'), checkGeneration(s.generation),
    u32(authorityIndex(s.index)), key(s.requestHash, 'H(request)'), s.point,
  );
  return signEnvelope(body, secretKey);
}

/**
 * Reads what an authority answered, after it was opened with the reply key.
 * @param authorityKey Ed25519
 */
export function openKeyShare(envelope: Uint8Array, authorityKey: Uint8Array): KeyShare {
  const [domainID, serviceID, generation, index, requestHash, point] = readLP(
    openEnvelope(envelope, authorityKey, 'server key share'), 'milagro/v1 server key share', [
      read.id('domainID'), read.id('serviceID'), read.generation, read.index, read.id('H(request)'),
      field.bytes(96, 's_i·P2'),
    ],
  );
  decodeG2(point, 's_i·P2');
  return { domainID, serviceID, generation, index, requestHash, point };
}

/**
 * @param signed of signKeyShare
 * @param request the envelope
 * @param asked what it holds
 * @returns sealed to the reply key
 */
export const sealKeyShare = (signed: Uint8Array, request: Uint8Array, asked: KeyRequest): Promise<Uint8Array> =>
  seal(asked.replyKey, keyReplyInfo(asked.domainID, asked.index, request), signed);

/**
 * @param sealed the answer
 * @param box the seed of the reply key, 32 bytes
 * @param request the envelope that was sent
 * @param asked what it holds
 * @returns the envelope of the share
 */
export const openKeyReply = (sealed: Uint8Array, box: Uint8Array, request: Uint8Array, asked: KeyRequest): Promise<Uint8Array> =>
  open(box, keyReplyInfo(asked.domainID, asked.index, request), sealed);

/**
 * Whether a share of S is true: e(P1, s_i·P2) = e(X_i, P2).
 * @param point s_i·P2, 96 bytes
 * @param X X_i of the domain document, 48 bytes
 * @returns false also when one is no point
 */
export const verifyKeyShare = (point: Uint8Array, X: Uint8Array): boolean =>
  holds(() => pairingProductIsOne([[P1, decodeG2(point, 's_i·P2')], [decodeG1(X, 'X_i').negate(), P2]]));

/**
 * Whether the answer to a request is accepted.
 * @param envelope the answer, opened with the reply key
 * @param request the envelope that was sent
 * @param authorityKey Ed25519
 * @param X X_i of the domain document, 48 bytes
 */
export function acceptKeyShare(envelope: Uint8Array, request: Uint8Array, loginServerKey: Uint8Array, authorityKey: Uint8Array, X: Uint8Array): KeyShare {
  const asked = openKeyRequest(request, loginServerKey);
  const share = openKeyShare(envelope, authorityKey);
  need(equal(share.requestHash, H(request)), 'server key share: for another request');
  need(equal(share.domainID, asked.domainID), 'server key share: of another domain');
  need(equal(share.serviceID, asked.serviceID), 'server key share: of another service');
  need(equal(share.generation, asked.generation), 'server key share: of another generation');
  need(share.index === asked.index, 'server key share: of another authority');
  need(verifyKeyShare(share.point, X), 'server key share: false');
  return share;
}

/**
 * Whether S is the server key of the master X: e(P1, S) = e(X, P2).
 * @param S 96 bytes
 * @param X 48 bytes
 * @returns false also when one is no point
 */
export const verifyServerKey = (S: Uint8Array, X: Uint8Array): boolean => verifyKeyShare(S, X);

/**
 * S from verified shares.
 * @param shares of more than t, the first t count
 * @param t the threshold
 * @param X the service's master, 48 bytes
 * @returns S, 96 bytes
 */
export function combineServerKey(shares: { index: number, point: Uint8Array, generation?: Uint8Array }[], t: number, X: Uint8Array): Uint8Array {
  need(Number.isSafeInteger(t) && t >= 1 && shares.length >= t, `${shares.length} shares, not ${t}`);
  const all = shares.map((s) => authorityIndex(s.index));
  need(new Set(all).size === all.length, 'two shares have the same index');
  for (const { generation } of shares) {
    const same = equal(generation ?? new Uint8Array(0), shares[0].generation ?? new Uint8Array(0));
    need(same, 'shares of different generations');
  }
  const set = all.slice(0, t);
  const points = shares.map((s) => decodeG2(s.point, 's_i·P2'));
  const S = encodePoint(set.reduce((sum, i, at) => sum.add(times(points[at], lagrange(i, set))), ZERO2), 'S');
  need(verifyServerKey(S, X), 'S: not of this master');
  return S;
}

/**
 * serviceID ‖ generation: what operators approve before a share of S is delivered.
 * @param serviceID 32 bytes
 * @param generation 40 bytes
 * @returns 72 bytes
 */
export const deliverySubject = (serviceID: Uint8Array, generation: Uint8Array): Uint8Array =>
  concat(key(serviceID, 'serviceID'), checkGeneration(generation));
