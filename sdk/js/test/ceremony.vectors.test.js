// Every case of ceremony.json: whole runs of both kinds made again from their secrets, and files that convict.

import assert from 'node:assert/strict';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { runFile, same } from '../testing/vectors.js';

const split = (s) => s.split(',').map(unhex);
const scalars = (s) => split(s).map((b) => m.decodeScalar(b));

function card(c, accept) {
  const own = m.openCard(unhex(c.card));
  if (!accept) return;
  same(own.name, c.name);
  same(own.url, c.url);
  same(own.hpke, hex(m.publicKeyOf(unhex(c.box))));
  same(m.signCard(own, unhex(c.signing)), c.card);
  same(m.cardFingerprint(unhex(c.card)), c.fingerprint);
}

// The run as its messages have it: each is signed, and encoded again to the same bytes.
function read(c) {
  const plan = m.decodePlan(unhex(c.plan));
  const signing = split(c.signing);
  const of = (messages, decode, encode) =>
    split(messages).map((envelope, i) => {
      const body = m.openMessage(plan, i + 1, envelope);
      const message = decode(plan, body);
      same(m.signEnvelope(encode(message), signing[i]), hex(envelope));
      return { body, ...message };
    });
  return {
    plan,
    contributions: of(c.contributions, m.decodeContribution, m.encodeContribution),
    commits: of(c.commits, m.decodeCommit, m.encodeCommit),
    reveals: of(c.reveals, m.decodeReveal, m.encodeReveal),
    confirms: of(c.confirms, m.decodeOutcome, m.encodeOutcome),
  };
}

// Two authorities: each has made one key, for the other.
async function dealings(c, { plan, reveals }) {
  const [boxes, nonces] = [split(c.box), scalars(c.nonces)];
  const dealt = c.coefficients.split('/').map((f, i) => m.deal(plan, unhex(c.id), i + 1, scalars(f), nonces[i]));
  for (const [i, r] of reveals.entries()) {
    m.checkDealing(plan, r);
    same(r.commitments.map(hex).join(), dealt[i].commitments.map(hex).join());
    same(r.proof, hex(dealt[i].proof));
    const receiver = 2 - i;
    same(await m.openValue(plan, r, receiver, boxes[receiver - 1]), dealt[i].values[receiver - 1]);
    dealt[i].values.forEach((v, at) => assert.ok(m.fits(plan, r.commitments, at + 1, v) && !m.fits(plan, r.commitments, at + 2, v)));
    await assert.rejects(m.openValue(plan, { ...r, index: receiver }, i + 1, boxes[receiver - 1]), m.Refused, 'opens elsewhere');
  }
  const shares = dealt.map((_, at) => m.masterShare(dealt.map((d) => d.values[at])));
  same(shares.map((s) => hex(m.encodeScalar(s))).join(), c.shares);
  return shares;
}

// A public share verifies by pairing, an M-Pin one by its proof; all of them combine to one key.
function trial(c, { plan, outcome, generation, shares }) {
  const A = m.testPoint(plan.kind, generation);
  const test = shares.map((s, i) => ({ index: i + 1, D: m.testShare(plan.kind, generation, s) }));
  same(test.map(({ D }) => hex(D)).join(), c.test);
  const key = m.combine(test, plan.t);
  same(m.combine(test.toReversed(), plan.t), hex(key));
  if (plan.kind === 'public') {
    assert.deepEqual(m.verifyShares(test.map((t, i) => ({ ...t, Y: outcome.shares[i] })), A), []);
    return assert.ok(m.verifyKey(key, A, outcome.master));
  }
  const { domainID, name } = plan.service;
  const about = { domainID, serviceID: m.serviceID(domainID, name, outcome.master), purpose: 'test', generation, requestHash: generation.slice(8), A: m.encodePoint(A) };
  return test.forEach(({ index, D }, i) => {
    const statement = { ...about, index, X: outcome.shares[i], D };
    assert.ok(m.verifyProof(statement, m.prove(statement, shares[i])));
  });
}

async function run(c) {
  const all = read(c);
  const { plan, contributions, commits, reveals, confirms } = all;
  same(plan.kind, c.kind);
  const boxes = split(c.box);
  contributions.forEach((x, i) => same(x.keys.map(hex).join(), hex(m.publicKeyOf(boxes[i]))));
  const bodies = (messages) => messages.map((x) => x.body);
  const id = m.ceremonyID(plan, bodies(contributions));
  same(id, c.id);
  for (const x of [...commits, ...reveals, ...confirms]) same(x.id, c.id);
  commits.forEach((x, i) => same(x.hash, hex(m.committed(id, i + 1, reveals[i].body))));
  const shares = await dealings(c, all);
  const transcript = m.transcriptOf(id, bodies(commits), bodies(reveals));
  same(transcript, c.transcript);
  const outcome = m.outcomeOf(plan, transcript, reveals);
  for (const { body } of confirms) same(body, hex(m.encodeOutcome(outcome)));
  const signatures = split(c.confirms).map((e) => m.readEnvelope(e).signature);
  same(m.encodeCertificate(confirms[0].body, signatures), c.certificate);
  const { generation } = m.loadCertificate(plan, unhex(c.certificate));
  same(generation.slice(8), c.generation);
  trial(c, { plan, outcome, generation, shares });
}

function abort(c) {
  const plan = m.decodePlan(unhex(c.plan));
  const body = m.openMessage(plan, 1, unhex(c.message));
  const a = m.decodeAbort(plan, body);
  same(a.index, 1);
  same(a.id, c.id);
  same(m.encodeAbort(a), hex(body));
}

async function blame(c, accept) {
  const { guilty, offence } = await m.judge(c.blame);
  if (!accept) return;
  same(guilty, Number(c.guilty));
  same(offence, c.verdict);
}

const certificate = (c) => m.loadCertificate(m.decodePlan(unhex(c.plan)), unhex(c.certificate));

runFile('ceremony', { card, run, abort, blame, certificate, plan: (c) => m.decodePlan(unhex(c.plan)) });
