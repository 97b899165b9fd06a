// spec/issuance.md "Request": HPKE (RFC 9180), one-shot base mode, of MLKEM768-X25519 (X-Wing), HKDF-SHA256 and AES-256-GCM.

import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';
import { bytes, concat, need, Refused, text } from './encoding.js';

/** Length of `enc`, before the ciphertext. */
export const ENC = 1120;
const NONE = new Uint8Array(0);
const SUITE = concat(text('HPKE'), Uint8Array.of(0x64, 0x7a, 0, 1, 0, 2));

const labeledExtract = (salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array =>
  extract(sha256, concat(text('HPKE-v1'), SUITE, text(label), ikm), salt);
const labeledExpand = (prk: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array =>
  expand(sha256, prk, concat(Uint8Array.of(length >> 8, length & 255), text('HPKE-v1'), SUITE, text(label), info), length);

async function schedule(secret: Uint8Array, info: Uint8Array, use: 'encrypt' | 'decrypt') {
  const context = concat(Uint8Array.of(0), labeledExtract(NONE, 'psk_id_hash', NONE), labeledExtract(NONE, 'info_hash', info));
  const prk = labeledExtract(secret, 'secret', NONE);
  const raw = Uint8Array.from(labeledExpand(prk, 'key', context, 32));
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, [use]);
  return { key, algorithm: { name: 'AES-GCM', iv: Uint8Array.from(labeledExpand(prk, 'base_nonce', context, 12)), tagLength: 128 } };
}

/** @returns a reply key: its seed of 32 bytes, and 1216 bytes to be sent */
export function newReplyKey(): { box: Uint8Array, publicKey: Uint8Array } {
  const { secretKey, publicKey } = xwing.keygen();
  return { box: secretKey, publicKey };
}

/**
 * @param box the seed of a private key, 32 bytes
 * @returns its public key, 1216 bytes
 */
export const publicKeyOf = (box: Uint8Array): Uint8Array => xwing.keygen(bytes(box, 'HPKE seed', 32)).publicKey;

/**
 * @param publicKey 1216 bytes
 * @returns enc ‖ ciphertext
 */
export async function seal(publicKey: Uint8Array, info: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array> {
  bytes(publicKey, 'HPKE key', 1216);
  let kem;
  try {
    kem = xwing.encapsulate(publicKey);
  } catch {
    throw new Refused('HPKE key: nothing can be sealed to it');
  }
  const { key, algorithm } = await schedule(kem.sharedSecret, info, 'encrypt');
  return concat(kem.cipherText, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, Uint8Array.from(plaintext))));
}

/**
 * @param box the seed of the private key, 32 bytes
 * @param sealed enc ‖ ciphertext
 * @returns the plaintext
 */
export async function open(box: Uint8Array, info: Uint8Array, sealed: Uint8Array): Promise<Uint8Array> {
  bytes(box, 'HPKE seed', 32);
  need(bytes(sealed, 'sealed').length >= ENC + 16, `sealed: only ${sealed.length} bytes`);
  let secret;
  try {
    secret = xwing.decapsulate(sealed.slice(0, ENC), box);
  } catch {
    throw new Refused('sealed: does not open');
  }
  const { key, algorithm } = await schedule(secret, info, 'decrypt');
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, Uint8Array.from(sealed.subarray(ENC))));
  } catch {
    throw new Refused('sealed: does not open');
  }
}
