// Runs the cases of one file of spec/vectors: every one of them, or the test is red.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesToHex as hex } from '@noble/hashes/utils.js';
import { Refused } from '../dist/index.js';

export const DIR = new URL('../../../spec/vectors/', import.meta.url);

/** @param {string} name of a file, without .json @returns {{accept: object[], refuse: object[]}} */
export const readFile = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, DIR), 'utf8'));

export const same = (a, b) => assert.equal(a instanceof Uint8Array ? hex(a) : a, b);

// What a case is, where a file has several kinds.
function handlerOf(handlers, c) {
  if (typeof handlers === 'function') return handlers;
  assert.ok(Object.hasOwn(handlers, c.what), `unknown case "${c.what}"`);
  return handlers[c.what];
}

/**
 * @param {string} name of a file, without .json
 * @param {Function|Record<string, Function>} handlers (c, accept) => any checks one case: it throws Refused or returns false when the
 *   case must be refused. It may be async. By the case's "what", or one for all.
 */
export function runFile(name, handlers) {
  test(`vectors/${name}.json`, async (t) => {
    const { accept, refuse } = readFile(name);
    assert.ok(accept.length > 0 && refuse.length > 0, 'no cases');
    for (const [i, c] of accept.entries()) {
      await t.test(`accept ${i} ${c.what ?? c.purpose ?? ''}`, async () => {
        assert.notEqual(await handlerOf(handlers, c)(c, true), false, 'was refused');
      });
    }
    for (const [i, c] of refuse.entries()) {
      await t.test(`refuse ${i} ${c.what ?? c.purpose ?? ''}: ${c.reason}`, async () => {
        let result;
        try {
          result = await handlerOf(handlers, c)(c, false);
        } catch (e) {
          assert.ok(e instanceof Refused, `refused by accident: ${e.stack}`);
          return;
        }
        assert.equal(result, false, 'was accepted');
      });
    }
  });
}
