// The authenticator that a browser has: WebAuthn's extension prf (W3C WebAuthn Level 3), of the device's own security chip.
//
// Its secrets are of this origin alone, which the browser sees to. Nothing goes to a server: no signature is looked at.

import { bytes, need } from './encoding.js';
import { NotConfirmed } from './authenticator.js';
import type { Authenticator } from './authenticator.js';

const TIMEOUT = 60_000;
const ES256 = -7;
const RS256 = -257;

const fresh = (n: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(n));

const extensions = (salt: Uint8Array): AuthenticationExtensionsClientInputs => ({ prf: { eval: { first: Uint8Array.from(salt) } } });

// The browser tells nobody whether a credential is not here, or the person declined.
async function asked(ceremony: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let credential: Credential | null;
  try {
    credential = await ceremony();
  } catch (e) {
    throw new NotConfirmed(e instanceof Error ? `${e.name}: ${e.message}` : 'refused');
  }
  if (!(credential instanceof PublicKeyCredential)) throw new NotConfirmed('no credential');
  return credential;
}

// The secret in an answer, if there is one.
function secretIn(credential: PublicKeyCredential): Uint8Array | undefined {
  const first = credential.getClientExtensionResults().prf?.results?.first;
  if (first === undefined) return undefined;
  return bytes(first instanceof ArrayBuffer ? new Uint8Array(first) : new Uint8Array(first.buffer, first.byteOffset, first.byteLength), 'secret', 32);
}

const creation = (name: string, salt: Uint8Array): PublicKeyCredentialCreationOptions => ({
  rp: { name: 'Milagro' }, user: { id: fresh(32), name, displayName: name }, challenge: fresh(32),
  pubKeyCredParams: [ES256, RS256].map((alg) => ({ type: 'public-key', alg })), attestation: 'none', timeout: TIMEOUT,
  authenticatorSelection: { authenticatorAttachment: 'platform', residentKey: 'discouraged', userVerification: 'required' },
  extensions: extensions(salt),
});

const request = (credential: Uint8Array, salt: Uint8Array): PublicKeyCredentialRequestOptions => ({
  challenge: fresh(32), allowCredentials: [{ type: 'public-key', id: Uint8Array.from(credential) }], userVerification: 'required',
  timeout: TIMEOUT, extensions: extensions(salt),
});

async function secret(credential: Uint8Array, salt: Uint8Array): Promise<Uint8Array> {
  const found = secretIn(await asked(() => navigator.credentials.get({ publicKey: request(credential, salt) })));
  if (!found) throw new NotConfirmed('it keeps no secrets');
  return found;
}

async function create(name: string, salt: Uint8Array): Promise<{ credential: Uint8Array, secret: Uint8Array }> {
  const made = await asked(() => navigator.credentials.create({ publicKey: creation(name, salt) }));
  const credential = new Uint8Array(made.rawId);
  need(credential.length > 0 && credential.length <= 1023, 'authenticator: no credential id');
  if (!made.getClientExtensionResults().prf?.enabled) throw new NotConfirmed('it keeps no secrets');
  // Many give the secret only when they are asked for it.
  return { credential, secret: secretIn(made) ?? (await secret(credential, salt)) };
}

// An origin must have a name: WebAuthn knows no addresses.
const named = (host: string): boolean => !/^[\d.]+$|:/.test(host);

async function available(): Promise<boolean> {
  if (!globalThis.PublicKeyCredential || !globalThis.isSecureContext || !named(location.hostname)) return false;
  try {
    const can = await PublicKeyCredential.getClientCapabilities?.();
    if (can?.['extension:prf'] === false) return false;
    return await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
  } catch {
    return false;
  }
}

/** @returns the authenticator of this device, for this origin */
export const platformAuthenticator = (): Authenticator => ({ available, create, secret });
