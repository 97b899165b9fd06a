// Readers and writers of fields that several messages share.

import { bytes, equal, field, need, readList, Refused, text } from './encoding.js';
import type { Read, Reader } from './encoding.js';
import { decodeEpoch, encodeEpoch } from './epochs.js';
import type { Epoch } from './epochs.js';
import { parseOrigin, parseServiceName, readName } from './identity.js';
import { decodeGeneration } from './shares.js';

const ZEROS = new Uint8Array(32);

/**
 * @param epoch an Epoch or its 12 bytes
 * @returns 12 bytes
 */
export const epochBytes = (epoch: Epoch | Uint8Array): Uint8Array => encodeEpoch(epoch instanceof Uint8Array ? decodeEpoch(epoch) : epoch);

/**
 * @param i an authority's index
 * @returns the index itself
 */
export function authorityIndex(i: number): number {
  need(Number.isSafeInteger(i) && i >= 1 && i <= 16, `index ${i}: not 1–16`);
  return i;
}

/**
 * @param b 40 bytes
 * @returns the same, checked
 */
export function generation(b: Uint8Array): Uint8Array {
  decodeGeneration(b);
  return b;
}

/**
 * @param device 32 bytes
 * @returns the same; all zero is refused
 */
export function device(device: Uint8Array, what = 'device'): Uint8Array {
  bytes(device, what, 32);
  need(!equal(device, ZEROS), `${what}: all zero`);
  return device;
}

/** @returns 0 or 1 */
export function channelKind(kind: number): number {
  need(kind === 0 || kind === 1, `channel kind ${kind}: neither 0 nor 1`);
  return kind;
}

/** Readers of one part, for readLP, beside those of `field`. */
export const read = {
  id: (what: string) => field.bytes(32, what),
  generation: (p: Uint8Array) => generation(bytes(p, 'generation', 40)),
  index: (p: Uint8Array) => authorityIndex(field.u32(p)),
  name: (p: Uint8Array) => readName(p),
  service: (p: Uint8Array) => parseServiceName(field.text(64, 'service name')(p)),
  origin: (p: Uint8Array) => parseOrigin(field.text(256, 'origin')(p)),
  device: (what: string) => (p: Uint8Array) => device(p, what),
  channelKind: (p: Uint8Array) => channelKind(field.u8(p)),
  epoch: (p: Uint8Array) => epochBytes(p),
};

/** Writers of one part that check what they write. */
export const write = {
  name: (v: string) => {
    const b = text(v, 'name');
    readName(b);
    return b;
  },
  service: (v: string) => text(parseServiceName(v)),
  origin: (v: string) => text(parseOrigin(v)),
};

/**
 * @param time unix seconds
 * @param now unix seconds
 * @param back how old it may be
 * @param ahead how far ahead it may be
 */
export function needTime(time: number | bigint, now: number | bigint, back: number | bigint, what: string, ahead: number | bigint = 300n) {
  const age = BigInt(now) - BigInt(time);
  need(age <= BigInt(back), `${what}: ${age} s old`);
  need(-age <= BigInt(ahead), `${what}: ${-age} s ahead`);
}

/** @returns false when it returns false or refuses */
export function holds(check: () => boolean | void): boolean {
  try {
    return check() !== false;
  } catch (e) {
    if (e instanceof Refused) return false;
    throw e;
  }
}

/** Reads a list whose parts are of different fields. */
export function record<const F extends readonly Reader<unknown>[]>(b: Uint8Array, fields: F, what: string): Read<F> {
  const parts = readList(b);
  need(parts.length === fields.length, `${what}: ${parts.length} parts, not ${fields.length}`);
  return parts.map((p, i) => fields[i](p)) as Read<F>;
}

/** A field of printable ASCII, without a space at either end. */
export function printable(what: string, most = 64): Reader<string> {
  return (p) => {
    const s = field.text(most, what)(p);
    need(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(s), `${what}: not printable ASCII without a space at either end`);
    return s;
  };
}

/** A URL as it stands on a card. */
export function url(p: Uint8Array): string {
  const s = field.text(256, 'url')(p);
  need(/^https?:\/\/[A-Za-z0-9._~:[\]-]+(?:\/[A-Za-z0-9._~:/[\]-]+)?$/.test(s) && !s.endsWith('/'), 'url: not one');
  return s;
}

/** Refuses what stands twice. */
export function different(values: (string | Uint8Array)[], what: string): void {
  const all = values.map((v) => (v instanceof Uint8Array ? v.join() : v));
  need(new Set(all).size === all.length, `${what}: twice the same`);
}

/** Refuses what is not in strictly ascending order. */
export function ascending(values: (string | number)[], what: string): void {
  values.forEach((v, i) => need(i === 0 || values[i - 1] < v, `${what}: not in ascending order`));
}
