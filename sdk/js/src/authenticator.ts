// A secret outside of the store: of an authenticator, such as the security chip of a device. What is bound to it is of no use to
// whoever copies the store.

import { lp, need } from './encoding.js';

/** Who keeps secrets for credentials, each used only when the person confirms. Whoever does not, is a NotConfirmed. */
export interface Authenticator {
  /** Whether there is one that can keep secrets. Nobody is asked. */
  available(): Promise<boolean>;
  /**
   * Makes a credential for a person.
   * @param salt 32 bytes
   * @returns its id, and its secret for the salt
   */
  create(name: string, salt: Uint8Array): Promise<{ credential: Uint8Array, secret: Uint8Array }>;
  /**
   * The secret of a credential for a salt, 32 bytes: the same each time, and another one for each credential.
   * @param salt 32 bytes
   */
  secret(credential: Uint8Array, salt: Uint8Array): Promise<Uint8Array>;
}

/** The authenticator does not give its secret: nobody confirmed, it is not here, or it keeps none. */
export class NotConfirmed extends Error {
  constructor(why: string) {
    super(`authenticator: ${why}`);
    this.name = 'NotConfirmed';
  }
}

/** What is stored of a binding. */
export interface Binding {
  credential: Uint8Array;
  /** 32 bytes */
  salt: Uint8Array;
}

/** A binding, and the key that seals what is bound: for memory alone. */
export class Bound {
  constructor(readonly binding: Binding, readonly key: CryptoKey) {}
}

/**
 * The key that seals what is bound. It cannot be extracted, and the secret is erased.
 * @param secret 32 bytes, of the authenticator
 */
export async function bindingKey({ credential, salt }: Binding, secret: Uint8Array): Promise<CryptoKey> {
  need(secret.length === 32, `authenticator: a secret of ${secret.length} bytes`);
  const raw = Uint8Array.from(secret);
  secret.fill(0);
  const base = await crypto.subtle.importKey('raw', raw, 'HKDF', false, ['deriveKey']);
  raw.fill(0);
  const info = Uint8Array.from(lp('milagro/v1 browser binding', credential));
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: Uint8Array.from(salt), info };
  return crypto.subtle.deriveKey(hkdf, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']);
}
