// spec/issuance.md "Reply" and spec/mpin.md "Rows": statements of enrolment, and the rows that t of them make.

import { bytes, equal, field, H, list, lp, need, readLP, text, u32, u64, u8 } from './encoding.js';
import { openEnvelope, readEnvelope, signEnvelope } from './envelope.js';
import { authorityIndex, channelKind, device as checkDevice, generation as checkGeneration, needTime, read, write } from './fields.js';
import { deviceHash, liesIn, parseDevice, verifyDeviceSignature } from './identity.js';

const LABEL = 'milagro/v1 enrolment';
const ISSUED = ['channel', 'decrypt', 'mpin', 'permit'];
const ABSENT = new Uint8Array(0);

function checkPurpose({ purpose, serviceID, channelKind: kind }) {
  need(ISSUED.includes(purpose), `purpose "${purpose}": not issued`);
  const service = purpose === 'mpin' || purpose === 'permit';
  need(service === (serviceID !== null), `purpose ${purpose}: ${service ? 'without' : 'with'} a serviceID`);
  need(purpose === 'mpin' || kind === 0, `purpose ${purpose}: a channel kind`);
}

/**
 * @typedef {object} Enrolment
 * @property {Uint8Array} domainID
 * @property {Uint8Array} generation 40 bytes
 * @property {number} index
 * @property {string} purpose
 * @property {Uint8Array|null} serviceID of mpin and permit alone
 * @property {string} name
 * @property {Uint8Array} device 32 bytes
 * @property {number} channelKind
 * @property {number|bigint} time
 */

/**
 * @param {Enrolment} e
 * @param {Uint8Array} secretKey Ed25519, of the authority
 * @returns {Uint8Array} the signed statement
 */
export function signEnrolment(e, secretKey) {
  checkPurpose(e);
  const body = lp(
    LABEL, bytes(e.domainID, 'domainID', 32), checkGeneration(e.generation), u32(authorityIndex(e.index)), text(e.purpose),
    e.serviceID ? bytes(e.serviceID, 'serviceID', 32) : ABSENT, write.name(e.name), checkDevice(e.device),
    u8(channelKind(e.channelKind)), u64(e.time),
  );
  return signEnvelope(body, secretKey);
}

/**
 * @param {Uint8Array} body of a statement
 * @returns {Enrolment}
 */
export function decodeEnrolment(body) {
  const [domainID, generation, index, purpose, serviceID, name, device, kind, time] = readLP(body, LABEL, [
    read.id('domainID'), read.generation, read.index, field.text(16, 'purpose'), field.optional(read.id('serviceID')),
    read.name, read.device('device'), read.channelKind, field.u64,
  ]);
  const e = { domainID, generation, index, purpose, serviceID, name, device, channelKind: kind, time };
  checkPurpose(e);
  return e;
}

/**
 * @param {Uint8Array} statement the envelope
 * @param {Uint8Array} key Ed25519, of the authority
 * @returns {Enrolment}
 */
export const openEnrolment = (statement, key) => decodeEnrolment(openEnvelope(statement, key, 'statement'));

/**
 * What the device signs to show its statements.
 * @param {{domainID: Uint8Array, serviceID: Uint8Array, origin: string, spki: Uint8Array, time: number|bigint,
 *   statements: Uint8Array[]}} row statements by index
 * @returns {Uint8Array} the message whose SHA-256 is the row digest
 */
export function rowMessage({ domainID, serviceID, origin, spki, time, statements }) {
  parseDevice(spki);
  return lp(
    'milagro/v1 mpin row', bytes(domainID, 'domainID', 32), bytes(serviceID, 'serviceID', 32), write.origin(origin), spki,
    u64(time, 'time'), list(...statements),
  );
}

/** @param {Parameters<typeof rowMessage>[0]} row @returns {Uint8Array} 32 bytes */
export const rowDigest = (row) => H(rowMessage(row));

/**
 * @typedef {object} Service of the domain document, as a login server or an authority reads it
 * @property {string} domain its name
 * @property {Uint8Array} domainID
 * @property {Uint8Array} serviceID
 * @property {string} origin
 * @property {Uint8Array} generation 40 bytes, of the service
 * @property {Uint8Array[]} authorities the Ed25519 keys of 1 … n
 * @property {number} t
 */

function checkStatement(statement, service) {
  const { index } = decodeEnrolment(readEnvelope(statement).body);
  need(index <= service.authorities.length, `statement: there is no authority ${index}`);
  const e = openEnrolment(statement, service.authorities[index - 1]);
  need(e.purpose === 'mpin', `statement: of purpose ${e.purpose}`);
  need(equal(e.domainID, service.domainID), 'statement: of another domain');
  need(liesIn(e.name, service.domain), 'statement: of a name of another domain');
  need(e.serviceID !== null && equal(e.serviceID, service.serviceID), 'statement: of another service');
  need(equal(e.generation, service.generation), 'statement: of another generation');
  return e;
}

/**
 * Checks the request for a row.
 * @param {Service} service
 * @param {{spki: Uint8Array, time: number|bigint, statements: Uint8Array[], signature: Uint8Array}} request
 * @param {number|bigint} now unix seconds
 * @returns {{serviceID: Uint8Array, name: string, device: Uint8Array, channelKind: number}} the row
 */
export function checkRow(service, { spki, time, statements, signature }, now) {
  needTime(time, now, 300n, 'row');
  const digest = rowDigest({ ...service, spki, time, statements });
  need(verifyDeviceSignature(spki, digest, signature), 'row: the device did not sign');
  need(statements.length >= service.t, `row: ${statements.length} statements, not ${service.t}`);
  const device = deviceHash(spki);
  const all = statements.map((s) => checkStatement(s, service));
  const [first] = all;
  all.forEach((e, at) => {
    need(at === 0 || e.index > all[at - 1].index, 'row: statements are not by index, each once');
    need(equal(e.device, device), 'row: a statement of another device');
    need(e.name === first.name, 'row: statements of different names');
    need(e.channelKind === first.channelKind, 'row: statements of different channel kinds');
  });
  return { serviceID: service.serviceID, name: first.name, device, channelKind: first.channelKind };
}
