// spec/identity.md "Epochs": epochs, schedules, and the highest epoch accepted.

import { bytes, concat, need, toBigInt, u32, u64 } from './encoding.js';

/** @typedef {{start: bigint, length: bigint}} Epoch */
/** @typedef {{length: bigint, previous?: {length: bigint, lastStart: bigint}}} Schedule */

const integer = (v, what) => {
  need(typeof v === 'bigint' || Number.isSafeInteger(v), `${what}: not an exact integer`);
  return BigInt(v);
};

function checkLength(length, what) {
  const n = integer(length, what);
  need(n >= 1n && n < 2n ** 31n, `${what}: not 1 … 2^31−1`);
  return n;
}

/**
 * @param {number|bigint} start unix seconds
 * @param {number|bigint} length seconds
 * @returns {Epoch}
 */
export function epoch(start, length) {
  const s = integer(start, 'epoch start');
  const n = checkLength(length, 'epoch length');
  need(s >= 0n && s + n < 2n ** 63n, 'epoch: start + length is not in 0 … 2^63−1');
  need(s % n === 0n, 'epoch: start is not a multiple of length');
  return { start: s, length: n };
}

/**
 * @param {Epoch} e
 * @returns {Uint8Array} 12 bytes
 */
export function encodeEpoch(e) {
  const { start, length } = epoch(e.start, e.length);
  return concat(u64(start), u32(length));
}

/**
 * @param {Uint8Array} b 12 bytes
 * @returns {Epoch}
 */
export function decodeEpoch(b) {
  bytes(b, 'epoch', 12);
  return epoch(toBigInt(b.subarray(0, 8)), toBigInt(b.subarray(8)));
}

/**
 * Whether an epoch is accepted at a time.
 * @param {Epoch} e
 * @param {number|bigint} now unix seconds
 * @returns {boolean}
 */
export function acceptedAt(e, now) {
  const { start, length } = epoch(e.start, e.length);
  const skew = length < 300n ? length : 300n;
  const t = integer(now, 'now');
  return start - skew <= t && t <= start + length + skew;
}

/**
 * Checks a schedule: a change happens at a multiple of both lengths.
 * @param {number|bigint} length the length in force
 * @param {{length: number|bigint, lastStart: number|bigint}} [previous] after a change
 * @returns {Schedule}
 */
export function schedule(length, previous) {
  const n = checkLength(length, 'length in force');
  if (!previous) return { length: n };
  const last = epoch(previous.lastStart, checkLength(previous.length, 'previous length'));
  need((last.start + last.length) % n === 0n, 'schedule: the change is not at a multiple of both lengths');
  return { length: n, previous: { length: last.length, lastStart: last.start } };
}

/**
 * Whether a schedule admits an epoch.
 * @param {Schedule} s
 * @param {Epoch} e
 * @returns {boolean}
 */
export function admits(s, e) {
  const { length, previous } = schedule(s.length, s.previous);
  const { start, length: own } = epoch(e.start, e.length);
  if (own === length && (!previous || start >= previous.lastStart + previous.length)) return true;
  return previous !== undefined && own === previous.length && start <= previous.lastStart;
}

/**
 * @param {Schedule} s
 * @param {number|bigint} now unix seconds
 * @returns {Epoch} the epoch of the schedule that contains now
 */
export function currentEpoch(s, now) {
  const { length, previous } = schedule(s.length, s.previous);
  const t = integer(now, 'now');
  need(t >= 0n, 'now: before 1970');
  const n = previous && t < previous.lastStart + previous.length ? previous.length : length;
  return epoch(t - (t % n), n);
}

/**
 * The epochs that an authority issues at a time: the current, and the next one in the last quarter (permit: at any time).
 * @param {Schedule} s
 * @param {string} purpose
 * @param {number|bigint} now unix seconds
 * @returns {Epoch[]}
 */
export function issuableEpochs(s, purpose, now) {
  const current = currentEpoch(s, now);
  const end = current.start + current.length;
  const inLastQuarter = 4n * (end - integer(now, 'now')) <= current.length;
  return purpose === 'permit' || inLastQuarter ? [current, currentEpoch(s, end)] : [current];
}

/** The highest epoch accepted for one domain and purpose. The caller keeps `highest` across restarts. */
export class Watermark {
  /** @param {Epoch|null} [highest] as it was kept */
  constructor(highest = null) {
    this.highest = highest && epoch(highest.start, highest.length);
  }

  /**
   * @param {Epoch} e
   * @returns {boolean} false iff it ended before the highest one began
   */
  admits(e) {
    const { start, length } = epoch(e.start, e.length);
    return this.highest === null || start + length >= this.highest.start;
  }

  /**
   * Records an epoch that was accepted by every other check.
   * @param {Epoch} e
   */
  accept(e) {
    need(this.admits(e), 'epoch: ended before the highest accepted one began');
    if (this.highest === null || e.start > this.highest.start) this.highest = epoch(e.start, e.length);
  }
}
