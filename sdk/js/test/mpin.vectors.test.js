// Every case of mpin.json.

import assert from 'node:assert/strict';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { readFile, runFile, same } from '../testing/vectors.js';

const DOCUMENT = readFile('mpin').accept.find((c) => c.what === 'document').document;

const split = (s) => (s === '' ? [] : s.split(',').map(unhex));
const numbers = (s) => (s === '' ? [] : s.split(',').map(Number));
const documentOf = (c) => m.decodeDocument(unhex(c.document ?? DOCUMENT));
const view = (c) => m.serviceView(documentOf(c), unhex(c.serviceID));
const indexed = (s, as) => s.split(',').map((x) => x.split(':')).map(([i, b]) => ({ index: Number(i), [as]: unhex(b) }));

// Each field of what was read is that of the case.
function sameFields(read, c, fields) {
  for (const [own, theirs] of Object.entries(fields)) same(typeof read[own] === 'bigint' ? String(read[own]) : read[own], c[theirs]);
}

function pin(c) {
  const parameters = { memory: Number(c.memory), passes: Number(c.passes), threads: Number(c.threads) };
  const stretched = m.stretch(c.pin, unhex(c.salt), parameters);
  same(stretched, c.stretched);
  same(m.encodeScalar(m.pinScalar(stretched)), c.alpha);
}

function points(c) {
  const device = m.deviceHash(unhex(c.spki));
  const { A, Ae, B } = m.loginPoints({ serviceID: unhex(c.serviceID), name: c.name, device, epoch: unhex(c.epoch) });
  same(m.encodePoint(A), c.a);
  same(m.encodePoint(Ae), c.permit);
  same(m.encodePoint(B), c.b);
}

function token(c) {
  const [A, alpha] = [m.decodeG1(unhex(c.a)), m.decodeScalar(unhex(c.alpha))];
  same(m.makeToken(indexed(c.shares, 'D'), Number(c.threshold), A, alpha), c.token);
  same(m.combine(indexed(c.shares, 'D'), Number(c.threshold)), c.key);
}

const optional = (s) => (s === '' ? null : unhex(s));

function transcriptFields(c) {
  return {
    domainID: unhex(c.domainID), serviceID: unhex(c.serviceID), origin: c.origin, name: c.name, spki: unhex(c.spki),
    epoch: unhex(c.epoch), session: unhex(c.session), nonce: unhex(c.nonce), U: unhex(c.u), channel: optional(c.channel),
    intent: optional(c.intent),
  };
}

function transcript(c, accept) {
  const read = m.decodeTranscript(unhex(c.transcript));
  if (!accept) return;
  const fields = transcriptFields(c);
  for (const [f, v] of Object.entries(fields)) assert.deepEqual(read[f], v, f);
  same(String(read.channelKind), c.channelKind);
  same(m.encodeTranscript(fields), c.transcript);
  same(m.encodeScalar(m.challengeOf(unhex(c.transcript))), c.y);
}

// The login made again of its factors and its nonce.
async function replay(c) {
  const factors = { alpha: m.decodeScalar(unhex(c.alpha)), token: unhex(c.token), permit: unhex(c.permit) };
  const attempt = new m.Attempt(transcriptFields(c), factors, () => m.decodeScalar(unhex(c.x)));
  same(attempt.U, c.u);
  const sign = (message) => {
    same(m.H(message), c.digest);
    return unhex(c.signature);
  };
  const made = await attempt.finish(unhex(c.session), unhex(c.nonce), sign);
  same(made.transcript, c.transcript);
  same(made.V, c.v);
}

async function login(c, accept) {
  const [bytes, V, signature, S] = [unhex(c.transcript), unhex(c.v), unhex(c.signature), unhex(c.serverKey)];
  const read = m.decodeTranscript(bytes);
  same(m.H(m.lp('milagro/v1 mpin proof', bytes, V)), c.digest);
  assert.deepEqual(m.verifyLogins([{ transcript: bytes, V }], S), m.verifyLogin(bytes, V, S) ? [] : [0]);
  if (c.check === 'malformed') {
    assert.ok(V.length !== 48 || signature.length !== 64);
    return m.verifyPossession(bytes, V, signature);
  }
  const possession = m.verifyPossession(bytes, V, signature);
  assert.equal(possession, c.check !== 'signature');
  if (c.x !== undefined) await replay(c);
  if (accept) same(read.name, c.name);
  return possession && m.verifyLogin(bytes, V, S);
}

function batch(c) {
  const vs = split(c.vs);
  const bad = m.verifyLogins(split(c.transcripts).map((transcript, i) => ({ transcript, V: vs[i] })), unhex(c.serverKey));
  assert.deepEqual(bad, numbers(c.bad));
  return bad.length === 0;
}

// The card of a service's login server, as the document tells it.
const cardOf = ({ name, origin, key }) => ({ service: name, origin, key });

function document(c, accept) {
  const d = m.decodeDocument(unhex(c.document));
  if (accept) same(m.loginCardFingerprint(cardOf(m.findService(d, unhex(c.serviceID)))), c.fingerprint);
}

function row(c, accept) {
  const request = { spki: unhex(c.spki), time: BigInt(c.time), statements: split(c.statements), signature: unhex(c.signature) };
  const service = { ...view(c), domainID: unhex(c.domainID), origin: c.origin };
  if (c.check !== 'malformed') {
    same(m.rowDigest({ ...service, ...request }), c.digest);
    assert.equal(m.verifyDeviceSignature(request.spki, unhex(c.digest), request.signature), c.check !== 'signature');
  }
  if (c.check === 'time') assert.ok(m.checkRow(service, request, request.time));
  const made = m.checkRow(service, request, BigInt(c.now));
  if (!accept) return;
  same(made.name, c.name);
  same(String(made.channelKind), c.channelKind);
}

function loginCard(c, accept) {
  const card = m.openLoginCard(unhex(c.card));
  sameFields(card, c, { service: 'service', origin: 'origin', key: 'key', fingerprint: 'fingerprint' });
  if (accept) same(m.loginCardFingerprint(card), c.fingerprint);
}

function voucher(c) {
  const v = m.openVoucher(unhex(c.voucher), unhex(c.key));
  sameFields({ ...v, index: String(v.index) }, c, {
    domainID: 'domainID', serviceID: 'serviceID', index: 'index', name: 'name', oldDevice: 'old', newDevice: 'new', time: 'time', nonce: 'nonce',
  });
}

function notice(c) {
  const { domainID, loginServerKey } = view(c);
  const n = m.openNotice(unhex(c.notice), loginServerKey);
  sameFields(n, c, { serviceID: 'serviceID', name: 'name', device: 'device', time: 'time' });
  return m.equal(n.domainID, domainID);
}

// A case of check "authority" is read, and refused by authority 1 alone.
function byAuthority(c, read, judge) {
  let result;
  try {
    result = read();
  } catch (e) {
    assert.notEqual(c.check, 'authority', e.message);
    throw e;
  }
  return judge(result);
}

function keyRequest(c) {
  const { domainID, loginServerKey, generation } = view(c);
  const read = (now) => {
    const r = m.openKeyRequest(unhex(c.request), loginServerKey, now);
    sameFields({ ...r, index: String(r.index) }, c, {
      serviceID: 'serviceID', generation: 'generation', index: 'index', replyKey: 'replyKey', time: 'time', nonce: 'nonce',
    });
    return r;
  };
  return byAuthority(c, () => read(), (r) => read(BigInt(c.now)) && r.index === 1 && m.equal(r.domainID, domainID) && m.equal(r.generation, generation));
}

async function keyShare(c, accept) {
  const d = documentOf(c);
  const [service] = d.services;
  const request = unhex(c.request);
  const asked = m.openKeyRequest(request, service.key);
  if (c.sealed !== undefined) same(await m.openKeyReply(unhex(c.sealed), unhex(c.box), request, asked), c.signed);
  const share = m.acceptKeyShare(unhex(c.signed), request, service.key, d.authorities[asked.index - 1].key, service.shares[asked.index - 1]);
  if (!accept) return;
  same(share.point, c.share);
  const sealed = await m.sealKeyShare(unhex(c.signed), request, asked);
  same(await m.openKeyReply(sealed, unhex(c.box), request, asked), c.signed);
}

function serverKey(c, accept) {
  const S = m.combineServerKey(indexed(c.shares, 'point'), Number(c.threshold), unhex(c.master));
  if (accept) same(S, c.key);
}

function succession(c, accept) {
  const { domainID, services: [{ serviceID }] } = documentOf(c);
  const loginServerKey = unhex(c.key);
  const read = () => {
    const { body, evidence, request } = m.openRequest(unhex(c.request));
    const { voucher, spki, signature } = m.decodeSuccession(evidence);
    const digest = m.successionDigest(voucher, m.bareHash(body));
    if (c.check === 'authority') assert.ok(m.openVoucher(voucher, loginServerKey) && m.verifyDeviceSignature(spki, digest, signature));
    if (accept || c.check === 'authority') {
      same(m.bareHash(body), c.bare);
      same(voucher, c.voucher);
      same(digest, c.digest);
      const [age, now] = [BigInt(c.now) - BigInt(request.time), BigInt(c.now)];
      assert.ok(age >= -300n && age <= 300n, `a request of ${request.time} at ${now}`);
    }
    return { body, evidence };
  };
  return byAuthority(c, read, ({ body, evidence }) => m.checkSuccession(body, evidence, { domainID, serviceID, index: 1, loginServerKey }, BigInt(c.now)) !== null);
}

function approval(c) {
  const { body, signature } = m.readEnvelope(unhex(c.approval));
  const by = split(c.operators).find((key) => ed25519.verify(signature, body, key, { zip215: false }));
  if (by === undefined) return false; // nobody's
  const a = m.openApproval(unhex(c.approval), by, BigInt(c.now));
  return [hex(a.authority) === c.authority, a.act === c.act, hex(a.subject) === c.subject, String(a.time) === c.time].every((x) => x);
}

function loginStatement(c, accept) {
  const claims = m.verifyStatement(c.statement, { jwks: JSON.parse(c.jwks), origin: c.origin, now: Number(c.now) });
  if (!accept) return;
  const { domain, service, device, channel_kind: kind } = claims.milagro;
  sameFields(
    { name: claims.sub, domain, service, device, kind: String(kind), jti: claims.jti, iat: String(claims.iat), exp: String(claims.exp) }, c,
    { name: 'name', domain: 'domain', service: 'service', device: 'device', kind: 'channelKind', jti: 'jti', iat: 'iat', exp: 'exp' },
  );
}

const HANDLERS = {
  pin, points, token, transcript, login, batch, document, row, 'login card': loginCard, voucher, notice,
  'server key request': keyRequest, 'server key share': keyShare, 'server key': serverKey, succession,
  'operator approval': approval, 'login statement': loginStatement,
};

runFile('mpin', HANDLERS);
