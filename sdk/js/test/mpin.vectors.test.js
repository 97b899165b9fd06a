// Every case of mpin.json.

import assert from 'node:assert/strict';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import * as m from '../src/index.js';
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
  assert.deepEqual(m.verifyLogins([{ transcript: bytes, V }], S), m.verifyLogin(bytes, V, S) ? [] : [0]);
  if (V.length === 48) {
    if (c.check !== 'signature') same(m.proofDigest(bytes, V), c.digest); // else it is what was signed, perhaps of another V
    assert.equal(m.verifyPossession(bytes, V, signature), c.check !== 'signature');
  } // else it has no digest: a V of another width is malformed before any signature is looked at
  if (c.x !== undefined && c.check !== 'signature') await replay(c);
  if (accept) same(read.name, c.name);
  return c.check === 'signature' ? false : m.verifyLogin(bytes, V, S);
}

function batch(c) {
  const vs = split(c.vs);
  const bad = m.verifyLogins(split(c.transcripts).map((transcript, i) => ({ transcript, V: vs[i] })), unhex(c.serverKey));
  assert.deepEqual(bad, numbers(c.bad));
  return bad.length === 0;
}

function document(c, accept) {
  const d = m.decodeDocument(unhex(c.document));
  if (accept) m.findService(d, unhex(c.serviceID));
}

function row(c, accept) {
  const request = { spki: unhex(c.spki), time: BigInt(c.time), statements: split(c.statements), signature: unhex(c.signature) };
  const service = { ...view({ serviceID: c.serviceID }), domainID: unhex(c.domainID), origin: c.origin };
  if (accept) same(m.rowDigest({ ...service, ...request }), c.digest);
  m.checkRow(service, request, request.time);
}

function loginCard(c, accept) {
  const card = m.openLoginCard(unhex(c.card));
  sameFields(card, c, { service: 'service', origin: 'origin', key: 'key' });
  if (accept) same(m.loginCardFingerprint(card), hex(card.fingerprint));
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

function keyRequest(c) {
  const { domainID, loginServerKey, generation } = view(c);
  const r = m.openKeyRequest(unhex(c.request), loginServerKey);
  sameFields({ ...r, index: String(r.index) }, c, {
    serviceID: 'serviceID', generation: 'generation', index: 'index', replyKey: 'replyKey', time: 'time', nonce: 'nonce',
  });
  return m.equal(r.domainID, domainID) && m.equal(r.generation, generation);
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
  const { body, evidence, request } = m.openRequest(unhex(c.request));
  if (accept) {
    same(m.bareHash(body), c.bare);
    same(m.decodeSuccession(evidence).voucher, c.voucher);
    same(m.successionDigest(unhex(c.voucher), m.bareHash(body)), c.digest);
  }
  const { domainID } = documentOf(c);
  const own = { domainID, serviceID: request.serviceID, index: request.index, loginServerKey: unhex(c.key) };
  const { time } = m.openVoucher(m.decodeSuccession(evidence).voucher, own.loginServerKey);
  m.checkSuccession(body, evidence, own, time); // the requests of the vectors are a day older than their vouchers
}

const HANDLERS = {
  pin, points, token, transcript, login, batch, document, row, 'login card': loginCard, voucher, notice,
  'server key request': keyRequest, 'server key share': keyShare, 'server key': serverKey, succession,
};

runFile('mpin', (c, accept) => {
  assert.ok(Object.hasOwn(HANDLERS, c.what), `unknown case "${c.what}"`);
  return HANDLERS[c.what](c, accept);
});
