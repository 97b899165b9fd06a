// spec/enrolment.md: registrations, the evidence that they make, and invitations.

import { bytes, equal, field, H, lp, need, readLP, text } from './encoding.js';
import { openEnvelope } from './envelope.js';
import { read } from './fields.js';
import { parseDevice, parseOrigin } from './identity.js';
import { decodeEvidence, encodeEvidence } from './request.js';
import { readBase64url } from './statement.js';

const LIFE = 86400n;
const SKEW = 30n;
const AHEAD = 300n;

/** What a registration authority says: who may enrol which device, at one authority. */
export interface Registration {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  /** of the authority that it is for */
  index: number;
  name: string;
  device: Uint8Array;
  time: bigint;
  expiry: bigint;
  nonce: Uint8Array;
}

/** The request that a registration is shown with. */
export type Registered = Pick<Registration, 'domainID' | 'serviceID' | 'index' | 'name' | 'device'>;

/** @param key of the registration authority, Ed25519 */
export function openRegistration(envelope: Uint8Array, key: Uint8Array): Registration {
  const [domainID, serviceID, index, name, device, time, expiry, nonce] = readLP(
    openEnvelope(envelope, key, 'registration'), 'milagro/v1 registration', [
      read.id('domainID'), read.id('serviceID'), field.u32, read.name, read.device('device'), field.u64, field.u64, read.id('nonce'),
    ],
  );
  return { domainID, serviceID, index, name, device, time, expiry, nonce };
}

/**
 * Refuses a registration that is not for a request, or not good now. Whose it is and whether it was used, the authority knows.
 * @param now unix seconds
 */
export function checkRegistration(r: Registration, own: Registered, now: number | bigint): void {
  const same = equal(r.domainID, own.domainID) && equal(r.serviceID, own.serviceID) && r.index === own.index && r.name === own.name && equal(r.device, own.device);
  need(same, 'registration: for another request');
  need(r.time <= BigInt(now) + AHEAD, 'registration: from the future');
  need(r.expiry > r.time && r.expiry - r.time <= LIFE, 'registration: good for more than a day, or never');
  need(BigInt(now) < r.expiry + SKEW, 'registration: past');
}

/** @param code 8 digits that the authority mailed, or none */
export function encodeRegistered(registration: Uint8Array, code = ''): Uint8Array {
  return encodeEvidence('voucher', lp('milagro/v1 registered', registration, text(code)));
}

/** Reads the evidence of a registration. */
export function decodeRegistered(evidence: Uint8Array): { registration: Uint8Array, code: string } {
  const { kind, data } = decodeEvidence(evidence);
  need(kind === 'voucher', `evidence of kind "${kind}"`);
  const [registration, code] = readLP(data, 'milagro/v1 registered', [field.upTo(8192, 'registration'), field.text(8, 'code')]);
  need(/^(?:[0-9]{8})?$/.test(code), 'code: not 8 digits');
  return { registration, code };
}

/** Reads the link of an invitation. */
export function parseInvitation(link: string): { origin: string, token: string } {
  const at = link.indexOf('/enrol#');
  need(at >= 0, 'invitation: no link');
  const token = link.slice(at + '/enrol#'.length);
  invitationHash(token);
  return { origin: parseOrigin(link.slice(0, at)), token };
}

/**
 * What a login server stores of an invitation.
 * @param token 43 characters
 * @returns 32 bytes
 */
export const invitationHash = (token: string): Uint8Array =>
  H(lp('milagro/v1 invitation', bytes(readBase64url(token, 'invitation'), 'invitation', 32)));

/**
 * What a device signs to get its vouchers.
 * @returns the message whose SHA-256 is the enrol digest
 */
export function enrolMessage(token: string, serviceID: Uint8Array, spki: Uint8Array): Uint8Array {
  parseDevice(spki);
  return lp('milagro/v1 enrol', invitationHash(token), bytes(serviceID, 'serviceID', 32), spki);
}

/**
 * The words by which a person knows a device again in a mail.
 * @param device 32 bytes
 * @param words 256 of them
 */
export const deviceWords = (device: Uint8Array, words: readonly string[]): string[] =>
  Array.from(bytes(device, 'device', 32).subarray(0, 6), (b) => words[b]);
