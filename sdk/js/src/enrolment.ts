// spec/issuance.md "Reply" and spec/mpin.md "Rows": statements of enrolment, and the rows that t of them make.

import { bytes, equal, field, H, list, lp, need, readLP, text, u32, u64, u8 } from './encoding.js';
import { openEnvelope, readEnvelope, signEnvelope } from './envelope.js';
import { authorityIndex, channelKind, device as checkDevice, generation as checkGeneration, needTime, read, write } from './fields.js';
import { deviceHash, liesIn, parseDevice, verifyDeviceSignature } from './identity.js';

const LABEL = 'milagro/v1 enrolment';
const ISSUED = ['channel', 'decrypt', 'mpin', 'permit'];
const ABSENT = new Uint8Array(0);

function checkPurpose({ purpose, serviceID, channelKind: kind }: Pick<Enrolment, 'purpose' | 'serviceID' | 'channelKind'>): void {
  need(ISSUED.includes(purpose), `purpose "${purpose}": not issued`);
  const service = purpose === 'mpin' || purpose === 'permit';
  need(service === (serviceID !== null), `purpose ${purpose}: ${service ? 'without' : 'with'} a serviceID`);
  need(purpose === 'mpin' || kind === 0, `purpose ${purpose}: a channel kind`);
}

export interface Enrolment {
  domainID: Uint8Array;
  /** 40 bytes */
  generation: Uint8Array;
  index: number;
  purpose: string;
  /** of mpin and permit alone */
  serviceID: Uint8Array | null;
  name: string;
  /** 32 bytes */
  device: Uint8Array;
  channelKind: number;
  time: number | bigint;
}

/**
 * @param secretKey Ed25519, of the authority
 * @returns the signed statement
 */
export function signEnrolment(e: Enrolment, secretKey: Uint8Array): Uint8Array {
  checkPurpose(e);
  const body = lp(
    LABEL, bytes(e.domainID, 'domainID', 32), checkGeneration(e.generation), u32(authorityIndex(e.index)), text(e.purpose),
    e.serviceID ? bytes(e.serviceID, 'serviceID', 32) : ABSENT, write.name(e.name), checkDevice(e.device),
    u8(channelKind(e.channelKind)), u64(e.time),
  );
  return signEnvelope(body, secretKey);
}

/** @param body of a statement */
export function decodeEnrolment(body: Uint8Array): Enrolment {
  const [domainID, generation, index, purpose, serviceID, name, device, kind, time] = readLP(body, LABEL, [
    read.id('domainID'), read.generation, read.index, field.text(16, 'purpose'), field.optional(read.id('serviceID')),
    read.name, read.device('device'), read.channelKind, field.u64,
  ]);
  const e = { domainID, generation, index, purpose, serviceID, name, device, channelKind: kind, time };
  checkPurpose(e);
  return e;
}

/**
 * @param statement the envelope
 * @param key Ed25519, of the authority
 */
export const openEnrolment = (statement: Uint8Array, key: Uint8Array): Enrolment => decodeEnrolment(openEnvelope(statement, key, 'statement'));

/** What a row is asked for with, and where. */
export interface RowAsked {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  origin: string;
  /** 91 bytes */
  spki: Uint8Array;
  time: number | bigint;
  /** by index */
  statements: Uint8Array[];
}

/** Who may log in at a service with which device. */
export interface Row {
  serviceID: Uint8Array;
  name: string;
  /** 32 bytes */
  device: Uint8Array;
  channelKind: number;
}

/**
 * What the device signs to show its statements.
 * @returns the message whose SHA-256 is the row digest
 */
export function rowMessage({ domainID, serviceID, origin, spki, time, statements }: RowAsked): Uint8Array {
  parseDevice(spki);
  return lp(
    'milagro/v1 mpin row', bytes(domainID, 'domainID', 32), bytes(serviceID, 'serviceID', 32), write.origin(origin), spki,
    u64(time, 'time'), list(...statements),
  );
}

/** @returns 32 bytes */
export const rowDigest = (row: Parameters<typeof rowMessage>[0]): Uint8Array => H(rowMessage(row));

/** Of the domain document, as a login server or an authority reads it. */
export interface Service {
  /** its name */
  domain: string;
  domainID: Uint8Array;
  serviceID: Uint8Array;
  origin: string;
  /** 40 bytes, of the service */
  generation: Uint8Array;
  /** the Ed25519 keys of 1 … n */
  authorities: Uint8Array[];
  t: number;
}

function checkStatement(statement: Uint8Array, service: Service): Enrolment {
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

/** A request for a row; signature is the device's. */
export type RowRequest = Pick<RowAsked, 'spki' | 'time' | 'statements'> & { signature: Uint8Array };

/**
 * Checks the request for a row.
 * @param now unix seconds
 */
export function checkRow(service: Service, { spki, time, statements, signature }: RowRequest, now: number | bigint): Row {
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
