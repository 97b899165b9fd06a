// A domain of three authorities with a login server that registers people, as a browser sees them, by fetch: for tests only. It is made
// of the sides of the specification that clients do not need.

import { ed25519 } from '@noble/curves/ed25519.js';
import { randomBytes } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';
import { NAME, newDomain, NOW, ORIGIN } from './login.js';

const ALL = [1, 2, 3];
const ABSENT = new Uint8Array(0);
const DAY = Math.floor(NOW / 86400);

class Refusal extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}
const allow = (condition, kind) => {
  if (!condition) throw new Refusal(kind);
};

// The domain document of newDomain's service, under a master that signs it.
function publish(d, boxes) {
  const master = m.randomScalar();
  const shares = m.split(master, d.t, ALL.length);
  const [mpk, ...Ys] = [master, ...shares.map((s) => s.share)].map((s) => m.encodePoint(m.P2.multiply(s)));
  const authority = (i) => m.list(m.u32(i), m.text(`operator ${i}`), m.text(`https://dta${i}.example.org`), d.authorityKeys[i - 1].key, m.publicKeyOf(boxes[i - 1]), Ys[i - 1]);
  const schedule = (purpose) => m.list(m.text(purpose), m.u32(2592000), m.u32(0), m.u64(0));
  const service = m.list(m.text('login'), d.X, d.generation, m.text(ORIGIN), d.server.key, m.list(...d.publicShares));
  const document = m.lp(
    'milagro/v1 domain document', m.text('example.org'), mpk, m.u64(1), ABSENT, m.u32(d.t), m.encodeGeneration({ counter: 1n, hash: randomBytes(32) }),
    m.list(...ALL.map(authority)), m.list(schedule('channel'), schedule('permit')), m.u8(1), m.list(service), m.list(),
  );
  const { domainID, hash } = m.decodeDocument(document);
  const sign = (purpose, more) => m.keyShare(master, m.identityPoint(purpose, { domainID, revision: 1n, documentHash: hash, ...more }));
  const stamp = m.lp('milagro/v1 stamp', m.u64(1), hash, m.u32(DAY), sign('fresh', { day: DAY }));
  return { document, signature: sign('document', {}), stamp };
}

/** @returns what a client needs (origin, fetch, now, stretch), and what the test asks of the operator */
export function newTown() {
  const d = newDomain();
  const boxes = ALL.map(() => randomBytes(32));
  const published = publish(d, boxes);
  const document = m.decodeDocument(published.document);
  const [service] = document.services;
  const view = m.serviceView(document, service.serviceID);
  const [invitations, holders, rows, sessions] = [new Map(), new Map(), new Map(), new Map()];
  const enrolled = new Set();
  const rowOf = (name, device) => `${name} ${m.base64(device)}`;

  // What an authority answers to a request.
  async function issue(index, sealed) {
    const own = { domainID: document.domainID, index };
    const { body, evidence, request: r } = await m.openSealedRequest(own, boxes[index - 1], sealed);
    const device = m.deviceHash(r.spki);
    const place = `${index} ${rowOf(r.name, device)}`;
    if (r.purpose === 'mpin') {
      allow(!enrolled.has(place), 'already-enrolled');
      if (m.decodeEvidence(evidence).kind === 'succession') m.checkSuccession(body, evidence, { ...view, index }, NOW);
      else m.checkRegistration(m.openRegistration(m.decodeRegistered(evidence).registration, d.server.key), { ...r, device }, NOW);
      enrolled.add(place);
    } else allow(enrolled.has(place), 'not-enrolled');
    const { index: i, share } = d.shares[index - 1];
    const subject = { serviceID: r.serviceID, name: r.name, device };
    const A = r.purpose === 'mpin' ? m.identityPoint('mpin', subject) : m.identityPoint('permit', { ...subject, epoch: r.epoch });
    const about = { ...r, index: i, requestHash: m.H(body), A: m.encodePoint(A), X: d.publicShares[index - 1], D: m.keyShare(share, A) };
    const statement = r.purpose === 'mpin' ? m.signEnrolment({ ...r, device, time: NOW }, d.authorityKeys[index - 1].secret) : ABSENT;
    const reply = m.lp(
      'milagro/v1 reply', r.domainID, r.generation, m.u32(i), m.text(r.purpose), r.serviceID, m.text(r.name), device, r.epoch ?? ABSENT, about.requestHash,
      about.D, m.prove(about, share), statement,
    );
    return m.sealReply(own, about.requestHash, r.replyKey, m.signEnvelope(reply, d.authorityKeys[index - 1].secret));
  }

  function vouchers({ token, spki: text, signature }) {
    const [invited, spki] = [invitations.get(token), m.readBase64(text)];
    allow(invited && m.verifyDeviceSignature(spki, m.H(m.enrolMessage(token, service.serviceID, spki)), m.readBase64(signature)), 'invitation-refused');
    const device = m.deviceHash(spki);
    if (!holders.has(token)) holders.set(token, m.base64(device)); // the first that asks
    allow(holders.get(token) === m.base64(device), 'invitation-refused');
    const registration = (i) => m.lp('milagro/v1 registration', document.domainID, service.serviceID, m.u32(i), m.text(invited), device, m.u64(NOW), m.u64(NOW + 3600), randomBytes(32));
    return { vouchers: ALL.map((i) => m.base64(m.signEnvelope(registration(i), d.server.secret))) };
  }

  function row({ device, time, statements, signature }) {
    const made = m.checkRow(view, { spki: m.readBase64(device), time, statements: statements.map((s) => m.readBase64(s)), signature: m.readBase64(signature) }, NOW);
    rows.set(rowOf(made.name, made.device), 'new');
    return {};
  }

  function begin(q) {
    const [session, nonce] = [randomBytes(32), randomBytes(32)];
    const login = { domainID: document.domainID, serviceID: m.readBase64(q.service), origin: ORIGIN, name: q.name, spki: m.readBase64(q.device), epoch: m.readBase64(q.epoch), U: m.readBase64(q.u) };
    sessions.set(m.base64(session), m.encodeTranscript({ ...login, session, nonce, intent: q.intent ? m.readBase64(q.intent) : null }));
    return { session: m.base64(session), nonce: m.base64(nonce) };
  }

  function finish({ session, v, signature }) {
    const transcript = sessions.get(session);
    sessions.delete(session);
    const [V, t] = [m.readBase64(v), m.decodeTranscript(transcript)];
    allow(m.verifyPossession(transcript, V, m.readBase64(signature)), 'possession');
    const own = rowOf(t.name, t.device);
    allow(rows.has(own) && rows.get(own) !== 'ended' && m.verifyLogin(transcript, V, d.S), 'login-refused');
    // A successor's first login ends the device before it.
    if (rows.get(own) === 'new') for (const other of rows.keys()) if (other !== own && other.startsWith(`${t.name} `)) rows.set(other, 'ended');
    rows.set(own, 'good');
    const voucher = (index) => m.signVoucher({ domainID: document.domainID, serviceID: t.serviceID, index, name: t.name, oldDevice: t.device, newDevice: t.newDevice, time: NOW, nonce: randomBytes(32) }, d.server.secret);
    return { statement: `of ${t.name}`, expires: NOW + 300, ...(t.newDevice && { vouchers: ALL.map((i) => m.base64(voucher(i))) }) };
  }

  const calls = {
    '/v1/domain': () => Object.fromEntries(Object.entries(published).map(([k, b]) => [k, m.base64(b)])),
    '/v1/enrol/open': ({ token }) => {
      allow(invitations.has(token), 'invitation-refused');
      return { name: invitations.get(token), service: 'login', expires: NOW + 3600, authorities: ALL };
    },
    '/v1/enrol/vouchers': vouchers, '/v1/mpin/row': row, '/v1/mpin/begin': begin, '/v1/mpin/finish': finish,
  };
  for (const i of ALL) calls[`/v1/relay/${i}`] = async ({ request }) => ({ reply: m.base64(await issue(i, m.readBase64(request))) });

  const fetch = async (url, { body }) => {
    try {
      return Response.json(await calls[new URL(url).pathname](body && JSON.parse(body)));
    } catch (e) {
      if (!(e instanceof Refusal)) throw e;
      return Response.json({ type: `urn:milagro:problem:${e.kind}` }, { status: 403 });
    }
  };
  return {
    origin: ORIGIN, fetch, now: () => NOW,
    stretch: async (pin, salt) => m.H(m.lp('quick', pin, salt)), // Argon2id takes a second here
    /** An invitation's token. */
    invite: (name = NAME) => {
      const token = Buffer.from(randomBytes(32)).toString('base64url');
      invitations.set(token, name);
      return token;
    },
  };
}

/** An authenticator in software; its person confirms unless told otherwise. */
export class SoftwareAuthenticator {
  #secrets = new Map();
  confirms = true;
  keepsSecrets = true;
  asked = 0;

  async available() {
    return true;
  }

  async create(_name, salt) {
    if (!this.confirms || !this.keepsSecrets) throw new m.NotConfirmed('declined');
    const credential = randomBytes(16);
    this.#secrets.set(m.base64(credential), randomBytes(32));
    return { credential, secret: this.#of(credential, salt) };
  }

  async secret(credential, salt) {
    this.asked += 1;
    if (!this.confirms || !this.#secrets.has(m.base64(credential))) throw new m.NotConfirmed('declined');
    return this.#of(credential, salt);
  }

  #of(credential, salt) {
    return m.H(m.lp('software authenticator', this.#secrets.get(m.base64(credential)), salt));
  }
}
