// spec/document.md "Signed envelope": a body and its Ed25519 signature.

import { ed25519 } from '@noble/curves/ed25519.js';
import { bytes, field, lp, need, readLP } from './encoding.js';

/**
 * @param {Uint8Array} body begins with a label of its own
 * @param {Uint8Array} secretKey the 32 bytes of RFC 8032
 * @returns {Uint8Array} the envelope
 */
export function signEnvelope(body, secretKey) {
  bytes(secretKey, 'Ed25519 private key', 32);
  return lp('milagro/v1 signed', bytes(body, 'body'), ed25519.sign(body, secretKey));
}

/**
 * Reads an envelope without looking at its signature.
 * @param {Uint8Array} envelope the bytes that arrived
 * @returns {{body: Uint8Array, signature: Uint8Array}}
 */
export function readEnvelope(envelope) {
  const [body, signature] = readLP(envelope, 'milagro/v1 signed', [(p) => p, field.bytes(64, 'signature')]);
  return { body, signature };
}

/**
 * @param {Uint8Array} envelope the bytes that arrived
 * @param {Uint8Array} key Ed25519, 32 bytes: whose signature it must bear
 * @param {string} [what] name of the message, for the error
 * @returns {Uint8Array} its body
 */
export function openEnvelope(envelope, key, what = 'envelope') {
  bytes(key, 'Ed25519 key', 32);
  const { body, signature } = readEnvelope(envelope);
  need(ed25519.verify(signature, body, key, { zip215: false }), `${what}: not signed by that key`);
  return body;
}
