// A domain of three authorities with a login service, and a person enrolled at it: for tests only.

import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { randomBytes } from '@noble/hashes/utils.js';
import * as m from '../dist/index.js';

export const NOW = 1_800_000_000;
export const NAME = 'acct:alice@example.org';
export const ORIGIN = 'https://login.example.org';
const T = 2;

const edKey = () => {
  const secret = ed25519.utils.randomSecretKey();
  return { secret, key: ed25519.getPublicKey(secret) };
};

/** @returns a device: its private key, SPKI and hash */
export function newDevice() {
  const secret = p256.utils.randomSecretKey();
  const spki = m.deviceKey(secret);
  return { secret, spki, hash: m.deviceHash(spki), sign: m.deviceSigner(secret) };
}

/** @returns a domain with one service; s is known to it, as to nobody outside of tests */
export function newDomain() {
  const mpk = m.encodePoint(m.P2.multiply(m.randomScalar()));
  const domainID = m.domainID('example.org', mpk);
  const s = m.randomScalar();
  const X = m.encodePoint(m.P1.multiply(s));
  const shares = m.split(s, T, 3);
  return {
    domain: 'example.org', domainID, s, X, t: T, service: 'login', origin: ORIGIN, serviceID: m.serviceID(domainID, 'login', X),
    generation: m.encodeGeneration({ counter: 1n, hash: randomBytes(32) }), shares,
    publicShares: shares.map((x) => m.encodePoint(m.P1.multiply(x.share))), authorityKeys: shares.map(edKey), server: edKey(),
    epoch: m.currentEpoch(m.schedule(2592000), NOW), S: m.encodePoint(m.P2.multiply(s)),
  };
}

/** The shares of a key of A, each proved and verified. */
export function issue(d, purpose, A) {
  const about = { domainID: d.domainID, serviceID: d.serviceID, purpose, generation: d.generation, requestHash: randomBytes(32), A: m.encodePoint(A) };
  return d.shares.map(({ index, share }) => {
    const statement = { ...about, index, X: d.publicShares[index - 1], D: m.keyShare(share, A) };
    if (!m.verifyProof(statement, m.prove(statement, share))) throw new Error('a true share was refused');
    return { index, D: statement.D, generation: d.generation };
  });
}

/** α without Argon2id, which takes a second. */
export const quickAlpha = (pin) => m.pinScalar(m.H(m.parsePIN(pin)));

/** @returns a person's login, and the factors but for the PIN */
export function enrol(d, pin, name = NAME, device = newDevice()) {
  const subject = { serviceID: d.serviceID, name, device: device.hash, epoch: d.epoch };
  const { A, Ae } = m.loginPoints(subject);
  const token = m.makeToken(issue(d, 'mpin', A), d.t, A, quickAlpha(pin));
  const permit = m.makePermit(issue(d, 'permit', Ae), d.t);
  const login = { domainID: d.domainID, serviceID: d.serviceID, origin: d.origin, name, spki: device.spki, epoch: d.epoch };
  return { device, login, token, permit };
}

/** One whole login. @returns {Promise<{transcript: Uint8Array, V: Uint8Array, signature: Uint8Array}>} */
export async function logIn({ device, login, token, permit }, pin, more = {}) {
  const attempt = new m.Attempt({ ...login, ...more }, { alpha: quickAlpha(pin), token, permit });
  return attempt.finish(randomBytes(32), randomBytes(32), device.sign);
}

/** The statements of enrolment of all authorities. */
export function statements(d, device, more = {}) {
  return d.authorityKeys.map(({ secret }, i) => m.signEnrolment({
    domainID: d.domainID, generation: d.generation, index: i + 1, purpose: 'mpin', serviceID: d.serviceID, name: NAME,
    device: device.hash, channelKind: 0, time: NOW, ...more,
  }, secret));
}
