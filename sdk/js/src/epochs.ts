// spec/identity.md "Epochs": epochs, schedules, and the highest epoch accepted.

import { bytes, concat, need, toBigInt, u32, u64 } from './encoding.js';

export type Epoch = { start: bigint, length: bigint };
export type Schedule = { length: bigint, previous?: { length: bigint, lastStart: bigint } };

const integer = (v: number | bigint, what: string): bigint => {
  need(typeof v === 'bigint' || Number.isSafeInteger(v), `${what}: not an exact integer`);
  return BigInt(v);
};

function checkLength(length: number | bigint, what: string): bigint {
  const n = integer(length, what);
  need(n >= 1n && n < 2n ** 31n, `${what}: not 1 … 2^31−1`);
  return n;
}

/**
 * @param start unix seconds
 * @param length seconds
 */
export function epoch(start: number | bigint, length: number | bigint): Epoch {
  const s = integer(start, 'epoch start');
  const n = checkLength(length, 'epoch length');
  need(s >= 0n && s + n < 2n ** 63n, 'epoch: start + length is not in 0 … 2^63−1');
  need(s % n === 0n, 'epoch: start is not a multiple of length');
  return { start: s, length: n };
}

/** @returns 12 bytes */
export function encodeEpoch(e: Epoch): Uint8Array {
  const { start, length } = epoch(e.start, e.length);
  return concat(u64(start), u32(length));
}

/** @param b 12 bytes */
export function decodeEpoch(b: Uint8Array): Epoch {
  bytes(b, 'epoch', 12);
  return epoch(toBigInt(b.subarray(0, 8)), toBigInt(b.subarray(8)));
}

/**
 * Whether an epoch is accepted at a time.
 * @param now unix seconds
 */
export function acceptedAt(e: Epoch, now: number | bigint): boolean {
  const { start, length } = epoch(e.start, e.length);
  const skew = length < 300n ? length : 300n;
  const t = integer(now, 'now');
  return start - skew <= t && t <= start + length + skew;
}

/**
 * Checks a schedule: a change happens at a multiple of both lengths.
 * @param length the length in force
 * @param previous after a change
 */
export function schedule(length: number | bigint, previous?: { length: number | bigint, lastStart: number | bigint }): Schedule {
  const n = checkLength(length, 'length in force');
  if (!previous) return { length: n };
  const last = epoch(previous.lastStart, checkLength(previous.length, 'previous length'));
  need((last.start + last.length) % n === 0n, 'schedule: the change is not at a multiple of both lengths');
  return { length: n, previous: { length: last.length, lastStart: last.start } };
}

/** Whether a schedule admits an epoch. */
export function admits(s: Schedule, e: Epoch): boolean {
  const { length, previous } = schedule(s.length, s.previous);
  const { start, length: own } = epoch(e.start, e.length);
  if (own === length && (!previous || start >= previous.lastStart + previous.length)) return true;
  return previous !== undefined && own === previous.length && start <= previous.lastStart;
}

/**
 * @param now unix seconds
 * @returns the epoch of the schedule that contains now
 */
export function currentEpoch(s: Schedule, now: number | bigint): Epoch {
  const { length, previous } = schedule(s.length, s.previous);
  const t = integer(now, 'now');
  need(t >= 0n, 'now: before 1970');
  const n = previous && t < previous.lastStart + previous.length ? previous.length : length;
  return epoch(t - (t % n), n);
}

/**
 * The epochs that an authority issues at a time: the current, and the next one in the last quarter (permit: at any time).
 * @param now unix seconds
 */
export function issuableEpochs(s: Schedule, purpose: string, now: number | bigint): Epoch[] {
  const current = currentEpoch(s, now);
  const end = current.start + current.length;
  const inLastQuarter = 4n * (end - integer(now, 'now')) <= current.length;
  return purpose === 'permit' || inLastQuarter ? [current, currentEpoch(s, end)] : [current];
}

/** The highest epoch accepted for one domain and purpose. The caller keeps `highest` across restarts. */
export class Watermark {
  highest: Epoch | null;

  /** @param highest as it was kept */
  constructor(highest: Epoch | null = null) {
    this.highest = highest && epoch(highest.start, highest.length);
  }

  /** @returns false iff it ended before the highest one began */
  admits(e: Epoch): boolean {
    const { start, length } = epoch(e.start, e.length);
    return this.highest === null || start + length >= this.highest.start;
  }

  /** Records an epoch that was accepted by every other check. */
  accept(e: Epoch) {
    need(this.admits(e), 'epoch: ended before the highest accepted one began');
    if (this.highest === null || e.start > this.highest.start) this.highest = epoch(e.start, e.length);
  }
}
