// spec/document.md "Signed envelope": a body and its Ed25519 signature.

import { ed25519 } from '@noble/curves/ed25519.js';
import { bytes, field, lp, need, readLP } from './encoding.js';

/**
 * @param body begins with a label of its own
 * @param secretKey the 32 bytes of RFC 8032
 * @returns the envelope
 */
export function signEnvelope(body: Uint8Array, secretKey: Uint8Array): Uint8Array {
  bytes(secretKey, 'Ed25519 private key', 32);
  return lp('milagro/v1 signed', bytes(body, 'body'), ed25519.sign(body, secretKey));
}

/**
 * Reads an envelope without looking at its signature.
 * @param envelope the bytes that arrived
 */
export function readEnvelope(envelope: Uint8Array): { body: Uint8Array, signature: Uint8Array } {
  const [body, signature] = readLP(envelope, 'milagro/v1 signed', [(p) => p, field.bytes(64, 'signature')]);
  return { body, signature };
}

/**
 * @param envelope the bytes that arrived
 * @param key Ed25519, 32 bytes: whose signature it must bear
 * @param what name of the message, for the error
 * @returns its body
 */
export function openEnvelope(envelope: Uint8Array, key: Uint8Array, what = 'envelope'): Uint8Array {
  bytes(key, 'Ed25519 key', 32);
  const { body, signature } = readEnvelope(envelope);
  need(ed25519.verify(signature, body, key, { zip215: false }), `${what}: not signed by that key`);
  return body;
}
