// spec/mpin.md "Keys" and "Login": points, intent, transcript, y and what the device signs.

import { bytes, equal, field, H, lp, need, readLP, u8 } from './encoding.js';
import { decodeG1, hashToScalar } from './groups.js';
import { channelKind, device as checkDevice, epochBytes, read, write } from './fields.js';
import { deviceHash, identityPoint, verifyDeviceSignature } from './identity.js';
import type { Epoch } from './epochs.js';

const ABSENT = new Uint8Array(0);
const SUITE = 1;

/** Who logs in where, and when. */
export interface Subject {
  serviceID: Uint8Array;
  name: string;
  /** 32 bytes */
  device: Uint8Array;
  epoch: Epoch | Uint8Array;
}

/** A, A_e and B = A + A_e. */
export function loginPoints({ serviceID, name, device, epoch }: Subject) {
  const A = identityPoint('mpin', { serviceID, name, device });
  const Ae = identityPoint('permit', { serviceID, name, device, epoch });
  const B = A.add(Ae);
  need(!B.is0(), 'B: the identity');
  return { A, Ae, B };
}

/**
 * @param device the new one, 32 bytes
 * @returns the intent of a login that is made to change the PIN
 */
export const encodeIntent = (device: Uint8Array): Uint8Array => lp('milagro/v1 mpin new device', checkDevice(device, 'new device'));

/** @returns the new device */
export const decodeIntent = (b: Uint8Array): Uint8Array => readLP(b, 'milagro/v1 mpin new device', [read.device('new device')])[0];

function checkIntent(intent: Uint8Array | null, own: Uint8Array): void {
  if (intent === null) return;
  need(!equal(decodeIntent(intent), own), 'intent: the new device is the one that logs in');
}

function checkChannel(kind: number, channel: Uint8Array | null): void {
  channelKind(kind);
  need((kind === 0) === (channel === null), `channel kind ${kind}: ${channel ? 'with' : 'without'} a channel`);
}

export interface Transcript {
  domainID: Uint8Array;
  serviceID: Uint8Array;
  origin: string;
  name: string;
  /** 91 bytes */
  spki: Uint8Array;
  epoch: Epoch | Uint8Array;
  /** 32 bytes */
  session: Uint8Array;
  /** 32 bytes */
  nonce: Uint8Array;
  /** 48 bytes */
  U: Uint8Array;
  /** the 32 bytes of the TLS exporter; its kind is 1 iff they are there */
  channel?: Uint8Array | null;
  /** of encodeIntent */
  intent?: Uint8Array | null;
}

export function encodeTranscript(t: Transcript): Uint8Array {
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
 * @returns newDevice is null without an intent
 */
export function decodeTranscript(b: Uint8Array): Transcript & { device: Uint8Array, channelKind: number, epoch: Uint8Array, newDevice: Uint8Array | null } {
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

/** @returns 0 < y < r */
export const challengeOf = (transcript: Uint8Array): bigint => hashToScalar('MPINY', bytes(transcript, 'transcript'));

/**
 * @param V 48 bytes
 * @returns the message whose SHA-256 is the proof digest
 */
export const proofMessage = (transcript: Uint8Array, V: Uint8Array): Uint8Array =>
  lp('milagro/v1 mpin proof', bytes(transcript, 'transcript'), bytes(V, 'V', 48));

/**
 * @param V 48 bytes
 * @returns what the device signs, 32 bytes
 */
export const proofDigest = (transcript: Uint8Array, V: Uint8Array): Uint8Array => H(proofMessage(transcript, V));

/**
 * Throws Refused, before it verifies anything, when V or signature has another width: then the session stays.
 * @param V 48 bytes
 * @param signature r ‖ s, 64 bytes
 * @returns whether the device of the transcript signed
 */
export function verifyPossession(transcript: Uint8Array, V: Uint8Array, signature: Uint8Array): boolean {
  const digest = proofDigest(transcript, V);
  bytes(signature, 'signature', 64);
  return verifyDeviceSignature(decodeTranscript(transcript).spki, digest, signature);
}

/** The statement of the nonce x. */
export const nonceStatement = ({ domainID, serviceID, name, device, epoch }: Subject & { domainID: Uint8Array }): Uint8Array =>
  lp(
    'milagro/v1 mpin nonce', bytes(domainID, 'domainID', 32), bytes(serviceID, 'serviceID', 32), write.name(name),
    checkDevice(device), epochBytes(epoch),
  );
