// spec/encoding.md: LP strings, integers, lists, text, base64, H.
//
// Readers refuse with a Refused error; nothing is ever repaired.

import { sha256 } from '@noble/hashes/sha2.js';

/** The longest part of an LP string or list, in bytes. */
export const MAX_PART = 2 ** 24;

/** Thrown for every input that the specification refuses; `message` says why. */
export class Refused extends Error {
  /** @param {string} message what was wrong */
  constructor(message) {
    super(message);
    this.name = 'Refused';
  }
}

/**
 * Throws Refused unless a condition holds.
 * @param {unknown} condition
 * @param {string} message what was wrong when it does not hold
 * @returns {asserts condition}
 */
export function need(condition, message) {
  if (!condition) throw new Refused(message);
}

/**
 * Insists on bytes, of an exact length if one is given.
 * @param {Uint8Array} value
 * @param {string} what name of the field, for the error
 * @param {number} [length]
 * @returns {Uint8Array} the value itself
 */
export function bytes(value, what, length) {
  need(value instanceof Uint8Array, `${what}: not bytes`);
  need(length === undefined || value.length === length, `${what}: ${value.length} bytes, not ${length}`);
  return value;
}

/**
 * @param {...Uint8Array} parts
 * @returns {Uint8Array} the parts one after another
 */
export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 * @returns {boolean} whether both hold the same bytes, without an early exit
 */
export function equal(a, b) {
  if (a.length !== b.length) return false;
  let diff = 0;
  for (let i = 0; i < a.length; i++) diff |= a[i] ^ b[i];
  return diff === 0;
}

function unsigned(value, width, what) {
  need(typeof value === 'bigint' || Number.isSafeInteger(value), `${what}: not an exact integer`);
  let rest = BigInt(value);
  need(rest >= 0n && rest < 1n << BigInt(8 * width), `${what}: out of range for ${width} bytes`);
  const out = new Uint8Array(width);
  for (let i = width - 1; i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 255n);
  return out;
}

/** @param {number|bigint} value @param {string} [what] @returns {Uint8Array} 1 byte */
export const u8 = (value, what = 'u8') => unsigned(value, 1, what);
/** @param {number|bigint} value @param {string} [what] @returns {Uint8Array} 4 bytes, big-endian */
export const u32 = (value, what = 'u32') => unsigned(value, 4, what);
/** @param {number|bigint} value @param {string} [what] @returns {Uint8Array} 8 bytes, big-endian */
export const u64 = (value, what = 'u64') => unsigned(value, 8, what);

/**
 * @param {Uint8Array} b big-endian bytes
 * @returns {bigint}
 */
export function toBigInt(b) {
  let n = 0n;
  for (const x of b) n = (n << 8n) | BigInt(x);
  return n;
}

/**
 * @param {string} value a string without lone surrogates
 * @param {string} [what]
 * @returns {Uint8Array} its UTF-8
 */
export function text(value, what = 'text') {
  need(typeof value === 'string', `${what}: not a string`);
  need(value.isWellFormed(), `${what}: a lone surrogate has no UTF-8`);
  return new TextEncoder().encode(value);
}

/**
 * @param {Uint8Array} b
 * @param {string} [what]
 * @returns {string} the text, when the bytes are exact UTF-8 (a byte order mark is kept as a character)
 */
export function readText(b, what = 'text') {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b);
  } catch {
    throw new Refused(`${what}: not UTF-8`);
  }
}

function framed(parts) {
  return concat(
    ...parts.flatMap((p) => {
      bytes(p, 'part');
      need(p.length <= MAX_PART, `part of ${p.length} bytes: longer than 2^24`);
      return [u32(p.length), p];
    }),
  );
}

/**
 * LP(label, p1, …, pk).
 * @param {string} label ASCII
 * @param {...Uint8Array} parts
 * @returns {Uint8Array}
 */
export function lp(label, ...parts) {
  need(typeof label === 'string' && /^[\x20-\x7e]+$/.test(label), 'label: not ASCII');
  return framed([text(label), ...parts]);
}

/**
 * List(p1, …, pk), to be put as one part into an LP string.
 * @param {...Uint8Array} parts
 * @returns {Uint8Array}
 */
export const list = (...parts) => framed(parts);

function unframe(b) {
  const parts = [];
  for (let at = 0; at < b.length; ) {
    need(b.length - at >= 4, `${b.length - at} bytes after the last part`);
    const n = Number(toBigInt(b.subarray(at, at + 4)));
    need(n <= MAX_PART, `part of ${n} bytes: longer than 2^24`);
    need(n <= b.length - at - 4, `part of ${n} bytes, but only ${b.length - at - 4} follow`);
    parts.push(b.slice(at + 4, at + 4 + n));
    at += 4 + n;
  }
  return parts;
}

/**
 * Reads a list part.
 * @param {Uint8Array} b
 * @returns {Uint8Array[]}
 */
export const readList = (b) => unframe(bytes(b, 'list'));

/**
 * Reads an LP string into its parts, each checked by its field (see `field`).
 * @param {Uint8Array} b the bytes that arrived
 * @param {string} label the only label accepted
 * @param {((part: Uint8Array) => any)[]} fields one reader for each part
 * @returns {any[]} what the fields returned
 */
export function readLP(b, label, fields) {
  const [first, ...parts] = unframe(bytes(b, 'LP string'));
  need(first !== undefined && equal(first, text(label)), `another label than "${label}"`);
  need(parts.length === fields.length, `${parts.length} parts, not ${fields.length}`);
  return parts.map((p, i) => fields[i](p));
}

function fixed(width, what) {
  return (p) => bytes(p, what, width);
}

/** Readers of one part, for readLP. */
export const field = {
  /** Exactly n bytes. @param {number} n @param {string} [what] */
  bytes: (n, what = 'field') => fixed(n, what),
  /** At most n bytes. @param {number} n @param {string} [what] */
  upTo: (n, what = 'field') => (p) => {
    need(p.length <= n, `${what}: ${p.length} bytes, more than ${n}`);
    return p;
  },
  /** UTF-8 of at most n bytes. @param {number} [n] @param {string} [what] */
  text: (n = MAX_PART, what = 'text') => (p) => readText(field.upTo(n, what)(p), what),
  /** One byte, as a number. */
  u8: (p) => Number(toBigInt(fixed(1, 'u8')(p))),
  /** Four bytes, as a number. */
  u32: (p) => Number(toBigInt(fixed(4, 'u32')(p))),
  /** Eight bytes, as a bigint. */
  u64: (p) => toBigInt(fixed(8, 'u64')(p)),
  /** A list whose parts are read by another field. @param {(part: Uint8Array) => any} of */
  list: (of) => (p) => readList(p).map((x) => of(x)),
  /** null for a part of length 0, else another field. @param {(part: Uint8Array) => any} of */
  optional: (of) => (p) => (p.length === 0 ? null : of(p)),
};

/**
 * @param {Uint8Array} b
 * @returns {string} standard base64 with padding
 */
export const base64 = (b) => btoa(Array.from(b, (x) => String.fromCharCode(x)).join(''));

/**
 * Reads standard base64 with padding; another alphabet, white space, missing padding and unused bits that are not 0 are refused.
 * @param {string} s
 * @param {string} [what]
 * @returns {Uint8Array}
 */
export function readBase64(s, what = 'base64') {
  need(typeof s === 'string', `${what}: not a string`);
  need(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(s), `${what}: not base64 with padding`);
  const out = Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
  need(base64(out) === s, `${what}: unused bits are not 0`);
  return out;
}

/**
 * H(x): SHA-256.
 * @param {Uint8Array} x
 * @returns {Uint8Array} 32 bytes
 */
export const H = (x) => sha256(x);
