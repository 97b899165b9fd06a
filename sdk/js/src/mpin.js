// spec/mpin.md "Keys" and "Login": points, intent, transcript, y and what the device signs.

import { bytes, equal, field, H, lp, need, readLP, u8 } from './encoding.js';
import { decodeG1, hashToScalar } from './groups.js';
import { channelKind, device as checkDevice, epochBytes, read, write } from './fields.js';
import { deviceHash, identityPoint, verifyDeviceSignature } from './identity.js';

const ABSENT = new Uint8Array(0);
const SUITE = 1;

/**
 * @typedef {object} Subject who logs in where, and when
 * @property {Uint8Array} serviceID
 * @property {string} name
 * @property {Uint8Array} device 32 bytes
 * @property {import('./epochs.js').Epoch | Uint8Array} epoch
 */

/**
 * A, A_e and B = A + A_e.
 * @param {Subject} s
 */
export function loginPoints({ serviceID, name, device, epoch }) {
  const A = identityPoint('mpin', { serviceID, name, device });
  const Ae = identityPoint('permit', { serviceID, name, device, epoch });
  const B = A.add(Ae);
  need(!B.is0(), 'B: the identity');
  return { A, Ae, B };
}

/**
 * @param {Uint8Array} device the new one, 32 bytes
 * @returns {Uint8Array} the intent of a login that is made to change the PIN
 */
export const encodeIntent = (device) => lp('milagro/v1 mpin new device', checkDevice(device, 'new device'));

/**
 * @param {Uint8Array} b
 * @returns {Uint8Array} the new device
 */
export const decodeIntent = (b) => readLP(b, 'milagro/v1 mpin new device', [read.device('new device')])[0];

function checkIntent(intent, own) {
  if (intent === null) return;
  need(!equal(decodeIntent(intent), own), 'intent: the new device is the one that logs in');
}

function checkChannel(kind, channel) {
  channelKind(kind);
  need((kind === 0) === (channel === null), `channel kind ${kind}: ${channel ? 'with' : 'without'} a channel`);
}

/**
 * @typedef {object} Transcript
 * @property {Uint8Array} domainID
 * @property {Uint8Array} serviceID
 * @property {string} origin
 * @property {string} name
 * @property {Uint8Array} spki 91 bytes
 * @property {import('./epochs.js').Epoch | Uint8Array} epoch
 * @property {Uint8Array} session 32 bytes
 * @property {Uint8Array} nonce 32 bytes
 * @property {Uint8Array} U 48 bytes
 * @property {Uint8Array|null} [channel] the 32 bytes of the TLS exporter; its kind is 1 iff they are there
 * @property {Uint8Array|null} [intent] of encodeIntent
 */

/**
 * @param {Transcript} t
 * @returns {Uint8Array}
 */
export function encodeTranscript(t) {
  const channel = t.channel ?? null;
  const intent = t.intent ?? null;
  checkIntent(intent, deviceHash(t.spki));
  decodeG1(t.U, 'U');
  return lp(
    'milagro/v1 mpin login', u8(SUITE), bytes(t.domainID, 'domainID', 32), bytes(t.serviceID, 'serviceID', 32),
    write.origin(t.origin), write.name(t.name), t.spki, epochBytes(t.epoch), bytes(t.session, 'session', 32),
    bytes(t.nonce, 'nonce', 32), t.U, u8(channel ? 1 : 0), channel ? bytes(channel, 'channel', 32) : ABSENT, intent ?? ABSENT,
  );
}

/**
 * Reads a transcript; whether U is a point, verification looks.
 * @param {Uint8Array} b
 * @returns {Transcript & {device: Uint8Array, channelKind: number, epoch: Uint8Array, newDevice: Uint8Array|null}} newDevice is null without an intent
 */
export function decodeTranscript(b) {
  const [suite, domainID, serviceID, origin, name, spki, epoch, session, nonce, U, kind, channel, intent] = readLP(
    b, 'milagro/v1 mpin login', [
      field.u8, read.id('domainID'), read.id('serviceID'), read.origin, read.name, field.bytes(91, 'SPKI'), read.epoch,
      read.id('session'), read.id('nonce'), field.bytes(48, 'U'), field.u8,
      field.optional(read.id('channel')), field.optional((p) => p),
    ],
  );
  need(suite === SUITE, `transcript: suite ${suite}, not ${SUITE}`);
  const device = deviceHash(spki);
  checkChannel(kind, channel);
  checkIntent(intent, device);
  const newDevice = intent && decodeIntent(intent);
  return { domainID, serviceID, origin, name, spki, device, epoch, session, nonce, U, channelKind: kind, channel, intent, newDevice };
}

/**
 * @param {Uint8Array} transcript
 * @returns {bigint} 0 < y < r
 */
export const challengeOf = (transcript) => hashToScalar('MPINY', bytes(transcript, 'transcript'));

/**
 * @param {Uint8Array} transcript
 * @param {Uint8Array} V 48 bytes
 * @returns {Uint8Array} the message whose SHA-256 is the proof digest
 */
export const proofMessage = (transcript, V) =>
  lp('milagro/v1 mpin proof', bytes(transcript, 'transcript'), bytes(V, 'V', 48));

/**
 * @param {Uint8Array} transcript
 * @param {Uint8Array} V 48 bytes
 * @returns {Uint8Array} what the device signs, 32 bytes
 */
export const proofDigest = (transcript, V) => H(proofMessage(transcript, V));

/**
 * Throws Refused, before it verifies anything, when V or signature has another width: then the session stays.
 * @param {Uint8Array} transcript
 * @param {Uint8Array} V 48 bytes
 * @param {Uint8Array} signature r ‖ s, 64 bytes
 * @returns {boolean} whether the device of the transcript signed
 */
export function verifyPossession(transcript, V, signature) {
  const digest = proofDigest(transcript, V);
  bytes(signature, 'signature', 64);
  return verifyDeviceSignature(decodeTranscript(transcript).spki, digest, signature);
}

/**
 * The statement of the nonce x.
 * @param {Subject & {domainID: Uint8Array}} s
 * @returns {Uint8Array}
 */
export const nonceStatement = ({ domainID, serviceID, name, device, epoch }) =>
  lp(
    'milagro/v1 mpin nonce', bytes(domainID, 'domainID', 32), bytes(serviceID, 'serviceID', 32), write.name(name),
    checkDevice(device), epochBytes(epoch),
  );
