// Runs the cases of one file of spec/vectors.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesToHex as hex } from '@noble/hashes/utils.js';
import { Refused } from '../dist/index.js';

export const DIR = new URL('../../../spec/vectors/', import.meta.url);

/** @param {string} name of a file, without .json @returns {{accept: object[], refuse: object[]}} */
export const readFile = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, DIR), 'utf8'));

export const same = (a, b) => assert.equal(a instanceof Uint8Array ? hex(a) : a, b);

/**
 * @param {string} name of a file, without .json
 * @param {(c: object, accept: boolean) => any} handler checks one case: it throws Refused or returns false when the case must be
 *   refused. It may be async.
 * @param {(c: object) => boolean} [of] which cases; all without it
 */
export function runFile(name, handler, of = () => true) {
  test(`vectors/${name}.json`, async (t) => {
    const file = readFile(name);
    const [accept, refuse] = [file.accept.filter(of), file.refuse.filter(of)];
    assert.ok(accept.length > 0 && refuse.length > 0, 'no cases');
    for (const [i, c] of accept.entries()) {
      await t.test(`accept ${i} ${c.what ?? c.purpose ?? ''}`, async () => {
        assert.notEqual(await handler(c, true), false, 'was refused');
      });
    }
    for (const [i, c] of refuse.entries()) {
      await t.test(`refuse ${i} ${c.what ?? c.purpose ?? ''}: ${c.reason}`, async () => {
        let result;
        try {
          result = await handler(c, false);
        } catch (e) {
          assert.ok(e instanceof Refused, `refused by accident: ${e.stack}`);
          return;
        }
        assert.equal(result, false, 'was accepted');
      });
    }
  });
}
