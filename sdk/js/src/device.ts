// spec/identity.md "Devices": the private half of a device.

import { p256 } from '@noble/curves/nist.js';
import { bytes, concat, H } from './encoding.js';
import { parseDevice } from './identity.js';

const HEAD = '3059301306072a8648ce3d020106082a8648ce3d030107034200';

/** A signer takes the message whose SHA-256 is the digest, so that a key of WebCrypto, which hashes by itself, can be one. */
export type Signer = (message: Uint8Array) => Promise<Uint8Array> | Uint8Array;

/**
 * @param secretKey 32 bytes
 * @returns the SubjectPublicKeyInfo, 91 bytes
 */
export function deviceKey(secretKey: Uint8Array): Uint8Array {
  bytes(secretKey, 'device private key', 32);
  const head = Uint8Array.from(HEAD.match(/../g) ?? [], (h) => parseInt(h, 16));
  return concat(head, p256.getPublicKey(secretKey, false));
}

/**
 * @param secretKey 32 bytes
 * @param digest 32 bytes, not hashed again
 * @returns r ‖ s, 64 bytes
 */
export function signDigest(secretKey: Uint8Array, digest: Uint8Array): Uint8Array {
  bytes(secretKey, 'device private key', 32);
  return p256.sign(bytes(digest, 'digest', 32), secretKey, { prehash: false, lowS: false, format: 'compact' });
}

/** @param secretKey 32 bytes */
export const deviceSigner = (secretKey: Uint8Array): Signer => (message) => signDigest(secretKey, H(message));

/** @param privateKey of ECDSA with P-256; it need not be extractable */
export const webDeviceSigner = (privateKey: CryptoKey): Signer => async (message) => {
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, Uint8Array.from(message));
  return bytes(new Uint8Array(signature), 'device signature', 64);
};

/**
 * @param publicKey of ECDSA with P-256
 * @returns the SubjectPublicKeyInfo, 91 bytes
 */
export async function webDeviceKey(publicKey: CryptoKey): Promise<Uint8Array> {
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey));
  parseDevice(spki);
  return spki;
}
