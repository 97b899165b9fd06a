// Rows, PIN changes, server keys and statements, made and read by this package.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import { randomBytes } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { NAME, newDevice, newDomain, NOW, ORIGIN, statements } from '../testing/login.js';

const d = newDomain();
const old = newDevice();
const next = newDevice();
const refused = (f, why) => assert.throws(f, (e) => e instanceof m.Refused && (!why || why.test(e.message)));
const view = { ...d, authorities: d.authorityKeys.map((a) => a.key), loginServerKey: d.server.key };

// Each field of a message altered makes another message, and none of them opens with the signature of the first.
function everyFieldCounts(fields, other, sign, open) {
  const envelope = sign(fields);
  assert.deepEqual(open(envelope), fields);
  const { signature } = m.readEnvelope(envelope);
  for (const [field, value] of Object.entries(other)) {
    const changed = sign({ ...fields, [field]: value });
    assert.deepEqual(open(changed)[field], value, field);
    if (value === fields[field]) continue; // the act of an approval: its subject would not be one of another
    refused(() => open(m.lp('milagro/v1 signed', m.readEnvelope(changed).body, signature)), /not signed/);
  }
  assert.equal(Object.keys(other).length, Object.keys(fields).length, 'a field was not altered');
  for (let n = 0; n < envelope.length; n += 11) refused(() => open(envelope.slice(0, n)));
  refused(() => open(m.concat(envelope, new Uint8Array(1))));
}

const common = { domainID: d.domainID, serviceID: d.serviceID, time: BigInt(NOW) };
const otherCommon = { domainID: randomBytes(32), serviceID: randomBytes(32), time: 1n };

test('vouchers, notices, requests, shares and approvals: every field counts', () => {
  const { secret, key } = d.server;
  const nonce = randomBytes(32);
  everyFieldCounts(
    { ...common, index: 1, name: NAME, oldDevice: old.hash, newDevice: next.hash, nonce },
    { ...otherCommon, index: 2, name: 'acct:bob@example.org', oldDevice: randomBytes(32), newDevice: randomBytes(32), nonce: randomBytes(32) },
    (v) => m.signVoucher(v, secret), (b) => m.openVoucher(b, key),
  );
  everyFieldCounts(
    { ...common, name: NAME, device: old.hash }, { ...otherCommon, name: 'acct:bob@example.org', device: next.hash },
    (n) => m.signNotice(n, secret), (b) => m.openNotice(b, key),
  );
  everyFieldCounts(
    { ...common, generation: d.generation, index: 1, replyKey: randomBytes(1216), nonce },
    { ...otherCommon, generation: newDomain().generation, index: 3, replyKey: randomBytes(1216), nonce: randomBytes(32) },
    (r) => m.signKeyRequest(r, secret), (b) => m.openKeyRequest(b, key),
  );
  everyFieldCounts(
    { authority: view.authorities[0], act: 'server-key', subject: m.deliverySubject(d.serviceID, d.generation), time: BigInt(NOW) },
    { authority: key, act: 'server-key', subject: m.deliverySubject(randomBytes(32), d.generation), time: 2n },
    (a) => m.signApproval(a, secret),
    (b) => m.openApproval(b, key),
  );
  refused(() => m.signApproval({ authority: key, act: 'operator', subject: randomBytes(72), time: 2n }, secret));
  const operator = m.encodeOperator('Bob', key);
  const second = m.signApproval({ authority: key, act: 'operator', subject: operator, time: 2n }, secret);
  assert.deepEqual(m.decodeOperator(m.openApproval(second, key, 302).subject), { name: 'Bob', key });
  refused(() => m.openApproval(second, key, 303), /301 s old/);
});

test('a login card is signed by the key that it holds', () => {
  const card = { service: 'login', origin: ORIGIN, key: d.server.key };
  const envelope = m.signEnvelope(m.encodeLoginCard(card), d.server.secret);
  const { fingerprint, ...rest } = m.openLoginCard(envelope);
  assert.deepEqual(rest, card);
  assert.deepEqual(fingerprint, m.loginCardFingerprint(card));
  for (const change of [{ service: 'other' }, { origin: 'http://login.example.org' }, { key: randomBytes(32) }]) {
    refused(() => m.openLoginCard(m.signEnvelope(m.encodeLoginCard({ ...card, ...change }), newDomain().server.secret)), /not signed/);
    assert.notDeepEqual(m.loginCardFingerprint({ ...card, ...change }), fingerprint);
  }
  for (const origin of ['ftp://a', 'https://', 'https://A', 'https://a/', 'https://a?', `https://${'a'.repeat(249)}`]) {
    refused(() => m.encodeLoginCard({ ...card, origin }), /origin/);
  }
  for (const service of ['', '-a', 'a-', 'A', 'a'.repeat(65)]) refused(() => m.encodeLoginCard({ ...card, service }), /service name/);
});

// A row request of these statements, signed by the device.
function rowRequest(list, more = {}, device = old) {
  const request = { spki: device.spki, time: BigInt(NOW), statements: list };
  return { ...request, signature: device.sign(m.rowMessage({ ...view, ...request, ...more })) };
}

test('t statements make a row, and nothing less', () => {
  const all = statements(d, old);
  const row = { serviceID: d.serviceID, name: NAME, device: old.hash, channelKind: 0 };
  for (const list of [all, all.slice(0, 2), [all[0], all[2]]]) assert.deepEqual(m.checkRow(view, rowRequest(list), NOW), row);
  const refuses = (list, why) => refused(() => m.checkRow(view, rowRequest(list), NOW), why);
  refuses([all[0]], /1 statements/);
  refuses([all[0], all[0]], /by index/);
  refuses([all[1], all[0]], /by index/);
  const others = {
    domainID: [randomBytes(32), /domain/], generation: [newDomain().generation, /generation/], serviceID: [randomBytes(32), /service/],
    name: ['acct:bob@example.org', /names/], device: [next.hash, /device/], channelKind: [1, /channel kinds/],
  };
  for (const [field, [value, why]] of Object.entries(others)) refuses([all[0], statements(d, old, { [field]: value })[1]], why);
  refuses(statements(d, old, { name: 'acct:alice@example.net' }), /name of another domain/);
  refuses([all[0], statements(d, old, { purpose: 'channel', serviceID: null })[1]], /purpose/);
  refuses([all[0], statements(newDomain(), old, { domainID: d.domainID, serviceID: d.serviceID, generation: d.generation })[1]], /not signed/);
});

test('a row request is of its device, place and time', () => {
  const all = statements(d, old);
  for (const at of [NOW - 300, NOW + 300]) assert.ok(m.checkRow(view, rowRequest(all), at));
  for (const at of [NOW - 301, NOW + 301]) refused(() => m.checkRow(view, rowRequest(all), at), /ahead|old/);
  refused(() => m.checkRow(view, rowRequest(all, {}, next), NOW), /another device/);
  refused(() => m.checkRow(view, { ...rowRequest(all), spki: next.spki }, NOW), /did not sign/);
  const other = { domainID: randomBytes(32), serviceID: randomBytes(32), origin: 'https://b', time: 7n, statements: all.slice(1), spki: next.spki };
  for (const [field, value] of Object.entries(other)) refused(() => m.checkRow(view, rowRequest(all, { [field]: value }), NOW), /did not sign/);
});

// A signed request of the new device, with the voucher and the old device's signature as evidence.
function succeed({ voucher: v = {}, request: r = {}, signer = old, over } = {}) {
  const voucher = m.signVoucher({
    ...common, index: 2, name: NAME, oldDevice: old.hash, newDevice: next.hash, nonce: randomBytes(32), ...v,
  }, d.server.secret);
  const request = {
    domainID: d.domainID, generation: d.generation, index: 2, purpose: 'mpin', serviceID: d.serviceID, name: NAME, epoch: null,
    channelKind: 0, spki: next.spki, replyKey: randomBytes(1216), time: BigInt(NOW), nonce: randomBytes(32), evidenceHash: m.H(new Uint8Array(0)), ...r,
  };
  const bare = m.H(m.encodeRequest(request));
  const signature = signer.sign(m.successionMessage(voucher, over ?? bare));
  const evidence = m.encodeSuccession({ voucher, spki: signer.spki, signature });
  const body = m.encodeRequest({ ...request, evidenceHash: m.H(evidence) });
  assert.deepEqual(m.bareHash(body), bare);
  return { body, evidence };
}

test('a PIN change: the voucher and the old device', () => {
  const own = { domainID: d.domainID, serviceID: d.serviceID, index: 2, loginServerKey: d.server.key };
  const check = (what, now = NOW, at = own) => {
    const { body, evidence } = succeed(what);
    return m.checkSuccession(body, evidence, at, now);
  };
  assert.deepEqual(check().oldDevice, old.hash);
  for (const now of [NOW - 300, NOW + 86400]) assert.ok(check({}, now));
  for (const now of [NOW - 301, NOW + 86401]) refused(() => check({}, now), /ahead|old/);
  refused(() => check({}, NOW, { ...own, index: 1 }), /authority/);
  refused(() => check({}, NOW, { ...own, loginServerKey: randomBytes(32) }), /not signed/);
  refused(() => check({ signer: newDevice() }), /old device/);
  refused(() => check({ over: randomBytes(32) }), /did not sign/);
  const stray = {
    domainID: randomBytes(32), serviceID: randomBytes(32), index: 1, name: 'acct:bob@example.org', oldDevice: randomBytes(32), newDevice: randomBytes(32),
  };
  for (const [field, value] of Object.entries(stray)) refused(() => check({ voucher: { [field]: value } }), /^voucher: (of|for) another/);
  for (const r of [{ name: 'acct:bob@example.org' }, { spki: newDevice().spki }, { purpose: 'permit', epoch: d.epoch }]) {
    refused(() => check({ request: r }), /another|purpose/);
  }
  const [a, b] = [succeed(), succeed()];
  refused(() => m.checkSuccession(a.body, b.evidence, own, NOW), /not the evidence/);
  refused(() => succeed({ voucher: { newDevice: old.hash } }), /old one/);
});

test('the server key is asked for, sealed, opened, proved and combined', async () => {
  const shares = [];
  for (const i of [0, 2]) {
    const { box, publicKey } = m.newReplyKey();
    const asked = { ...common, generation: d.generation, index: i + 1, replyKey: publicKey, nonce: randomBytes(32) };
    const request = m.signKeyRequest(asked, d.server.secret);
    const read = m.openKeyRequest(request, d.server.key, NOW);
    refused(() => m.openKeyRequest(request, d.server.key, NOW + 301), /old/);
    const answer = {
      domainID: d.domainID, serviceID: d.serviceID, generation: d.generation, index: i + 1, requestHash: m.H(request),
      point: m.encodePoint(m.P2.multiply(d.shares[i].share)),
    };
    const { secret, key } = d.authorityKeys[i];
    const sealed = await m.sealKeyShare(m.signKeyShare(answer, secret), request, read);
    const opened = await m.openKeyReply(sealed, box, request, read);
    const accept = (b) => m.acceptKeyShare(b, request, d.server.key, key, d.publicShares[i]);
    assert.deepEqual(accept(opened), answer);
    await assert.rejects(m.openKeyReply(sealed, m.newReplyKey().box, request, read), m.Refused);
    await assert.rejects(m.openKeyReply(sealed, box, m.concat(request, request), read), m.Refused);
    const other = {
      domainID: randomBytes(32), serviceID: randomBytes(32), generation: newDomain().generation, index: 2, requestHash: randomBytes(32), point: d.S,
    };
    for (const [field, value] of Object.entries(other)) refused(() => accept(m.signKeyShare({ ...answer, [field]: value }, secret)), /^server key share/);
    shares.push(answer);
  }
  assert.deepEqual(m.combineServerKey(shares, 2, d.X), d.S);
  refused(() => m.combineServerKey([shares[0], { ...shares[1], index: 2 }], 2, d.X), /not of this master/);
  refused(() => m.combineServerKey([shares[0], { ...shares[1], generation: newDomain().generation }], 2, d.X), /generations/);
  refused(() => m.combineServerKey([shares[0], shares[0]], 2, d.X), /same index/);
  refused(() => m.combineServerKey(shares.slice(1), 2, d.X), /1 shares/);
});

const b64 = (b) => Buffer.from(b).toString('base64url');
const signing = p256.utils.randomSecretKey();
const point = p256.getPublicKey(signing, false);
const bare = { kty: 'EC', crv: 'P-256', x: b64(point.slice(1, 33)), y: b64(point.slice(33)) };
const jwk = { ...bare, kid: m.readJWK(bare).kid, use: 'sig', alg: 'ES256' };
const CLAIMS = {
  iss: ORIGIN, aud: ORIGIN, sub: NAME, iat: NOW, exp: NOW + 300, jti: b64(randomBytes(16)), auth_time: NOW, amr: ['pin', 'pop'],
  milagro: { domain: m.formatFingerprint(d.domainID), service: 'login', device: Buffer.from(old.hash).toString('hex'), channel_kind: 0 },
};

function jwt(claims = CLAIMS, head = {}) {
  const first = `${b64(JSON.stringify({ alg: 'ES256', typ: 'JWT', kid: jwk.kid, ...head }))}.${b64(JSON.stringify(claims))}`;
  return `${first}.${b64(p256.sign(new TextEncoder().encode(first), signing, { format: 'compact' }))}`;
}

test('a statement is what the page says, and is refused else', () => {
  const expected = { jwks: { keys: [jwk] }, origin: ORIGIN, now: NOW, domainID: d.domainID, service: 'login' };
  const check = (s, more = {}) => m.verifyStatement(s, { ...expected, ...more });
  assert.deepEqual(check(jwt()), CLAIMS);
  for (const now of [NOW - 30, NOW + 329]) assert.ok(check(jwt(), { now }));
  refused(() => check(jwt(), { now: NOW + 330 }), /expired/);
  refused(() => check(jwt(), { now: NOW - 31 }), /future/);
  for (const c of [{ ...CLAIMS, nbf: NOW + 9 }, { ...CLAIMS, milagro: { ...CLAIMS.milagro, more: 1 } }]) assert.deepEqual(check(jwt(c)), c);
  assert.ok(check(jwt(), { jwks: { keys: [7, { kty: 'RSA' }, { ...jwk, use: 'enc' }, { ...jwk, x: 'A', kid: 'b' }, jwk] } }));
  for (const more of [{ origin: 'https://b' }, { domainID: randomBytes(32) }, { service: 'b' }, { jwks: { keys: [] } }]) refused(() => check(jwt(), more));
  const changes = {
    iss: 'https://b', aud: [ORIGIN], sub: 'alice', iat: NOW + 0.5, exp: NOW + 301, jti: 'AAAA', auth_time: NOW - 1, amr: ['pop', 'pin'], milagro: null,
  };
  for (const [c, v] of Object.entries(changes)) refused(() => check(jwt({ ...CLAIMS, [c]: v })), undefined);
  for (const c of Object.keys(CLAIMS)) refused(() => check(jwt({ ...CLAIMS, [c]: undefined })), /missing|iss and aud/);
  for (const [c, v] of [['domain', 'milagro1'], ['service', 'B'], ['device', 'AB'], ['channel_kind', '0']]) {
    refused(() => check(jwt({ ...CLAIMS, milagro: { ...CLAIMS.milagro, [c]: v } })));
  }
  for (const head of [{ alg: 'none' }, { alg: 'HS256' }, { typ: 'at+jwt' }, { kid: 'x' }, { kid: undefined }, { jwk }, { crit: [] }]) refused(() => check(jwt(CLAIMS, head)));
  const [a, b, c] = jwt().split('.');
  for (const s of [`${a}.${b}`, `${a}.${b}.`, `${a}.${b}.${c}=`, `${a}.${b}.${c}.`, `${a}.${b64('{}')}.${c}`, `${a}. ${b}.${c}`]) refused(() => check(s));
  for (const k of [{ kid: 'another' }, { use: 'enc' }, { alg: 'ES384' }, { kid: undefined }]) refused(() => check(jwt(), { jwks: { keys: [{ ...jwk, ...k }] } }), /of no key/);
  refused(() => check(jwt(CLAIMS, { kid: 'another' }), { jwks: { keys: [{ ...jwk, kid: 'another' }] } }), /thumbprint/);
});
