// Runs spec/vectors/idtls.json: bindings by themselves, and whole leaves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexToBytes as unhex } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { signWith } from '../dist/ibs.js';
import { readFile, runFile, same } from '../testing/vectors.js';

// Which check refuses a binding by itself, if any.
function judge(c) {
  let b;
  try {
    b = m.readBinding(unhex(c.binding));
  } catch (e) {
    assert.ok(e instanceof m.Refused, e.stack);
    return 'binding';
  }
  if (b.suite !== 1) return 'suite';
  return m.verifyBinding(b, unhex(c.spki), unhex(c.master)) ? undefined : 'signature';
}

function binding(c, accept) {
  same(String(judge(c)), String(accept ? undefined : c.check));
  if (!accept) return false;
  const b = m.readBinding(unhex(c.binding));
  same(Uint8Array.of(b.suite), c.suite);
  same(Uint8Array.of(b.usage), c.usage);
  same(m.u64(b.notBefore), c.notBefore);
  same(m.u64(b.notAfter), c.notAfter);
  same(b.domainID, c.domainID);
  same(m.encodeEpoch(b.epoch), c.epoch);
  same(b.device, c.device);
  same(b.name, c.name);
  const message = m.bindingMessage(b, unhex(c.spki));
  same(message, c.message);
  same(m.encodeBinding(b), c.binding);
  same(signWith(m.bindingSigner(b), unhex(c.key), message, m.decodeScalar(unhex(c.nonce))), c.binding.slice(-192));
}

const pinned = (c) => ({ domainID: unhex(c.domainID), domain: c.domain, mpk: unhex(c.master), schedule: m.schedule(BigInt(c.length)) });

function leaf(c, accept) {
  const meet = () => m.verifyLeaf(unhex(c.certificate), pinned(c), c.role, BigInt(c.now));
  if (!accept) {
    assert.throws(meet, (e) => e instanceof m.LeafRefused && e.check === c.check, c.check);
    return false;
  }
  const b = meet();
  same(b.name, c.name);
  same(b.device, c.device);
  same(m.encodeEpoch(b.epoch), c.epoch);
}

runFile('idtls', { binding, leaf });

test('a leaf with any byte flipped is refused, or the byte proves nothing', () => {
  const c = readFile('idtls').accept.find((x) => x.what === 'leaf');
  const good = unhex(c.certificate);
  // What a verifier does not look at: the serial number, the algorithms' names and the signature.
  const text = Buffer.from(good).toString('hex');
  const at = (hex) => text.indexOf(hex) / 2;
  const [serial, algorithm] = [at('0203'), at('300a06082a8648ce3d040302')];
  const last = text.lastIndexOf('300a06082a8648ce3d040302') / 2;
  const free = (i) => (i >= serial + 2 && i < serial + 5) || (i >= algorithm + 2 && i < algorithm + 12) || i >= last + 2;
  let tried = 0;
  for (let i = 0; i < good.length; i += 1) {
    if (free(i)) continue;
    tried += 1;
    const bad = good.slice();
    bad[i] ^= 1;
    assert.throws(() => m.verifyLeaf(bad, pinned(c), c.role, BigInt(c.now)), m.Refused, `byte ${i}`);
  }
  assert.ok(tried > 400, `${tried} bytes`);
});
