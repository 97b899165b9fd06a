// spec/mpin.md "Statement": what a login server says of an accepted login, a JWT (RFC 7519) of ES256.

import { p256 } from '@noble/curves/nist.js';
import { bytes, H, need, readBase64, readText, Refused, text } from './encoding.js';
import { channelKind } from './fields.js';
import { formatFingerprint, parseFingerprint, parseName, parseOrigin, parseServiceName } from './identity.js';

const LIFE = 300;
const SKEW = 30;
const AMR = ['pin', 'pop'];
const CLAIMS = ['iss', 'aud', 'sub', 'iat', 'exp', 'jti', 'auth_time', 'amr', 'milagro'];
const OWN = ['domain', 'service', 'device', 'channel_kind'];

/** What a statement says; others are ignored. Times are unix seconds. */
export interface Claims {
  iss: string;
  aud: string;
  sub: string;
  iat: number;
  exp: number;
  jti: string;
  auth_time: number;
  amr: string[];
  milagro: { domain: string, service: string, device: string, channel_kind: number };
}

/** Reads base64url without padding; unused bits that are not 0 are refused. */
export function readBase64url(s: unknown, what = 'base64url'): Uint8Array {
  need(typeof s === 'string' && /^[A-Za-z0-9_-]*$/.test(s) && s.length % 4 !== 1, `${what}: not base64url without padding`);
  const padded = s.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (s.length % 4)) % 4);
  return readBase64(padded, what);
}

const base64url = (b: Uint8Array): string => btoa(String.fromCharCode(...b)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

type Members = Record<string, unknown>;

const isObject = (v: unknown): v is Members => typeof v === 'object' && v !== null && !Array.isArray(v);

// Others are ignored.
function members(v: unknown, names: string[], what: string): Members {
  need(isObject(v), `${what}: not an object`);
  for (const n of names) need(Object.hasOwn(v, n), `${what}: ${n} is missing`);
  return v;
}

function readJSON(segment: string, what: string): unknown {
  const s = readText(readBase64url(segment, what), what);
  try {
    return JSON.parse(s);
  } catch {
    throw new Refused(`${what}: not JSON`);
  }
}

/**
 * A key of `GET /.well-known/jwks.json`.
 * @returns its RFC 7638 thumbprint, and 04 ‖ x ‖ y
 */
export function readJWK(jwk: unknown): { kid: string, key: Uint8Array } {
  need(isObject(jwk) && jwk.kty === 'EC' && jwk.crv === 'P-256', 'JWK: not a key of P-256');
  const [x, y] = ['x', 'y'].map((c) => bytes(readBase64url(jwk[c], `JWK: ${c}`), `JWK: ${c}`, 32));
  const key = Uint8Array.of(4, ...x, ...y);
  try {
    p256.Point.fromBytes(key).assertValidity();
  } catch {
    throw new Refused('JWK: no point of P-256');
  }
  const kid = base64url(H(text(`{"crv":"P-256","kty":"EC","x":"${jwk.x}","y":"${jwk.y}"}`)));
  need(jwk.kid === undefined || jwk.kid === kid, 'JWK: kid is not the thumbprint');
  return { kid, key };
}

const HEADER = ['alg', 'typ', 'kid'];

// Its kid.
function checkHeader(h: unknown): string {
  need(isObject(h), 'header: not an object');
  need(h.alg === 'ES256', 'header: alg is not ES256');
  need(h.typ === undefined || h.typ === 'JWT', 'header: another typ than JWT');
  for (const n of Object.keys(h)) need(HEADER.includes(n), `header: ${n} does not belong there`);
  need(typeof h.kid === 'string', 'header: kid is not a string');
  return h.kid;
}

// The key that a header names; others are ignored, whatever they are.
function findKey(jwks: unknown, kid: string): Uint8Array {
  need(isObject(jwks) && Array.isArray(jwks.keys), 'JWKS: no keys');
  const jwk = jwks.keys.find((k: unknown) => isObject(k) && k.kid === kid && k.use === 'sig' && k.alg === 'ES256');
  need(jwk, 'header: kid is of no key');
  return readJWK(jwk).key;
}

// The claims as the page has them, whoever asks.
function checkClaims(v: unknown): Claims {
  const c = members(v, CLAIMS, 'statement');
  need(c.iss === c.aud, 'statement: iss and aud differ');
  parseOrigin(c.iss as string);
  parseName(c.sub as string);
  need(typeof c.iat === 'number' && Number.isSafeInteger(c.iat) && c.iat >= 0, 'statement: iat is not a time');
  need(c.exp === c.iat + LIFE, 'statement: exp is not iat + 300');
  need(c.auth_time === c.iat, 'statement: auth_time is not iat');
  bytes(readBase64url(c.jti, 'jti'), 'jti', 16);
  need(Array.isArray(c.amr) && c.amr.length === 2 && c.amr.every((v, i) => v === AMR[i]), 'statement: amr is not ["pin","pop"]');
  const m = members(c.milagro, OWN, 'milagro');
  parseFingerprint(m.domain as string);
  parseServiceName(m.service as string);
  need(typeof m.device === 'string' && /^[0-9a-f]{64}$/.test(m.device), 'milagro: device is not 64 hex digits');
  channelKind(m.channel_kind as number);
  return v as Claims;
}

/** What the reader of a statement knows. */
export interface Expected {
  /** of the login server */
  jwks: { keys: object[] };
  origin: string;
  /** unix seconds; it may be 30 s off */
  now: number;
  domainID?: Uint8Array;
  service?: string;
}

/** Verifies a statement. */
export function verifyStatement(jwt: string, { jwks, origin, now, domainID, service }: Expected): Claims {
  need(typeof jwt === 'string', 'statement: not a string');
  const segments = jwt.split('.');
  need(segments.length === 3, `statement: ${segments.length} segments, not 3`);
  const [head, payload, sig] = segments;
  const header = readJSON(head, 'header');
  const key = findKey(jwks, checkHeader(header));
  const signature = bytes(readBase64url(sig, 'signature'), 'signature', 64);
  let good = false;
  try {
    good = p256.verify(signature, H(text(`${head}.${payload}`)), key, { prehash: false, lowS: false, format: 'compact' });
  } catch {
    // r or s out of range
  }
  need(good, 'statement: not signed by that key');
  const claims = checkClaims(readJSON(payload, 'statement'));
  need(claims.iss === parseOrigin(origin), 'statement: of another origin');
  need(claims.iat - SKEW <= now, 'statement: from the future');
  need(now < claims.exp + SKEW, 'statement: expired');
  if (domainID) need(claims.milagro.domain === formatFingerprint(domainID), 'statement: of another domain');
  if (service !== undefined) need(claims.milagro.service === service, 'statement: of another service');
  return claims;
}
