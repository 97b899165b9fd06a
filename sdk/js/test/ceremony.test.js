// A ceremony of three, of which one is bad: what vectors of two honest authorities do not show.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex as hex, randomBytes } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';

const N = 3;
const ALL = [1, 2, 3];

function newPlan() {
  const own = ALL.map((i) => {
    const [secret, box] = [ed25519.utils.randomSecretKey(), randomBytes(32)];
    const card = { name: `operator ${i}`, url: `https://dta${i}.example.org`, key: ed25519.getPublicKey(secret), hpke: m.publicKeyOf(box) };
    return { secret, card: m.signCard(card, secret) };
  });
  const schedule = m.list(m.text('channel'), m.u32(86400));
  const b = m.lp('milagro/v1 plan', m.text('public'), m.text('example.org'), new Uint8Array(0), m.u32(2), m.u32(N), m.list(schedule), m.list(), m.list(...own.map((o) => o.card)));
  return { plan: m.decodePlan(b), secrets: own.map((o) => o.secret) };
}

// A run as far as its reveals; bad alters what authority 2 reveals.
async function run(bad = {}) {
  const { plan, secrets } = newPlan();
  const sign = (index, body) => m.signEnvelope(body, secrets[index - 1]);
  const boxes = ALL.map((i) => new Map(m.others(plan, i).map((d) => [d, randomBytes(32)])));
  const contributions = ALL.map((index) => m.encodeContribution({ planHash: plan.hash, index, random: randomBytes(32), keys: [...boxes[index - 1].values()].map(m.publicKeyOf) }));
  const id = m.ceremonyID(plan, contributions);
  const reveals = await Promise.all(ALL.map(async (index) => {
    const alter = index === 2 ? bad : {};
    const d = m.deal(plan, id, index, [m.randomScalar(), m.randomScalar()]);
    const value = (j) => m.encodeScalar(m.mod(d.values[j - 1] + (alter.value === j ? 1n : 0n)));
    const key = (j) => m.publicKeyOf(boxes[j - 1].get(index));
    const sealed = await Promise.all(m.others(plan, index).map((j) => m.seal(key(j), m.valueInfo(id, 'public', index, j), value(j))));
    return m.encodeReveal({ id, index, commitments: d.commitments, proof: d.proof, sealed, ...alter.reveal });
  }));
  const commits = ALL.map((index) => m.encodeCommit({ id, index, hash: m.committed(id, index, reveals[index - 1]) }));
  const file = (offence, ...messages) => {
    const b = m.lp('milagro/v1 blame', m.text(offence), plan.bytes, m.list(...contributions.map((c, i) => sign(i + 1, c))), m.list(...messages));
    return `-----BEGIN MILAGRO BLAME-----\n${m.base64(b).replace(/.{1,64}/g, '$&\n')}-----END MILAGRO BLAME-----\n`;
  };
  return { plan, id, boxes, reveals, commits, sign, file };
}

const innocent = (file) => assert.rejects(m.judge(file), m.Refused);

test('shares of three authorities are of one key, any two of them', async () => {
  const { plan, id, boxes, reveals, commits, sign } = await run();
  const read = reveals.map((b) => m.decodeReveal(plan, b));
  for (const r of read) m.checkDealing(plan, r);
  const outcome = m.outcomeOf(plan, m.transcriptOf(id, commits, reveals), read);
  const body = m.encodeOutcome(outcome);
  const certificate = m.encodeCertificate(body, ALL.map((i) => m.readEnvelope(sign(i, body)).signature));
  const d = m.decodeDocument(m.firstDocument(plan, certificate));
  assert.deepEqual(d.authorities.map((a) => hex(a.Y)), outcome.shares.map(hex));
  for (const [i, r] of read.entries()) {
    for (const j of m.others(plan, i + 1)) await m.openValue(plan, r, j, boxes[j - 1].get(i + 1));
  }
});

test('a false value convicts its dealer, and a complaint about a good one its maker', async () => {
  for (const [value, guilty, offence] of [[3, 2, 'false value'], [0, 3, 'false complaint']]) {
    const { id, boxes, reveals, sign, file } = await run({ value });
    const complaint = sign(3, m.encodeComplaint({ id, index: 3, dealer: 2, box: boxes[2].get(2) }));
    assert.deepEqual(await m.judge(file('false value', sign(2, reveals[1]), complaint)), { guilty, offence });
    // Another key, another signer, another run.
    await innocent(file('false value', sign(2, reveals[1]), sign(3, m.encodeComplaint({ id, index: 3, dealer: 2, box: boxes[2].get(1) }))));
    await innocent(file('false value', sign(2, reveals[1]), sign(1, m.encodeComplaint({ id, index: 3, dealer: 2, box: boxes[2].get(2) }))));
    await innocent(file('false value', sign(2, reveals[1]), sign(3, m.encodeComplaint({ id: randomBytes(32), index: 3, dealer: 2, box: boxes[2].get(2) }))));
  }
});

test('a reveal that does not possess, or of more than t commitments, is malformed', async () => {
  const other = m.encodePoint(m.P2.multiply(m.randomScalar()));
  for (const reveal of [{ proof: randomBytes(64) }, { commitments: [other, other, other] }, { commitments: [other, other] }]) {
    const { plan, reveals, sign, file } = await run({ reveal });
    assert.deepEqual(await m.judge(file('malformed reveal', sign(2, reveals[1]))), { guilty: 2, offence: 'malformed reveal' });
    await innocent(file('malformed reveal', sign(1, reveals[0])));
    await innocent(file('malformed reveal', sign(2, plan.bytes)));
  }
});

test('a dealing of one run is none of another', async () => {
  const [a, b] = [await run(), await run()];
  await innocent(a.file('malformed reveal', a.sign(2, m.encodeReveal({ ...m.decodeReveal(b.plan, b.reveals[1]) }))));
  await innocent(a.file('equivocation', a.sign(2, a.commits[1]), a.sign(2, b.commits[1])));
  await innocent(a.file('reveal differs from commit', a.sign(2, a.commits[1]), a.sign(2, a.reveals[1])));
  assert.throws(() => m.checkDealing(a.plan, { ...m.decodeReveal(a.plan, a.reveals[1]), id: b.id }), m.Refused);
});
