// Runs every file of spec/vectors that belongs to the pages of this package.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { signWith } from '../dist/ibs.js';
import { proveWith } from '../dist/shares.js';
import { DIR, runFile, same } from '../testing/vectors.js';

const ZEROS = '00'.repeat(32);
const signer = (c) => ({ domainID: unhex(c.domainID), name: c.name, device: unhex(c.device), epoch: unhex(c.epoch) });

// Each handler checks one case: it throws Refused or returns false when it must be refused.

function encoding(c, accept) {
  if (!accept) return m.readLP(unhex(c.lp), c.label, [m.field.bytes(4)]);
  const parts = c.parts === 'none' ? [] : c.parts.split(',').map(unhex);
  same(m.lp(c.label, ...parts), c.lp);
  const read = m.readLP(unhex(c.lp), c.label, parts.map((p) => m.field.bytes(p.length)));
  assert.deepEqual(read.map(hex), parts.map(hex));
}

function groups(c) {
  const tag = () => c.dst.split('-')[2];
  switch (c.what) {
    case 'g1': return same(m.encodePoint(m.decodeG1(unhex(c.bytes))), c.bytes);
    case 'g2': return same(m.encodePoint(m.decodeG2(unhex(c.bytes))), c.bytes);
    case 'scalar': return same(m.encodeScalar(m.decodeScalar(unhex(c.bytes))), c.bytes);
    case 'g1 mul': return same(m.encodePoint(m.times(m.P1, m.decodeScalar(unhex(c.scalar)))), c.bytes);
    case 'g2 mul': return same(m.encodePoint(m.times(m.P2, m.decodeScalar(unhex(c.scalar)))), c.bytes);
    case 'hash to g1': {
      same(`MILAGRO-V1-${tag()}-BLS12381G1_XMD:SHA-256_SSWU_RO_`, c.dst);
      return same(m.encodePoint(m.hashToG1(tag(), unhex(c.message))), c.bytes);
    }
    case 'hash to scalar': {
      same(`MILAGRO-V1-${tag()}-SCALAR_XMD:SHA-256`, c.dst);
      return same(m.encodeScalar(m.hashToScalar(tag(), unhex(c.message))), c.bytes);
    }
  }
  return assert.fail(`unknown case "${c.what}"`);
}

function names(c, accept) {
  const n = m.parseName(c.name);
  if (!accept) return;
  same(n.name, c.name);
  same(n.domain, c.domain);
  same(n.user === undefined ? 'workload' : 'person', c.kind);
  assert.ok(m.liesIn(c.name, c.domain));
}

function devices(c, accept) {
  const hash = m.deviceHash(unhex(c.spki));
  if (accept) same(hash, c.device);
}

function domains(c, accept) {
  if (!accept) return m.parseFingerprint(c.fingerprint);
  if (c.what === 'service') return same(m.serviceID(unhex(c.domainID), c.service, unhex(c.master)), c.id);
  same(c.what, 'domain');
  const id = m.domainID(c.domain, unhex(c.master));
  same(id, c.id);
  same(m.formatFingerprint(id), c.fingerprint);
  same(m.parseFingerprint(c.fingerprint), c.id);
}

function epochs(c) {
  if (c.what === 'epoch') {
    const e = m.decodeEpoch(unhex(c.bytes));
    same(e.start, BigInt(c.start));
    same(e.length, BigInt(c.length));
    return same(m.encodeEpoch(e), c.bytes);
  }
  same(c.what, 'accepts');
  const e = m.decodeEpoch(unhex(c.epoch));
  const previous = c.previous === '0' ? undefined : { length: BigInt(c.previous), lastStart: BigInt(c.last) };
  return m.admits(m.schedule(BigInt(c.length), previous), e) && m.acceptedAt(e, BigInt(c.now));
}

function points(c, accept) {
  const f = {};
  if (c.hash !== undefined) f[c.purpose === 'test' ? 'hash' : 'documentHash'] = unhex(c.hash);
  if (c.of !== undefined) f.purpose = c.of;
  if (c.revision !== undefined) f.revision = BigInt(c.revision);
  if (c.day !== undefined) f.day = Number(c.day);
  if (c.name !== undefined) f.name = c.name;
  if (c.epoch) f.epoch = unhex(c.epoch);
  if (c.device !== undefined && c.device !== ZEROS) f.device = unhex(c.device);
  if (c.serviceID !== undefined && c.serviceID !== ZEROS) f.serviceID = unhex(c.serviceID);
  // The vectors tell the domain of a service too, though it is not part of these points.
  if (c.domainID !== undefined && c.purpose !== 'mpin' && c.purpose !== 'permit') f.domainID = unhex(c.domainID);
  const point = m.identityPoint(c.purpose, f);
  if (accept) same(m.encodePoint(point), c.point);
}

function shares(c, accept) {
  const point = () => m.decodeG1(unhex(c.point));
  switch (c.what) {
    case 'share': {
      const [D, Y] = [unhex(c.share), unhex(c.public)];
      const alone = m.verifyShare(D, point(), Y);
      const index = Number(c.index);
      assert.deepEqual(m.verifyShares([{ index, D, Y }], point()), alone ? [] : [index]);
      return alone;
    }
    case 'key': return m.verifyKey(unhex(c.key), point(), unhex(c.master));
    case 'combine': {
      const list = c.shares.split(',').map((s) => s.split(':')).map(([i, D]) => ({ index: Number(i), D: unhex(D) }));
      const key = m.combine(list, Number(c.threshold));
      if (accept) same(key, c.key);
      return true;
    }
    case 'generation': {
      const g = m.decodeGeneration(unhex(c.bytes));
      same(g.counter, BigInt(c.counter));
      same(g.hash, c.hash);
      return same(m.encodeGeneration(g), c.bytes);
    }
  }
  return assert.fail(`unknown case "${c.what}"`);
}

function proofs(c, accept) {
  const s = {
    domainID: unhex(c.domainID), serviceID: unhex(c.serviceID), purpose: c.purpose, index: Number(c.index),
    generation: m.encodeGeneration({ counter: BigInt(c.counter), hash: unhex(c.generation) }),
    requestHash: unhex(c.request), A: unhex(c.point), X: unhex(c.public), D: unhex(c.share),
  };
  if (accept) same(proveWith(s, m.decodeScalar(unhex(c.secret)), m.decodeScalar(unhex(c.nonce))), c.proof);
  return m.verifyProof(s, unhex(c.proof));
}

function ibs(c, accept) {
  const message = unhex(c.message);
  if (accept) same(signWith(signer(c), unhex(c.key), message, m.decodeScalar(unhex(c.nonce))), c.signature);
  const alone = m.verify(signer(c), unhex(c.master), message, unhex(c.signature));
  const item = { signer: signer(c), message, signature: unhex(c.signature) };
  assert.deepEqual(m.verifyBatch([item], unhex(c.master)), alone ? [] : [0]);
  return alone;
}

const HANDLERS = { encoding, groups, names, devices, domains, epochs, points, shares, proofs, ibs };

for (const [name, handler] of Object.entries(HANDLERS)) runFile(name, handler);

// runFile runs every case of a file: so each file must be given to it, by one test.
test('every vector file is run', () => {
  const found = readdirSync(DIR).filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -5));
  const sources = readdirSync(import.meta.dirname).map((f) => readFileSync(new URL(f, import.meta.url), 'utf8')).join('\n');
  const claimed = [...Object.keys(HANDLERS), ...[...sources.matchAll(/^runFile\('([^']+)'/gm)].map(([, name]) => name)];
  assert.deepEqual(claimed.sort(), found.sort());
});
