// Logins of this package's client at this package's verifier.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBytes } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { enrol, issue, logIn, newDevice, newDomain, quickAlpha } from '../testing/login.js';

const d = newDomain();
const alice = enrol(d, '4711');
const refused = (f, why) => assert.throws(f, (e) => e instanceof m.Refused && (!why || why.test(e.message)));

test('the right PIN logs in, with each pair of authorities', async () => {
  const { A, Ae } = m.loginPoints({ ...alice.login, device: alice.device.hash });
  const [keys, permits] = [issue(d, 'mpin', A), issue(d, 'permit', Ae)];
  for (const [i, j] of [[0, 1], [0, 2], [2, 1]]) {
    const factors = { ...alice, token: m.makeToken([keys[i], keys[j]], 2, A, quickAlpha('4711')), permit: m.makePermit([permits[j], permits[i]], 2) };
    assert.deepEqual(factors.token, alice.token);
    const { transcript, V, signature } = await logIn(factors, '4711');
    assert.ok(m.verifyLogin(transcript, V, d.S) && m.verifyPossession(transcript, V, signature));
  }
});

test('a PIN is stretched with Argon2id', async () => {
  const salt = m.newSalt();
  const least = { memory: 19456, passes: 2, threads: 1 };
  const alpha = m.alphaOf('4711', salt, least);
  assert.equal(alpha, m.alphaOf('4711', salt, least));
  assert.notEqual(alpha, m.alphaOf('4712', salt, least));
  assert.notEqual(alpha, m.alphaOf('4711', m.newSalt(), least));
  assert.deepEqual(m.checkStretching(m.STRETCHING), { memory: 65536, passes: 3, threads: 1 });
});

test('a wrong PIN, another token and no permit are refused', async () => {
  const bob = enrol(d, '4711', 'acct:bob@example.org');
  for (const [who, pin] of [[alice, '4712'], [{ ...alice, token: bob.token }, '4711'], [{ ...alice, permit: bob.permit }, '4711']]) {
    const { transcript, V, signature } = await logIn(who, pin);
    assert.ok(m.verifyPossession(transcript, V, signature));
    assert.equal(m.verifyLogin(transcript, V, d.S), false);
  }
  const { transcript, V } = await logIn(alice, '4711');
  assert.equal(m.verifyLogin(transcript, V, newDomain().S), false);
});

test('a token is made of t different shares of one generation', () => {
  const { A } = m.loginPoints({ ...alice.login, device: alice.device.hash });
  const keys = issue(d, 'mpin', A);
  refused(() => m.makeToken([keys[0]], 2, A, 5n), /1 shares/);
  refused(() => m.makeToken([keys[0], keys[0]], 2, A, 5n), /same index/);
  refused(() => m.makeToken([keys[0], { ...keys[1], generation: newDomain().generation }], 2, A, 5n), /generations/);
  refused(() => m.makeToken([keys[0], { ...keys[1], generation: undefined }], 2, A, 5n), /generation/);
  refused(() => m.makeToken(keys, 2, A, 0n));
  refused(() => m.makeToken(keys, 2, A, d.s), /identity/); // T would be the identity
});

test('an attempt answers one challenge', async () => {
  const { login, token, permit, device } = alice;
  const attempt = new m.Attempt(login, { alpha: quickAlpha('4711'), token, permit });
  const first = attempt.finish(randomBytes(32), randomBytes(32), device.sign);
  await assert.rejects(attempt.finish(randomBytes(32), randomBytes(32), device.sign), /has answered/);
  assert.ok(await first);
  await assert.rejects(attempt.finish(randomBytes(32), randomBytes(32), device.sign), /has answered/);
});

test('a malformed challenge is the first one too', async () => {
  const { login, token, permit, device } = alice;
  const attempt = new m.Attempt(login, { alpha: quickAlpha('4711'), token, permit });
  await assert.rejects(attempt.finish(randomBytes(31), randomBytes(32), device.sign), m.Refused);
  await assert.rejects(attempt.finish(randomBytes(32), randomBytes(32), device.sign), /has answered/);
});

test('U is fresh each time, also for one random', () => {
  const { login, token, permit } = alice;
  const factors = { alpha: quickAlpha('4711'), token, permit };
  assert.notDeepEqual(new m.Attempt(login, factors).U, new m.Attempt(login, factors).U);
  const zeros = (K, statement) => m.nonce(K, statement, new Uint8Array(64));
  const next = { ...login, epoch: m.currentEpoch(m.schedule(1296000), 1_800_000_000) };
  assert.deepEqual(new m.Attempt(login, factors, zeros).U, new m.Attempt(login, factors, zeros).U);
  assert.notDeepEqual(zeros(token, m.nonceStatement({ ...login, device: alice.device.hash })), zeros(token, m.nonceStatement({ ...next, device: alice.device.hash })));
});

test('every field of the transcript counts, and is under the signature', async () => {
  const [channel, newer] = [randomBytes(32), newDevice()];
  const { transcript, V, signature } = await logIn(alice, '4711', { channel, intent: m.encodeIntent(newer.hash) });
  assert.ok(m.verifyLogin(transcript, V, d.S) && m.verifyPossession(transcript, V, signature));
  const t = m.decodeTranscript(transcript);
  assert.deepEqual(t.newDevice, newer.hash);
  assert.equal(t.channelKind, 1);
  assert.deepEqual(m.encodeTranscript(t), transcript);
  const other = {
    domainID: randomBytes(32), serviceID: randomBytes(32), origin: 'https://login.example.com', name: 'acct:bob@example.org',
    spki: newer.spki, epoch: m.epoch(0, 2592000), session: randomBytes(32), nonce: randomBytes(32), U: m.encodePoint(m.P1),
    channel: randomBytes(32), intent: m.encodeIntent(randomBytes(32)),
  };
  const changes = [...Object.entries(other), ['channel', null], ['intent', null]];
  for (const [field, value] of changes) {
    const more = field === 'spki' ? { intent: null } : {};
    const changed = m.encodeTranscript({ ...t, ...more, [field]: value });
    assert.equal(m.verifyLogin(changed, V, d.S), false, field);
    assert.equal(m.verifyPossession(changed, V, signature), false, field);
  }
  assert.equal(m.verifyPossession(transcript, m.encodePoint(m.P1), signature), false);
});

test('each bit of V, of the signature and of the transcript counts', async () => {
  const { transcript, V, signature } = await logIn(alice, '4711');
  const flipped = (b, at) => b.map((x, i) => (i === at >> 3 ? x ^ (1 << (at & 7)) : x));
  for (let at = 0; at < 8 * V.length; at += 7) assert.equal(m.verifyLogin(transcript, flipped(V, at), d.S), false, `V, bit ${at}`);
  for (let at = 0; at < 512; at += 5) assert.equal(m.verifyPossession(transcript, V, flipped(signature, at)), false, `signature, bit ${at}`);
  for (let at = 0; at < transcript.length; at++) assert.equal(m.verifyLogin(flipped(transcript, 8 * at), V, d.S), false, `transcript, byte ${at}`);
});

test('what is malformed is refused when it is encoded', () => {
  const t = { ...alice.login, session: randomBytes(32), nonce: randomBytes(32), U: m.encodePoint(m.P1) };
  for (const change of [
    { origin: 'https://login.example.org/' }, { name: 'acct:Alice@example.org' }, { session: randomBytes(31) }, { U: new Uint8Array(48) },
    { channel: randomBytes(31) }, { intent: m.encodeIntent(alice.device.hash) }, { intent: alice.device.hash }, { spki: alice.login.spki.slice(1) },
  ]) refused(() => m.encodeTranscript({ ...t, ...change }));
  refused(() => m.encodeIntent(new Uint8Array(32)), /all zero/);
  for (const pin of ['123', '1'.repeat(65), '12\t4', 'naïve', 1234]) refused(() => m.parsePIN(pin), /PIN/);
});

test('a batch names the bad ones', async () => {
  const logins = [];
  for (let i = 0; i < 6; i++) {
    const who = enrol(d, '4711', `acct:user${i}@example.org`);
    logins.push(await logIn(who, '4711'));
  }
  assert.deepEqual(m.verifyLogins(logins, d.S), []);
  assert.deepEqual(m.verifyLogins([], d.S), []);
  const wrong = await logIn(alice, '4712');
  assert.deepEqual(m.verifyLogins([...logins, wrong], d.S), [6]);
  const bad = logins.map((l, i) => (i === 1 ? { ...l, V: new Uint8Array(48) } : i === 4 ? { ...l, V: logins[5].V } : l));
  assert.deepEqual(m.verifyLogins(bad, d.S), [1, 4]);
  assert.deepEqual(m.verifyLogins(logins, newDomain().S), [0, 1, 2, 3, 4, 5]);
  refused(() => m.verifyLogins(Array(65).fill(logins[0]), d.S), /more than 64/);
  const elsewhere = newDomain();
  const other = await logIn(enrol(elsewhere, '4711'), '4711');
  refused(() => m.verifyLogins([...logins, other], d.S), /different services/);
});

test('errors that cancel in a sum do not cancel in a batch', async () => {
  const [a, b] = [await logIn(alice, '4711'), await logIn(alice, '4711')];
  const move = (V, by) => m.encodePoint(m.decodeG1(V).add(by));
  const bad = [{ ...a, V: move(a.V, m.P1) }, { ...b, V: move(b.V, m.P1.negate()) }];
  assert.deepEqual(m.verifyLogins(bad, d.S), [0, 1]);
});

test('a key of WebCrypto signs logins', async () => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  const spki = await m.webDeviceKey(publicKey);
  const device = { spki, hash: m.deviceHash(spki), sign: m.webDeviceSigner(privateKey) };
  const { transcript, V, signature } = await logIn(enrol(d, '0000', undefined, device), '0000');
  assert.ok(m.verifyLogin(transcript, V, d.S) && m.verifyPossession(transcript, V, signature));
});
