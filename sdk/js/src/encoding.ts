// spec/encoding.md: LP strings, integers, lists, text, base64, H.
//
// Readers refuse with a Refused error; nothing is ever repaired.

import { sha256 } from '@noble/hashes/sha2.js';

/** The longest part of an LP string or list, in bytes. */
export const MAX_PART = 2 ** 24;

/** Thrown for every input that the specification refuses; `message` says why. */
export class Refused extends Error {
  /** @param message what was wrong */
  constructor(message: string) {
    super(message);
    this.name = 'Refused';
  }
}

/** Reads one part of an LP string, or refuses it. */
export type Reader<T> = (part: Uint8Array) => T;

/** What readers return, one after another. */
export type Read<F extends readonly Reader<unknown>[]> = { -readonly [K in keyof F]: F[K] extends Reader<infer T> ? T : never };

/**
 * Throws Refused unless a condition holds.
 * @param message what was wrong when it does not hold
 */
export function need(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Refused(message);
}

/**
 * Insists on bytes, of an exact length if one is given.
 * @param what name of the field, for the error
 * @returns the value itself
 */
export function bytes(value: Uint8Array, what: string, length?: number): Uint8Array {
  need(value instanceof Uint8Array, `${what}: not bytes`);
  need(length === undefined || value.length === length, `${what}: ${value.length} bytes, not ${length}`);
  return value;
}

/** @returns the parts one after another */
export function concat(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** @returns whether both hold the same bytes, without an early exit */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let diff = 0;
  for (let i = 0; i < a.length; i++) diff |= a[i] ^ b[i];
  return diff === 0;
}

function unsigned(value: number | bigint, width: number, what: string): Uint8Array {
  need(typeof value === 'bigint' || Number.isSafeInteger(value), `${what}: not an exact integer`);
  let rest = BigInt(value);
  need(rest >= 0n && rest < 1n << BigInt(8 * width), `${what}: out of range for ${width} bytes`);
  const out = new Uint8Array(width);
  for (let i = width - 1; i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 255n);
  return out;
}

/** @returns 1 byte */
export const u8 = (value: number | bigint, what = 'u8'): Uint8Array => unsigned(value, 1, what);
/** @returns 4 bytes, big-endian */
export const u32 = (value: number | bigint, what = 'u32'): Uint8Array => unsigned(value, 4, what);
/** @returns 8 bytes, big-endian */
export const u64 = (value: number | bigint, what = 'u64'): Uint8Array => unsigned(value, 8, what);

/** @param b big-endian bytes */
export function toBigInt(b: Uint8Array): bigint {
  let n = 0n;
  for (const x of b) n = (n << 8n) | BigInt(x);
  return n;
}

/**
 * @param value a string without lone surrogates
 * @returns its UTF-8
 */
export function text(value: string, what = 'text'): Uint8Array {
  need(typeof value === 'string', `${what}: not a string`);
  need(value.isWellFormed(), `${what}: a lone surrogate has no UTF-8`);
  return new TextEncoder().encode(value);
}

/** @returns the text, when the bytes are exact UTF-8 (a byte order mark is kept as a character) */
export function readText(b: Uint8Array, what = 'text'): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b);
  } catch {
    throw new Refused(`${what}: not UTF-8`);
  }
}

function framed(parts: Uint8Array[]): Uint8Array {
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
 * @param label ASCII
 */
export function lp(label: string, ...parts: Uint8Array[]): Uint8Array {
  need(typeof label === 'string' && /^[\x20-\x7e]+$/.test(label), 'label: not ASCII');
  return framed([text(label), ...parts]);
}

/** List(p1, …, pk), to be put as one part into an LP string. */
export const list = (...parts: Uint8Array[]): Uint8Array => framed(parts);

function unframe(b: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
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

/** Reads a list part. */
export const readList = (b: Uint8Array): Uint8Array[] => unframe(bytes(b, 'list'));

/**
 * Reads an LP string into its parts, each checked by its field (see `field`).
 * @param b the bytes that arrived
 * @param label the only label accepted
 * @param fields one reader for each part
 * @returns what the fields returned
 */
export function readLP<const F extends readonly Reader<unknown>[]>(b: Uint8Array, label: string, fields: F): Read<F> {
  const [first, ...parts] = unframe(bytes(b, 'LP string'));
  need(first !== undefined && equal(first, text(label)), `another label than "${label}"`);
  need(parts.length === fields.length, `${parts.length} parts, not ${fields.length}`);
  return parts.map((p, i) => fields[i](p)) as Read<F>;
}

function fixed(width: number, what: string): Reader<Uint8Array> {
  return (p) => bytes(p, what, width);
}

/** Readers of one part, for readLP. */
export const field = {
  /** Exactly n bytes. */
  bytes: (n: number, what = 'field'): Reader<Uint8Array> => fixed(n, what),
  /** At most n bytes. */
  upTo: (n: number, what = 'field') => (p: Uint8Array): Uint8Array => {
    need(p.length <= n, `${what}: ${p.length} bytes, more than ${n}`);
    return p;
  },
  /** UTF-8 of at most n bytes. */
  text: (n: number = MAX_PART, what = 'text') => (p: Uint8Array): string => readText(field.upTo(n, what)(p), what),
  /** One byte, as a number. */
  u8: (p: Uint8Array): number => Number(toBigInt(fixed(1, 'u8')(p))),
  /** Four bytes, as a number. */
  u32: (p: Uint8Array): number => Number(toBigInt(fixed(4, 'u32')(p))),
  /** Eight bytes, as a bigint. */
  u64: (p: Uint8Array): bigint => toBigInt(fixed(8, 'u64')(p)),
  /** A list whose parts are read by another field. */
  list: <T>(of: Reader<T>) => (p: Uint8Array): T[] => readList(p).map((x) => of(x)),
  /** null for a part of length 0, else another field. */
  optional: <T>(of: Reader<T>) => (p: Uint8Array): T | null => (p.length === 0 ? null : of(p)),
};

/** @returns standard base64 with padding */
export const base64 = (b: Uint8Array): string => btoa(Array.from(b, (x) => String.fromCharCode(x)).join(''));

/** Reads standard base64 with padding; another alphabet, white space, missing padding and unused bits that are not 0 are refused. */
export function readBase64(s: unknown, what = 'base64'): Uint8Array {
  need(typeof s === 'string', `${what}: not a string`);
  need(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(s), `${what}: not base64 with padding`);
  const out = Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
  need(base64(out) === s, `${what}: unused bits are not 0`);
  return out;
}

/**
 * H(x): SHA-256.
 * @returns 32 bytes
 */
export const H = (x: Uint8Array): Uint8Array => sha256(x);
