// spec/mpin.md "PIN change" and "Server key": what a login server and an authority's operators sign.

import { bytes, equal, field, H, lp, need, readLP, text, u32, u64 } from './encoding.js';
import { openEnvelope, readEnvelope, signEnvelope } from './envelope.js';
import { authorityIndex, device as checkDevice, needTime, read, write } from './fields.js';

const key = (v: Uint8Array, what: string): Uint8Array => bytes(v, what, 32);

// ---- login card ----

/** @returns the body */
export const encodeLoginCard = (c: { service: string, origin: string, key: Uint8Array }): Uint8Array =>
  lp('milagro/v1 login card', write.service(c.service), write.origin(c.origin), key(c.key, 'Ed25519 key'));

/** @param envelope signed by the key that it holds */
export function openLoginCard(envelope: Uint8Array): { service: string, origin: string, key: Uint8Array, fingerprint: Uint8Array } {
  const { body } = readEnvelope(envelope);
  const [service, origin, own] = readLP(body, 'milagro/v1 login card', [read.service, read.origin, read.id('Ed25519 key')]);
  openEnvelope(envelope, own, 'login card');
  return { service, origin, key: own, fingerprint: loginCardFingerprint({ service, origin, key: own }) };
}

/**
 * Of a card, or of what the domain document tells of the service.
 * @returns 32 bytes
 */
export const loginCardFingerprint = (c: { service: string, origin: string, key: Uint8Array }): Uint8Array =>
  H(lp('milagro/v1 login card fingerprint', encodeLoginCard(c)));

// ---- voucher ----

export interface Voucher {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  /** of the authority that it is for */
  index: number;
  name: string;
  oldDevice: Uint8Array;
  newDevice: Uint8Array;
  time: number | bigint;
  nonce: Uint8Array;
}

function checkDevices(v: Voucher): void {
  need(!equal(v.oldDevice, v.newDevice), 'voucher: the new device is the old one');
}

/**
 * @param secretKey Ed25519, of the login server
 * @returns the envelope
 */
export function signVoucher(v: Voucher, secretKey: Uint8Array): Uint8Array {
  checkDevices(v);
  const body = lp(
    'milagro/v1 mpin voucher', key(v.domainID, 'domainID'), key(v.serviceID, 'serviceID'), u32(authorityIndex(v.index)),
    write.name(v.name), checkDevice(v.oldDevice, 'old device'), checkDevice(v.newDevice, 'new device'), u64(v.time),
    key(v.nonce, 'nonce'),
  );
  return signEnvelope(body, secretKey);
}

export function openVoucher(envelope: Uint8Array, loginServerKey: Uint8Array): Voucher {
  const [domainID, serviceID, index, name, oldDevice, newDevice, time, nonce] = readLP(
    openEnvelope(envelope, loginServerKey, 'voucher'), 'milagro/v1 mpin voucher', [
      read.id('domainID'), read.id('serviceID'), read.index, read.name, read.device('old device'), read.device('new device'),
      field.u64, read.id('nonce'),
    ],
  );
  const v = { domainID, serviceID, index, name, oldDevice, newDevice, time, nonce };
  checkDevices(v);
  return v;
}

// ---- notice ----

export type Notice = { domainID: Uint8Array, serviceID: Uint8Array, name: string, device: Uint8Array, time: number | bigint };

/**
 * @param secretKey Ed25519, of the login server
 * @returns the envelope
 */
export function signNotice(n: Notice, secretKey: Uint8Array): Uint8Array {
  const body = lp(
    'milagro/v1 mpin notice', key(n.domainID, 'domainID'), key(n.serviceID, 'serviceID'), write.name(n.name),
    checkDevice(n.device), u64(n.time),
  );
  return signEnvelope(body, secretKey);
}

export function openNotice(envelope: Uint8Array, loginServerKey: Uint8Array): Notice {
  const [domainID, serviceID, name, device, time] = readLP(
    openEnvelope(envelope, loginServerKey, 'notice'), 'milagro/v1 mpin notice',
    [read.id('domainID'), read.id('serviceID'), read.name, read.device('device'), field.u64],
  );
  return { domainID, serviceID, name, device, time };
}

// ---- operators ----

// Bytes of the subject of each act: serviceID ‖ generation, or the LP string of an operator.
function checkSubject(act: string, subject: Uint8Array): void {
  if (act === 'server-key') {
    bytes(subject, 'subject', 72);
    read.generation(subject.slice(32));
    return;
  }
  need(act === 'operator', `act "${act}": neither server-key nor operator`);
  decodeOperator(subject);
}

/**
 * @param operatorKey Ed25519
 * @returns the subject of the act `operator`
 */
export function encodeOperator(name: string, operatorKey: Uint8Array): Uint8Array {
  const b = lp('milagro/v1 operator', text(name, 'operator'), key(operatorKey, 'Ed25519 key'));
  decodeOperator(b);
  return b;
}

export function decodeOperator(b: Uint8Array): { name: string, key: Uint8Array } {
  const [name, own] = readLP(b, 'milagro/v1 operator', [field.text(64, 'operator'), read.id('Ed25519 key')]);
  need(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(name), 'operator: not 1–64 printable ASCII without a space at either end');
  return { name, key: own };
}

export type Approval = { authority: Uint8Array, act: string, subject: Uint8Array, time: number | bigint };

/**
 * @param a authority is its Ed25519 key
 * @param secretKey Ed25519, of the operator
 * @returns the envelope
 */
export function signApproval(a: Approval, secretKey: Uint8Array): Uint8Array {
  checkSubject(a.act, a.subject);
  const body = lp('milagro/v1 operator approval', key(a.authority, "authority's key"), text(a.act), a.subject, u64(a.time));
  return signEnvelope(body, secretKey);
}

/** @param now when given, the time must be within ±300 s */
export function openApproval(envelope: Uint8Array, operatorKey: Uint8Array, now?: number | bigint): Approval {
  const [authority, act, subject, time] = readLP(
    openEnvelope(envelope, operatorKey, 'approval'), 'milagro/v1 operator approval',
    [read.id("authority's key"), field.text(16, 'act'), (p) => p, field.u64],
  );
  checkSubject(act, subject);
  if (now !== undefined) needTime(time, now, 300n, 'approval');
  return { authority, act, subject, time };
}
