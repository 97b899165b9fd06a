// Readers and writers of fields that several messages share.

import { bytes, equal, field, need, Refused, text } from './encoding.js';
import { decodeEpoch, encodeEpoch } from './epochs.js';
import { parseOrigin, parseServiceName, readName } from './identity.js';
import { decodeGeneration } from './shares.js';

const ZEROS = new Uint8Array(32);

/** @param {any} epoch an Epoch or its 12 bytes @returns {Uint8Array} 12 bytes */
export const epochBytes = (epoch) => encodeEpoch(epoch instanceof Uint8Array ? decodeEpoch(epoch) : epoch);

/**
 * @param {number} i an authority's index
 * @returns {number} the index itself
 */
export function authorityIndex(i) {
  need(Number.isSafeInteger(i) && i >= 1 && i <= 16, `index ${i}: not 1–16`);
  return i;
}

/** @param {Uint8Array} b 40 bytes @returns {Uint8Array} the same, checked */
export function generation(b) {
  decodeGeneration(b);
  return b;
}

/**
 * @param {Uint8Array} device 32 bytes
 * @param {string} [what]
 * @returns {Uint8Array} the same; all zero is refused
 */
export function device(device, what = 'device') {
  bytes(device, what, 32);
  need(!equal(device, ZEROS), `${what}: all zero`);
  return device;
}

/**
 * @param {number} kind
 * @returns {number} 0 or 1
 */
export function channelKind(kind) {
  need(kind === 0 || kind === 1, `channel kind ${kind}: neither 0 nor 1`);
  return kind;
}

/** Readers of one part, for readLP, beside those of `field`. */
export const read = {
  id: (what) => field.bytes(32, what),
  generation: (p) => generation(bytes(p, 'generation', 40)),
  index: (p) => authorityIndex(field.u32(p)),
  name: (p) => readName(p),
  service: (p) => parseServiceName(field.text(64, 'service name')(p)),
  origin: (p) => parseOrigin(field.text(256, 'origin')(p)),
  device: (what) => (p) => device(p, what),
  channelKind: (p) => channelKind(field.u8(p)),
  epoch: (p) => epochBytes(p),
};

/** Writers of one part that check what they write. */
export const write = {
  name: (v) => {
    const b = text(v, 'name');
    readName(b);
    return b;
  },
  service: (v) => text(parseServiceName(v)),
  origin: (v) => text(parseOrigin(v)),
};

/**
 * @param {number|bigint} time unix seconds
 * @param {number|bigint} now unix seconds
 * @param {number|bigint} back how old it may be
 * @param {string} what
 * @param {number|bigint} [ahead] how far ahead it may be
 */
export function needTime(time, now, back, what, ahead = 300n) {
  const age = BigInt(now) - BigInt(time);
  need(age <= BigInt(back), `${what}: ${age} s old`);
  need(-age <= BigInt(ahead), `${what}: ${-age} s ahead`);
}

/**
 * @param {() => any} check
 * @returns {boolean} false when it returns false or refuses
 */
export function holds(check) {
  try {
    return check() !== false;
  } catch (e) {
    if (e instanceof Refused) return false;
    throw e;
  }
}
