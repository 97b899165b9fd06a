// spec/issuance.md "Request" and spec/mpin.md "PIN change": the body of a request, its hash, and the evidence of a succession.

import { bytes, equal, field, H, lp, need, readLP, text, u32, u64, u8 } from './encoding.js';
import { authorityIndex, channelKind, epochBytes, generation as checkGeneration, needTime, read, write } from './fields.js';
import { deviceHash, parseDevice, verifyDeviceSignature } from './identity.js';
import { openVoucher } from './mpin-messages.js';
import type { Epoch } from './epochs.js';
import type { Voucher } from './mpin-messages.js';

const LABEL = 'milagro/v1 request';
const ISSUED = ['channel', 'decrypt', 'mpin', 'permit'];
const ABSENT = new Uint8Array(0);

/** How long a voucher is good, in seconds. */
export const VOUCHER_LIFE = 86400n;

export interface Request {
  domainID: Uint8Array;
  /** 40 bytes */
  generation: Uint8Array;
  index: number;
  purpose: string;
  /** of mpin and permit alone */
  serviceID: Uint8Array | null;
  name: string;
  /** null for mpin alone */
  epoch: Epoch | Uint8Array | null;
  /** 0 but for mpin */
  channelKind: number;
  /** 91 bytes */
  spki: Uint8Array;
  /** 1216 bytes */
  replyKey: Uint8Array;
  time: number | bigint;
  /** 32 bytes */
  nonce: Uint8Array;
  /** H(evidence) */
  evidenceHash: Uint8Array;
}

function checkFields(r: Request): void {
  need(ISSUED.includes(r.purpose), `purpose "${r.purpose}": not issued`);
  const mpin = r.purpose === 'mpin';
  need((mpin || r.purpose === 'permit') === (r.serviceID !== null), `purpose ${r.purpose}: serviceID present or absent against the page`);
  need(mpin === (r.epoch === null), `purpose ${r.purpose}: epoch present or absent against the page`);
  need(mpin || r.channelKind === 0, `purpose ${r.purpose}: a channel kind`);
  parseDevice(r.spki);
}

/** @returns the body */
export function encodeRequest(r: Request): Uint8Array {
  checkFields(r);
  return lp(
    LABEL, bytes(r.domainID, 'domainID', 32), checkGeneration(r.generation), u32(authorityIndex(r.index)), text(r.purpose),
    r.serviceID ? bytes(r.serviceID, 'serviceID', 32) : ABSENT, write.name(r.name), r.epoch ? epochBytes(r.epoch) : ABSENT,
    u8(channelKind(r.channelKind)), r.spki, bytes(r.replyKey, 'reply key', 1216), u64(r.time), bytes(r.nonce, 'nonce', 32),
    bytes(r.evidenceHash, 'H(evidence)', 32),
  );
}

export function decodeRequest(body: Uint8Array): Request {
  const [domainID, generation, index, purpose, serviceID, name, epoch, kind, spki, replyKey, time, nonce, evidenceHash] = readLP(
    body, LABEL, [
      read.id('domainID'), read.generation, read.index, field.text(16, 'purpose'), field.optional(read.id('serviceID')),
      read.name, field.optional(read.epoch), read.channelKind, field.bytes(91, 'SPKI'), field.bytes(1216, 'reply key'),
      field.u64, read.id('nonce'), read.id('H(evidence)'),
    ],
  );
  const r = {
    domainID, generation, index, purpose, serviceID, name, epoch, channelKind: kind, spki, replyKey, time, nonce, evidenceHash,
  };
  checkFields(r);
  return r;
}

/**
 * @param body of a request
 * @returns the hash of the same request with empty evidence
 */
export const bareHash = (body: Uint8Array): Uint8Array => H(encodeRequest({ ...decodeRequest(body), evidenceHash: H(ABSENT) }));

/** A request as an authority has it. */
export interface OpenedRequest {
  body: Uint8Array;
  evidence: Uint8Array;
  request: Request;
}

/** Reads a request as an authority opened it, and verifies that its device signed it. */
export function openRequest(plaintext: Uint8Array): OpenedRequest {
  const [body, evidence, signature] = readLP(plaintext, 'milagro/v1 signed request', [
    (p) => p, (p) => p, field.bytes(64, 'device signature'),
  ]);
  const request = decodeRequest(body);
  need(equal(H(evidence), request.evidenceHash), 'request: not its evidence');
  need(verifyDeviceSignature(request.spki, H(body), signature), 'request: the device did not sign');
  return { body, evidence, request };
}

/**
 * What the old device signs.
 * @param voucher the envelope
 * @param bare bareHash of the new device's request
 * @returns the message whose SHA-256 is the succession digest
 */
export const successionMessage = (voucher: Uint8Array, bare: Uint8Array): Uint8Array =>
  lp('milagro/v1 mpin succession', bytes(voucher, 'voucher'), bytes(bare, 'bare hash', 32));

/** @returns 32 bytes */
export const successionDigest = (voucher: Uint8Array, bare: Uint8Array): Uint8Array => H(successionMessage(voucher, bare));

/** @returns evidence */
export const encodeEvidence = (kind: string, data: Uint8Array): Uint8Array => lp('milagro/v1 evidence', text(kind, 'kind'), data);

export function decodeEvidence(evidence: Uint8Array): { kind: string, data: Uint8Array } {
  const [kind, data] = readLP(evidence, 'milagro/v1 evidence', [field.text(64, 'kind'), (p) => p]);
  return { kind, data };
}

/**
 * @param s spki and signature are the old device's
 * @returns evidence
 */
export function encodeSuccession({ voucher, spki, signature }: { voucher: Uint8Array, spki: Uint8Array, signature: Uint8Array }): Uint8Array {
  parseDevice(spki);
  return encodeEvidence('succession', lp('milagro/v1 succession', voucher, spki, bytes(signature, 'signature', 64)));
}

export function decodeSuccession(evidence: Uint8Array): { voucher: Uint8Array, spki: Uint8Array, signature: Uint8Array } {
  const { kind, data } = decodeEvidence(evidence);
  need(kind === 'succession', `evidence of kind "${kind}"`);
  const [voucher, spki, signature] = readLP(data, 'milagro/v1 succession', [
    (p) => p, field.bytes(91, 'SPKI'), field.bytes(64, 'signature'),
  ]);
  parseDevice(spki);
  return { voucher, spki, signature };
}

/** What an authority knows of the service for which a PIN is changed. */
export interface AuthorityView {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  /** its own */
  index: number;
  loginServerKey: Uint8Array;
}

/**
 * Checks the evidence of a PIN change. Whether the old device is enrolled and not revoked, the authority knows.
 * @param body of the new device's request
 * @param own the authority's view
 * @param now unix seconds
 */
export function checkSuccession(body: Uint8Array, evidence: Uint8Array, own: AuthorityView, now: number | bigint): Voucher {
  const request = decodeRequest(body);
  need(request.purpose === 'mpin', `succession: for purpose ${request.purpose}`);
  need(equal(H(evidence), request.evidenceHash), 'succession: not the evidence of the request');
  const { voucher, spki, signature } = decodeSuccession(evidence);
  const v = openVoucher(voucher, own.loginServerKey);
  need(equal(v.domainID, own.domainID) && equal(request.domainID, own.domainID), 'voucher: of another domain');
  need(equal(v.serviceID, own.serviceID) && request.serviceID !== null && equal(request.serviceID, own.serviceID), 'voucher: of another service');
  need(v.index === own.index && request.index === own.index, 'voucher: for another authority');
  need(v.name === request.name, 'voucher: for another name');
  need(equal(v.newDevice, deviceHash(request.spki)), 'voucher: for another new device');
  need(equal(v.oldDevice, deviceHash(spki)), 'voucher: of another old device');
  needTime(v.time, now, VOUCHER_LIFE, 'voucher');
  need(verifyDeviceSignature(spki, successionDigest(voucher, bareHash(body)), signature), 'succession: the old device did not sign');
  return v;
}
