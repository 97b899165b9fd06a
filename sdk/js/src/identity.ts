// spec/identity.md: names, devices, domains, services, identity points. Epochs are in epochs.js.

import { p256 } from '@noble/curves/nist.js';
import { bytes, equal, H, lp, need, readText, Refused, text, toBigInt, u32, u64 } from './encoding.js';
import type { Epoch } from './epochs.js';
import { decodeEpoch, encodeEpoch } from './epochs.js';
import type { G1 } from './groups.js';
import { decodeG1, decodeG2, hashToG1 } from './groups.js';

// ---- names ----

/** @returns the domain name itself; any other spelling than the canonical one is refused */
export function parseDomainName(domain: string): string {
  need(typeof domain === 'string', 'domain name: not a string');
  need(domain.length >= 1 && domain.length <= 253, 'domain name: not 1–253 bytes');
  for (const label of domain.split('.')) {
    need(label.length >= 1 && label.length <= 63, 'domain name: a label is not 1–63 bytes');
    need(/^[a-z0-9-]+$/.test(label), 'domain name: a character outside a-z 0-9 -');
    need(!label.startsWith('-') && !label.endsWith('-'), 'domain name: a label begins or ends with "-"');
  }
  return domain;
}

/** @param name `spiffe://DOMAIN/SEGMENT…` or `acct:USER@DOMAIN` */
export function parseName(name: string): { name: string, domain: string, segments?: string[], user?: string } {
  need(typeof name === 'string', 'name: not a string');
  need(text(name, 'name').length <= 2048, 'name: longer than 2048 bytes');
  if (name.startsWith('spiffe://')) {
    const [domain, ...segments] = name.slice('spiffe://'.length).split('/');
    parseDomainName(domain);
    need(segments.length >= 1, 'name: no path');
    for (const s of segments) {
      need(/^[A-Za-z0-9._-]+$/.test(s), 'name: a segment is empty or has a character outside A-Z a-z 0-9 . _ -');
      need(s !== '.' && s !== '..', 'name: a segment is "." or ".."');
    }
    return { name, domain, segments };
  }
  need(name.startsWith('acct:'), 'name: neither spiffe:// nor acct:');
  const at = name.indexOf('@');
  need(at >= 0, 'name: no "@"');
  const user = name.slice('acct:'.length, at);
  need(user.length >= 1 && user.length <= 64, 'name: the user is not 1–64 bytes');
  need(/^[a-z0-9._+-]+$/.test(user), 'name: the user has a character outside a-z 0-9 . _ + -');
  need(!user.startsWith('.') && !user.endsWith('.') && !user.includes('..'), 'name: a "." of the user in a wrong place');
  return { name, domain: parseDomainName(name.slice(at + 1)), user };
}

/** Whether a name lies in a domain, and in no other. */
export const liesIn = (name: string, domain: string): boolean => parseName(name).domain === parseDomainName(domain);

// ---- devices ----

const SPKI_HEAD = Uint8Array.of(
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
  0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
);

/**
 * @param spki 91 bytes
 * @returns the 65 bytes 04 ‖ x ‖ y of a point on P-256
 */
export function parseDevice(spki: Uint8Array): Uint8Array {
  bytes(spki, 'device key', 91);
  need(equal(spki.subarray(0, 26), SPKI_HEAD), 'device key: not the SubjectPublicKeyInfo of P-256');
  need(spki[26] === 4, 'device key: not an uncompressed point');
  const key = spki.slice(26);
  try {
    p256.Point.fromBytes(key).assertValidity();
  } catch {
    throw new Refused('device key: no point of P-256');
  }
  return key;
}

/**
 * device = H(LP("milagro/v1 device", SPKI)).
 * @returns 32 bytes
 */
export function deviceHash(spki: Uint8Array): Uint8Array {
  parseDevice(spki);
  return H(lp('milagro/v1 device', spki));
}

/**
 * Verifies a device signature; both s and n − s pass.
 * @param spki 91 bytes
 * @param digest 32 bytes, not hashed again
 * @param signature r ‖ s, 64 bytes
 */
export function verifyDeviceSignature(spki: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  const key = parseDevice(spki);
  bytes(digest, 'digest', 32);
  if (!(signature instanceof Uint8Array) || signature.length !== 64) return false;
  try {
    return p256.verify(signature, digest, key, { prehash: false, lowS: false, format: 'compact' });
  } catch {
    return false; // r or s out of range
  }
}

// ---- domains and services ----

/**
 * @param domain domain name
 * @param mpk 96 bytes
 * @returns domainID, 32 bytes
 */
export function domainID(domain: string, mpk: Uint8Array): Uint8Array {
  decodeG2(mpk, 'mpk');
  return H(lp('milagro/v1 domain', text(parseDomainName(domain)), mpk));
}

/** @returns the service name itself */
export function parseServiceName(service: string): string {
  need(typeof service === 'string', 'service name: not a string');
  need(/^[a-z0-9-]{1,64}$/.test(service), 'service name: not 1–64 of a-z 0-9 -');
  need(!service.startsWith('-') && !service.endsWith('-'), 'service name: begins or ends with "-"');
  return service;
}

/** @returns the origin itself */
export function parseOrigin(origin: string): string {
  need(typeof origin === 'string', 'origin: not a string');
  need(origin.length <= 256, 'origin: longer than 256 bytes');
  need(/^https?:\/\/[a-z0-9.:[\]-]+$/.test(origin), 'origin: not http:// or https:// and a host');
  return origin;
}

/**
 * @param domain domainID
 * @param service service name
 * @param X 48 bytes
 * @returns serviceID, 32 bytes
 */
export function serviceID(domain: Uint8Array, service: string, X: Uint8Array): Uint8Array {
  bytes(domain, 'domainID', 32);
  decodeG1(X, 'X');
  return H(lp('milagro/v1 mpin service', domain, text(parseServiceName(service)), X));
}

const CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const HRP = 'milagro';
const BECH32M = 0x2bc830a3;

function polymod(values: number[]): number {
  let c = 1;
  for (const v of values) {
    const top = c >>> 25;
    c = ((c & 0x1ffffff) << 5) ^ v;
    [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].forEach((g, i) => {
      if ((top >>> i) & 1) c ^= g;
    });
  }
  return c;
}

const HRP_VALUES = [...[...HRP].map((ch) => ch.charCodeAt(0) >> 5), 0, ...[...HRP].map((ch) => ch.charCodeAt(0) & 31)];

/**
 * @param id domainID, 32 bytes
 * @returns its fingerprint, bech32m
 */
export function formatFingerprint(id: Uint8Array): string {
  const all = toBigInt(bytes(id, 'domainID', 32)) << 4n; // 256 bits and 4 of padding: 52 values
  const data = Array.from({ length: 52 }, (_, i) => Number((all >> BigInt(5 * (51 - i))) & 31n));
  const check = polymod([...HRP_VALUES, ...data, 0, 0, 0, 0, 0, 0]) ^ BECH32M;
  const sum = Array.from({ length: 6 }, (_, i) => (check >>> (5 * (5 - i))) & 31);
  return `${HRP}1${[...data, ...sum].map((v) => CHARSET[v]).join('')}`;
}

/**
 * @param s a fingerprint, whole and in lower case
 * @returns domainID, 32 bytes
 */
export function parseFingerprint(s: string): Uint8Array {
  need(typeof s === 'string', 'fingerprint: not a string');
  need(s.startsWith(`${HRP}1`), `fingerprint: does not begin with "${HRP}1"`);
  const values = [...s.slice(HRP.length + 1)].map((ch) => CHARSET.indexOf(ch));
  need(!values.includes(-1), 'fingerprint: a character outside the lower-case bech32 alphabet');
  need(values.length === 58, `fingerprint: ${values.length} characters after "${HRP}1", not 58`);
  need(polymod([...HRP_VALUES, ...values]) === BECH32M, 'fingerprint: wrong checksum');
  const all = values.slice(0, 52).reduce((n, v) => (n << 5n) | BigInt(v), 0n);
  need((all & 15n) === 0n, 'fingerprint: padding is not 0');
  return Uint8Array.from({ length: 32 }, (_, i) => Number((all >> BigInt(4 + 8 * (31 - i))) & 255n));
}

// ---- identity points ----

const nameBytes = (v: string): Uint8Array => text(parseName(v).name);
const id = (v: Uint8Array, what: string): Uint8Array => bytes(v, what, 32);
const epochBytes = (v: Epoch | Uint8Array): Uint8Array => encodeEpoch(v instanceof Uint8Array ? decodeEpoch(v) : v);

/** What an identity point is for. */
export type Purpose = 'channel' | 'decrypt' | 'document' | 'fresh' | 'mpin' | 'permit' | 'test';

/** The fields of identity points: of each purpose its own. */
export interface PointFields {
  domainID?: Uint8Array;
  serviceID?: Uint8Array;
  name?: string;
  /** 32 bytes */
  device?: Uint8Array;
  epoch?: Epoch | Uint8Array;
  revision?: number | bigint;
  documentHash?: Uint8Array;
  day?: number | bigint;
  hash?: Uint8Array;
  purpose?: string;
}

type Encoders = { [F in keyof PointFields]?: (value: NonNullable<PointFields[F]>, what: string) => Uint8Array };

const POINTS: Record<Purpose, Encoders> = {
  channel: { domainID: id, name: nameBytes, device: id, epoch: epochBytes },
  decrypt: { domainID: id, name: nameBytes, epoch: epochBytes },
  document: { domainID: id, revision: u64, documentHash: id },
  fresh: { domainID: id, revision: u64, documentHash: id, day: u32 },
  mpin: { serviceID: id, name: nameBytes, device: id },
  permit: { serviceID: id, name: nameBytes, device: id, epoch: epochBytes },
  test: { hash: id, purpose: text },
};

/** The purposes, in the order of the page. */
export const PURPOSES = Object.freeze(Object.keys(POINTS) as Purpose[]);

/**
 * The LP string that is hashed to an identity point.
 * @param purpose one of PURPOSES
 * @param fields exactly those of the purpose, out of domainID, serviceID, name, device, epoch, revision, documentHash, day, hash,
 *   purpose
 */
export function identityMessage(purpose: Purpose, fields: PointFields): Uint8Array {
  need(PURPOSES.includes(purpose), `no purpose is named "${purpose}"`);
  const own = POINTS[purpose];
  for (const f of Object.keys(fields)) need(Object.hasOwn(own, f), `${purpose}: ${f} does not belong to its point`);
  const parts = Object.entries(own).map(([f, encode]) => {
    need(Object.hasOwn(fields, f), `${purpose}: ${f} is missing`);
    return (encode as (value: unknown, what: string) => Uint8Array)(fields[f as keyof PointFields], f);
  });
  return lp(`milagro/v1 ${purpose}`, ...parts);
}

/**
 * The identity point of a purpose.
 * @param purpose one of PURPOSES
 * @param fields as for identityMessage
 */
export const identityPoint = (purpose: Purpose, fields: PointFields): G1 => hashToG1(purpose.toUpperCase(), identityMessage(purpose, fields));

/** @returns a name that arrived as bytes */
export const readName = (b: Uint8Array): string => parseName(readText(b, 'name')).name;
