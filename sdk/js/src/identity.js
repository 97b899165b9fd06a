// spec/identity.md: names, devices, domains, services, identity points. Epochs are in epochs.js.

import { p256 } from '@noble/curves/nist.js';
import { bytes, equal, H, lp, need, readText, Refused, text, toBigInt, u32, u64 } from './encoding.js';
import { decodeEpoch, encodeEpoch } from './epochs.js';
import { decodeG1, decodeG2, hashToG1 } from './groups.js';

// ---- names ----

/**
 * @param {string} domain
 * @returns {string} the domain name itself; any other spelling than the canonical one is refused
 */
export function parseDomainName(domain) {
  need(typeof domain === 'string', 'domain name: not a string');
  need(domain.length >= 1 && domain.length <= 253, 'domain name: not 1–253 bytes');
  for (const label of domain.split('.')) {
    need(label.length >= 1 && label.length <= 63, 'domain name: a label is not 1–63 bytes');
    need(/^[a-z0-9-]+$/.test(label), 'domain name: a character outside a-z 0-9 -');
    need(!label.startsWith('-') && !label.endsWith('-'), 'domain name: a label begins or ends with "-"');
  }
  return domain;
}

/**
 * @param {string} name `spiffe://DOMAIN/SEGMENT…` or `acct:USER@DOMAIN`
 * @returns {{name: string, domain: string, segments?: string[], user?: string}}
 */
export function parseName(name) {
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

/**
 * Whether a name lies in a domain, and in no other.
 * @param {string} name
 * @param {string} domain
 * @returns {boolean}
 */
export const liesIn = (name, domain) => parseName(name).domain === parseDomainName(domain);

// ---- devices ----

const SPKI_HEAD = Uint8Array.of(
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
  0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
);

/**
 * @param {Uint8Array} spki 91 bytes
 * @returns {Uint8Array} the 65 bytes 04 ‖ x ‖ y of a point on P-256
 */
export function parseDevice(spki) {
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
 * @param {Uint8Array} spki
 * @returns {Uint8Array} 32 bytes
 */
export function deviceHash(spki) {
  parseDevice(spki);
  return H(lp('milagro/v1 device', spki));
}

/**
 * Verifies a device signature; both s and n − s pass.
 * @param {Uint8Array} spki 91 bytes
 * @param {Uint8Array} digest 32 bytes, not hashed again
 * @param {Uint8Array} signature r ‖ s, 64 bytes
 * @returns {boolean}
 */
export function verifyDeviceSignature(spki, digest, signature) {
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
 * @param {string} domain domain name
 * @param {Uint8Array} mpk 96 bytes
 * @returns {Uint8Array} domainID, 32 bytes
 */
export function domainID(domain, mpk) {
  decodeG2(mpk, 'mpk');
  return H(lp('milagro/v1 domain', text(parseDomainName(domain)), mpk));
}

/**
 * @param {string} service
 * @returns {string} the service name itself
 */
export function parseServiceName(service) {
  need(typeof service === 'string', 'service name: not a string');
  need(/^[a-z0-9-]{1,64}$/.test(service), 'service name: not 1–64 of a-z 0-9 -');
  need(!service.startsWith('-') && !service.endsWith('-'), 'service name: begins or ends with "-"');
  return service;
}

/**
 * @param {string} origin
 * @returns {string} the origin itself
 */
export function parseOrigin(origin) {
  need(typeof origin === 'string', 'origin: not a string');
  need(origin.length <= 256, 'origin: longer than 256 bytes');
  need(/^https?:\/\/[a-z0-9.:[\]-]+$/.test(origin), 'origin: not http:// or https:// and a host');
  return origin;
}

/**
 * @param {Uint8Array} domain domainID
 * @param {string} service service name
 * @param {Uint8Array} X 48 bytes
 * @returns {Uint8Array} serviceID, 32 bytes
 */
export function serviceID(domain, service, X) {
  bytes(domain, 'domainID', 32);
  decodeG1(X, 'X');
  return H(lp('milagro/v1 mpin service', domain, text(parseServiceName(service)), X));
}

const CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const HRP = 'milagro';
const BECH32M = 0x2bc830a3;

function polymod(values) {
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
 * @param {Uint8Array} id domainID, 32 bytes
 * @returns {string} its fingerprint, bech32m
 */
export function formatFingerprint(id) {
  const all = toBigInt(bytes(id, 'domainID', 32)) << 4n; // 256 bits and 4 of padding: 52 values
  const data = Array.from({ length: 52 }, (_, i) => Number((all >> BigInt(5 * (51 - i))) & 31n));
  const check = polymod([...HRP_VALUES, ...data, 0, 0, 0, 0, 0, 0]) ^ BECH32M;
  const sum = Array.from({ length: 6 }, (_, i) => (check >>> (5 * (5 - i))) & 31);
  return `${HRP}1${[...data, ...sum].map((v) => CHARSET[v]).join('')}`;
}

/**
 * @param {string} s a fingerprint, whole and in lower case
 * @returns {Uint8Array} domainID, 32 bytes
 */
export function parseFingerprint(s) {
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

const nameBytes = (v) => text(parseName(v).name);
const id = (v, what) => bytes(v, what, 32);
const epochBytes = (v) => encodeEpoch(v instanceof Uint8Array ? decodeEpoch(v) : v);

const POINTS = {
  channel: { domainID: id, name: nameBytes, device: id, epoch: epochBytes },
  decrypt: { domainID: id, name: nameBytes, epoch: epochBytes },
  document: { domainID: id, revision: u64, documentHash: id },
  fresh: { domainID: id, revision: u64, documentHash: id, day: u32 },
  mpin: { serviceID: id, name: nameBytes, device: id },
  permit: { serviceID: id, name: nameBytes, device: id, epoch: epochBytes },
  test: { hash: id, purpose: text },
};

/** The purposes, in the order of the page. */
export const PURPOSES = Object.freeze(Object.keys(POINTS));

/**
 * The LP string that is hashed to an identity point.
 * @param {string} purpose one of PURPOSES
 * @param {object} fields exactly those of the purpose, out of domainID, serviceID, name, device, epoch, revision,
 *   documentHash, day, hash, purpose
 * @returns {Uint8Array}
 */
export function identityMessage(purpose, fields) {
  need(PURPOSES.includes(purpose), `no purpose is named "${purpose}"`);
  const own = POINTS[purpose];
  for (const f of Object.keys(fields)) need(Object.hasOwn(own, f), `${purpose}: ${f} does not belong to its point`);
  const parts = Object.entries(own).map(([f, encode]) => {
    need(Object.hasOwn(fields, f), `${purpose}: ${f} is missing`);
    return encode(fields[f], f);
  });
  return lp(`milagro/v1 ${purpose}`, ...parts);
}

/**
 * The identity point of a purpose.
 * @param {string} purpose one of PURPOSES
 * @param {object} fields as for identityMessage
 */
export const identityPoint = (purpose, fields) => hashToG1(purpose.toUpperCase(), identityMessage(purpose, fields));

/** @param {Uint8Array} b @returns {string} a name that arrived as bytes */
export const readName = (b) => parseName(readText(b, 'name')).name;
