// spec/identity.md "Devices": the private half of a device.

import { p256 } from '@noble/curves/nist.js';
import { bytes, concat, H } from './encoding.js';
import { parseDevice } from './identity.js';

const HEAD = '3059301306072a8648ce3d020106082a8648ce3d030107034200';

/**
 * A signer takes the message whose SHA-256 is the digest, so that a key of WebCrypto, which hashes by itself, can be one.
 * @typedef {(message: Uint8Array) => Promise<Uint8Array>|Uint8Array} Signer
 */

/**
 * @param {Uint8Array} secretKey 32 bytes
 * @returns {Uint8Array} the SubjectPublicKeyInfo, 91 bytes
 */
export function deviceKey(secretKey) {
  bytes(secretKey, 'device private key', 32);
  const head = Uint8Array.from(HEAD.match(/../g) ?? [], (h) => parseInt(h, 16));
  return concat(head, p256.getPublicKey(secretKey, false));
}

/**
 * @param {Uint8Array} secretKey 32 bytes
 * @param {Uint8Array} digest 32 bytes, not hashed again
 * @returns {Uint8Array} r ‖ s, 64 bytes
 */
export function signDigest(secretKey, digest) {
  bytes(secretKey, 'device private key', 32);
  return p256.sign(bytes(digest, 'digest', 32), secretKey, { prehash: false, lowS: false, format: 'compact' });
}

/**
 * @param {Uint8Array} secretKey 32 bytes
 * @returns {Signer}
 */
export const deviceSigner = (secretKey) => (message) => signDigest(secretKey, H(message));

/**
 * @param {CryptoKey} privateKey of ECDSA with P-256; it need not be extractable
 * @returns {Signer}
 */
export const webDeviceSigner = (privateKey) => async (message) => {
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, Uint8Array.from(message));
  return bytes(new Uint8Array(signature), 'device signature', 64);
};

/**
 * @param {CryptoKey} publicKey of ECDSA with P-256
 * @returns {Promise<Uint8Array>} the SubjectPublicKeyInfo, 91 bytes
 */
export async function webDeviceKey(publicKey) {
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey));
  parseDevice(spki);
  return spki;
}
