// spec/issuance.md "Request" and "Reply": what is sealed to whom, on either side.

import { ed25519 } from '@noble/curves/ed25519.js';
import { bytes, equal, field, lp, need, readLP, text, u32, u64 } from './encoding.js';
import { authorityIndex, read } from './fields.js';
import { open, seal } from './hpke.js';
import { openRequest } from './request.js';
import type { OpenedRequest } from './request.js';

const info = (domainID: Uint8Array, index: number, what: string, rest: Uint8Array): Uint8Array =>
  lp('milagro/v1 seal', bytes(domainID, 'domainID', 32), u32(authorityIndex(index)), text(what), rest);

/** Where and when a request is meant to be opened. */
export interface Place {
  domainID: Uint8Array;
  /** of the authority */
  index: number;
  /** unix seconds */
  time: number | bigint;
}

/**
 * @param hpke key of the authority, 1216 bytes
 * @param plaintext the signed request
 */
export async function sealRequest({ domainID, index, time }: Place, hpke: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array> {
  const inner = await seal(hpke, info(domainID, index, 'request', u64(time)), plaintext);
  return lp('milagro/v1 sealed request', domainID, u32(index), u64(time), inner);
}

/** Refuses a request that says something else inside than outside. */
export function openRequestAt(place: Place, plaintext: Uint8Array): OpenedRequest {
  const opened = openRequest(plaintext);
  const { domainID, index, time } = opened.request;
  need(equal(domainID, place.domainID) && index === place.index && BigInt(time) === BigInt(place.time), 'request: another domain, index or time inside');
  return opened;
}

/**
 * Opens a request as an authority does; whether its time is near is looked at besides.
 * @param own domainID and index of the authority
 * @param box the seed of its HPKE key, 32 bytes
 */
export async function openSealedRequest(own: Omit<Place, 'time'>, box: Uint8Array, sealed: Uint8Array): Promise<OpenedRequest> {
  const [domainID, index, time, inner] = readLP(sealed, 'milagro/v1 sealed request', [read.id('domainID'), field.u32, field.u64, (p) => p]);
  need(equal(domainID, own.domainID) && index === own.index, 'request: for another authority');
  return openRequestAt({ ...own, time }, await open(box, info(domainID, index, 'request', u64(time)), inner));
}

/** @param replyKey of the request, 1216 bytes */
export const sealReply = ({ domainID, index }: Omit<Place, 'time'>, requestHash: Uint8Array, replyKey: Uint8Array, signed: Uint8Array): Promise<Uint8Array> =>
  seal(replyKey, info(domainID, index, 'reply', bytes(requestHash, 'request hash', 32)), signed);

/**
 * @param box the seed of the reply key
 * @returns the envelope
 */
export const openSealedReply = ({ domainID, index }: Omit<Place, 'time'>, requestHash: Uint8Array, box: Uint8Array, sealed: Uint8Array): Promise<Uint8Array> =>
  open(box, info(domainID, index, 'reply', bytes(requestHash, 'request hash', 32)), sealed);

/**
 * Whether an authority says what time it is, in its refusal of a request.
 * @param key of the authority, Ed25519
 * @param sealedHash H(sealed) of the request
 */
export function verifyTime({ domainID, index, time }: Place, key: Uint8Array, sealedHash: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const message = lp('milagro/v1 time', bytes(domainID, 'domainID', 32), u32(authorityIndex(index)), bytes(sealedHash, 'H(sealed)', 32), u64(time));
  return ed25519.verify(signature, message, bytes(key, 'Ed25519 key', 32), { zip215: false });
}
