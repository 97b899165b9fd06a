// Every case of document.json, issuance.json and revocations.json.

import assert from 'node:assert/strict';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { runFile, same } from '../testing/vectors.js';

const documentOf = (c) => m.decodeDocument(unhex(c.document));

function published(c, accept) {
  const stamp = c.stamp ? unhex(c.stamp) : null;
  const d = m.loadDocument({ document: unhex(c.document), signature: unhex(c.signature), stamp }, unhex(c.id));
  same(d.domainID, c.id);
  const shares = c.shares.split(',').map((D, i) => ({ index: i + 1, D: unhex(D) }));
  if (accept) same(m.combine(shares, d.t), c.signature);
}

runFile('document', {
  published,
  parse: documentOf,
  first: (c) => same(m.firstDocument(m.decodePlan(unhex(c.plan)), unhex(c.certificate)), c.document),
  approval: (c) => m.openDocumentApproval(documentOf(c), unhex(c.approval), Number(c.index)),
  fresh: (c) => m.isFresh(Number(c.day), BigInt(c.now)),
});

function code(c, accept) {
  const read = m.parseCode(c.typed);
  if (!accept) return;
  same(read.index, Number(c.index));
  same(read.random, c.random);
  same(m.codeHash(read), c.hash);
  same(m.formatCode(read), c.code);
}

async function request(c, accept) {
  const place = { domainID: unhex(c.domain), index: Number(c.index), time: BigInt(c.time) };
  const opened = m.openRequestAt(place, unhex(c.plaintext));
  if (!accept) return;
  same(m.H(opened.body), c.hash);
  same(m.encodeRequest(opened.request), hex(opened.body));
  const sealed = [await m.sealRequest(place, m.publicKeyOf(unhex(c.box)), unhex(c.plaintext))];
  if (c.sealed) sealed.push(unhex(c.sealed));
  for (const s of sealed) same((await m.openSealedRequest(place, unhex(c.box), s)).body, hex(opened.body));
  const elsewhere = m.openSealedRequest({ ...place, index: place.index + 1 }, unhex(c.box), sealed[0]);
  await assert.rejects(elsewhere, m.Refused);
}

async function reply(c, accept) {
  const { body, request: asked } = m.openRequest(unhex(c.request));
  const [hash, own] = [m.H(body), { domainID: asked.domainID, index: asked.index }];
  const read = m.acceptReply(documentOf(c), asked, hash, unhex(c.signed));
  if (!accept) return;
  same(m.publicKeyOf(unhex(c.box)), hex(asked.replyKey));
  for (const sealed of [unhex(c.sealed), await m.sealReply(own, hash, asked.replyKey, unhex(c.signed))]) {
    same(await m.openSealedReply(own, hash, unhex(c.box), sealed), c.signed);
  }
  same(read.name, asked.name);
}

function statement(c) {
  const e = m.openEnrolment(unhex(c.statement), documentOf(c).authorities[Number(c.index) - 1].key);
  same(e.name, c.name);
  same(e.time, BigInt(c.time));
  same(e.index, Number(c.index));
}

function time(c) {
  const d = documentOf(c);
  const place = { domainID: d.domainID, index: Number(c.index), time: BigInt(c.time) };
  return m.verifyTime(place, d.authorities[place.index - 1].key, unhex(c.request), unhex(c.signature));
}

const falseShare = (c) => same(m.judgeFalseShare(unhex(c.evidence)), Number(c.guilty));

runFile('issuance', { code, request, reply, statement, time, 'false share': falseShare });

runFile('revocations', (c, accept) => {
  const d = documentOf(c);
  const list = m.openRevocations(d, Number(c.index), unhex(c.list));
  if (!accept) return;
  same(list.index, Number(c.index));
  same(list.sequence, BigInt(c.sequence));
  same(list.time, BigInt(c.time));
  same(list.entries.map((e) => `${e.name} ${hex(e.device)}`).join(), c.entries);
  // 2 of 2: one authority's list suffices.
  for (const e of list.entries) assert.ok(m.isRevoked(d, [list], e) && !m.isRevoked(d, [], e) && !m.isRevoked({ ...d, t: 1 }, [list, list], e));
});
