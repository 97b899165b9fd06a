// spec/issuance.md "One-time code": INDEX-XXXX-XXXX-XXXX-XXXX-CC.

import { bytes, H, lp, need, toBigInt, u32 } from './encoding.js';
import { authorityIndex } from './fields.js';

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const SAME: Record<string, string> = { O: '0', I: '1', L: '1' };

/** What a code says. */
export interface Code {
  /** of the authority that made it */
  index: number;
  /** 10 bytes */
  random: Uint8Array;
}

// The first 10 bits, as a number.
const check = ({ index, random }: Code): number =>
  Number(toBigInt(H(lp('milagro/v1 code check', u32(index), random)).subarray(0, 2)) >> 6n);

/** @returns the canonical text, which is evidence */
export function formatCode({ index, random }: Code): string {
  const all = (toBigInt(bytes(random, 'code', 10)) << 10n) | BigInt(check({ index: authorityIndex(index), random }));
  const digits = Array.from({ length: 18 }, (_, i) => DIGITS[Number((all >> BigInt(5 * (17 - i))) & 31n)]).join('');
  return [index, ...(digits.match(/.{1,4}/g) ?? [])].join('-');
}

/** Reads what a person typed: in lower case too, with O for 0, I and L for 1, and with its dashes or without. */
export function parseCode(typed: string): Code {
  const found = /^([1-9][0-9]?)-([0-9A-Za-z-]+)$/.exec(typed);
  need(found, 'code: no INDEX and digits');
  const digits = [...found[2].replaceAll('-', '').toUpperCase()].map((d) => DIGITS.indexOf(SAME[d] ?? d));
  need(digits.length === 18, `code: ${digits.length} characters, not 18`);
  need(!digits.includes(-1), 'code: a character that is no digit');
  const all = digits.reduce((n, d) => (n << 5n) | BigInt(d), 0n);
  const code = { index: authorityIndex(Number(found[1])), random: Uint8Array.from({ length: 10 }, (_, i) => Number((all >> BigInt(10 + 8 * (9 - i))) & 255n)) };
  need(Number(all & 1023n) === check(code), 'code: mistyped');
  return code;
}

/**
 * What an authority stores of a code.
 * @returns 32 bytes
 */
export const codeHash = ({ index, random }: Code): Uint8Array => H(lp('milagro/v1 code', u32(authorityIndex(index)), bytes(random, 'code', 10)));
