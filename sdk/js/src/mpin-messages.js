// spec/mpin.md "PIN change" and "Server key": what a login server and an authority's operators sign.

import { bytes, equal, field, H, lp, need, readLP, text, u32, u64 } from './encoding.js';
import { openEnvelope, readEnvelope, signEnvelope } from './envelope.js';
import { authorityIndex, device as checkDevice, needTime, read, write } from './fields.js';

const key = (v, what) => bytes(v, what, 32);

// ---- login card ----

/**
 * @param {{service: string, origin: string, key: Uint8Array}} c
 * @returns {Uint8Array} the body
 */
export const encodeLoginCard = (c) =>
  lp('milagro/v1 login card', write.service(c.service), write.origin(c.origin), key(c.key, 'Ed25519 key'));

/**
 * @param {Uint8Array} envelope signed by the key that it holds
 * @returns {{service: string, origin: string, key: Uint8Array, fingerprint: Uint8Array}}
 */
export function openLoginCard(envelope) {
  const { body } = readEnvelope(envelope);
  const [service, origin, own] = readLP(body, 'milagro/v1 login card', [read.service, read.origin, read.id('Ed25519 key')]);
  openEnvelope(envelope, own, 'login card');
  return { service, origin, key: own, fingerprint: loginCardFingerprint({ service, origin, key: own }) };
}

/**
 * Of a card, or of what the domain document tells of the service.
 * @param {{service: string, origin: string, key: Uint8Array}} c
 * @returns {Uint8Array} 32 bytes
 */
export const loginCardFingerprint = (c) => H(lp('milagro/v1 login card fingerprint', encodeLoginCard(c)));

// ---- voucher ----

/**
 * @typedef {object} Voucher
 * @property {Uint8Array} domainID
 * @property {Uint8Array} serviceID
 * @property {number} index of the authority that it is for
 * @property {string} name
 * @property {Uint8Array} oldDevice
 * @property {Uint8Array} newDevice
 * @property {number|bigint} time
 * @property {Uint8Array} nonce
 */

function checkDevices(v) {
  need(!equal(v.oldDevice, v.newDevice), 'voucher: the new device is the old one');
}

/**
 * @param {Voucher} v
 * @param {Uint8Array} secretKey Ed25519, of the login server
 * @returns {Uint8Array} the envelope
 */
export function signVoucher(v, secretKey) {
  checkDevices(v);
  const body = lp(
    'milagro/v1 mpin voucher', key(v.domainID, 'domainID'), key(v.serviceID, 'serviceID'), u32(authorityIndex(v.index)),
    write.name(v.name), checkDevice(v.oldDevice, 'old device'), checkDevice(v.newDevice, 'new device'), u64(v.time),
    key(v.nonce, 'nonce'),
  );
  return signEnvelope(body, secretKey);
}

/**
 * @param {Uint8Array} envelope
 * @param {Uint8Array} loginServerKey
 * @returns {Voucher}
 */
export function openVoucher(envelope, loginServerKey) {
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

/** @typedef {{domainID: Uint8Array, serviceID: Uint8Array, name: string, device: Uint8Array, time: number|bigint}} Notice */

/**
 * @param {Notice} n
 * @param {Uint8Array} secretKey Ed25519, of the login server
 * @returns {Uint8Array} the envelope
 */
export function signNotice(n, secretKey) {
  const body = lp(
    'milagro/v1 mpin notice', key(n.domainID, 'domainID'), key(n.serviceID, 'serviceID'), write.name(n.name),
    checkDevice(n.device), u64(n.time),
  );
  return signEnvelope(body, secretKey);
}

/**
 * @param {Uint8Array} envelope
 * @param {Uint8Array} loginServerKey
 * @returns {Notice}
 */
export function openNotice(envelope, loginServerKey) {
  const [domainID, serviceID, name, device, time] = readLP(
    openEnvelope(envelope, loginServerKey, 'notice'), 'milagro/v1 mpin notice',
    [read.id('domainID'), read.id('serviceID'), read.name, read.device('device'), field.u64],
  );
  return { domainID, serviceID, name, device, time };
}

// ---- operators ----

// Bytes of the subject of each act: serviceID ‖ generation, or the LP string of an operator.
function checkSubject(act, subject) {
  if (act === 'server-key') {
    bytes(subject, 'subject', 72);
    read.generation(subject.slice(32));
    return;
  }
  need(act === 'operator', `act "${act}": neither server-key nor operator`);
  decodeOperator(subject);
}

/**
 * @param {string} name
 * @param {Uint8Array} operatorKey Ed25519
 * @returns {Uint8Array} the subject of the act `operator`
 */
export function encodeOperator(name, operatorKey) {
  const b = lp('milagro/v1 operator', text(name, 'operator'), key(operatorKey, 'Ed25519 key'));
  decodeOperator(b);
  return b;
}

/**
 * @param {Uint8Array} b
 * @returns {{name: string, key: Uint8Array}}
 */
export function decodeOperator(b) {
  const [name, own] = readLP(b, 'milagro/v1 operator', [field.text(64, 'operator'), read.id('Ed25519 key')]);
  need(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(name), 'operator: not 1–64 printable ASCII without a space at either end');
  return { name, key: own };
}

/** @typedef {{authority: Uint8Array, act: string, subject: Uint8Array, time: number|bigint}} Approval */

/**
 * @param {Approval} a authority is its Ed25519 key
 * @param {Uint8Array} secretKey Ed25519, of the operator
 * @returns {Uint8Array} the envelope
 */
export function signApproval(a, secretKey) {
  checkSubject(a.act, a.subject);
  const body = lp('milagro/v1 operator approval', key(a.authority, "authority's key"), text(a.act), a.subject, u64(a.time));
  return signEnvelope(body, secretKey);
}

/**
 * @param {Uint8Array} envelope
 * @param {Uint8Array} operatorKey
 * @param {number|bigint} [now] when given, the time must be within ±300 s
 * @returns {Approval}
 */
export function openApproval(envelope, operatorKey, now) {
  const [authority, act, subject, time] = readLP(
    openEnvelope(envelope, operatorKey, 'approval'), 'milagro/v1 operator approval',
    [read.id("authority's key"), field.text(16, 'act'), (p) => p, field.u64],
  );
  checkSubject(act, subject);
  if (now !== undefined) needTime(time, now, 300n, 'approval');
  return { authority, act, subject, time };
}
