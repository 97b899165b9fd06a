// What a device keeps of its logins. Device keys are WebCrypto keys that cannot be extracted; tokens, permits and statements are
// sealed by another such key, so that what scripts can read of the store works nowhere else. The files of a browser hold these keys
// though: whoever copies them has them. What is bound to an authenticator is sealed by a key that is not there.

import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { Bound, bindingKey, NotConfirmed } from './authenticator.js';
import { base64, bytes, concat, lp, readBase64, readText, Refused, text } from './encoding.js';
import { webDeviceKey, webDeviceSigner } from './device.js';
import type { Authenticator, Binding } from './authenticator.js';
import type { Signer } from './device.js';
import type { Stretching } from './pin.js';
import type { Store } from './store.js';

const WRAP = 'wrap';
const DOMAIN = 'domain';

/** One device key with its token, which is absent until it was made. */
export interface HeldKey {
  id: string;
  spki: Uint8Array;
  sign: Signer;
  token?: Token;
}

export interface Token {
  name: string;
  domainID: Uint8Array;
  serviceID: Uint8Array;
  T: Uint8Array;
  salt: Uint8Array;
  stretching: Stretching;
  /** by index */
  statements: Uint8Array[];
}

/** The keys of one name, by id. */
export interface Account {
  name: string;
  active: string | null;
  /** waits for its first login */
  pending: string | null;
}

/** What an origin serves of its domain, in base64. */
export interface Published {
  document: string;
  signature: string;
  stamp?: string;
}

/** The domain of an origin. */
export interface Pinned {
  fingerprint: string;
  revision: bigint;
  /** of the stamp */
  day?: number;
  published: Published;
}

// The place is authenticated too: nothing opens elsewhere than where it was put.
const boundTo = (place: string) => Uint8Array.from(lp('milagro/v1 browser', text(place)));

const accountKey = (name: string) => `account ${name}`;
const deviceKeyOf = (id: string) => `device ${id}`;
const tokenKey = (id: string) => `token ${id}`;
const permitKey = (id: string, epoch: Uint8Array) => `permit ${id} ${bytesToHex(epoch)}`;

/** What was stored is not what was put there, or not all of it. */
export class Damaged extends Refused {
  constructor(place: string) {
    super(`${place}: damaged`);
    this.name = 'Damaged';
  }
}

// A device key: one that cannot be extracted, or the private half sealed by the key of a binding.
type DeviceRecord = { spki: Uint8Array } & ({ privateKey: CryptoKey } | { sealed: Uint8Array, binding: Binding });

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' };
const IV = 12;

function algorithmAt(place: string, iv: Uint8Array): AesGcmParams {
  return { name: 'AES-GCM', iv: Uint8Array.from(iv), additionalData: boundTo(place) };
}

/** Everything that one origin keeps. */
export class Vault {
  readonly #store: Store;
  readonly #authenticator: Authenticator | undefined;
  readonly #unlocked = new Map<string, Promise<CryptoKey>>();

  constructor(store: Store, authenticator?: Authenticator) {
    this.#store = store;
    this.#authenticator = authenticator;
  }

  async #wrap(): Promise<CryptoKey> {
    const found = await this.#store.get(WRAP);
    if (found) return found as CryptoKey;
    const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    await this.#store.write({ [WRAP]: made });
    return made;
  }

  /** Whether there is an authenticator to bind keys to. */
  async bindable(): Promise<boolean> {
    return this.#authenticator !== undefined && this.#authenticator.available();
  }

  /** Makes a credential; the person is asked to confirm. Keys that are made with it are bound to it. */
  async newBinding(name: string): Promise<Bound> {
    if (!this.#authenticator) throw new NotConfirmed('there is none');
    const salt = randomBytes(32);
    const { credential, secret } = await this.#authenticator.create(name, salt);
    return new Bound({ credential, salt }, await bindingKey({ credential, salt }, secret));
  }

  /** The binding of a key, which the person is asked to confirm, if it has one. */
  async bindingOf(id: string): Promise<Bound | undefined> {
    const device = await this.#device(id);
    return device && 'binding' in device ? new Bound(device.binding, await this.#unlock(device.binding)) : undefined;
  }

  /** Whether a key is bound. Nobody is asked. */
  async isBound(id: string): Promise<boolean> {
    const device = await this.#device(id);
    return device !== undefined && 'binding' in device;
  }

  // The person is asked once, however often the key is needed until lock.
  #unlock(binding: Binding): Promise<CryptoKey> {
    const place = bytesToHex(concat(binding.credential, binding.salt));
    let key = this.#unlocked.get(place);
    if (!key) {
      key = this.#ask(binding);
      this.#unlocked.set(place, key);
      key.catch(() => this.#unlocked.delete(place));
    }
    return key;
  }

  async #ask(binding: Binding): Promise<CryptoKey> {
    if (!this.#authenticator) throw new NotConfirmed('there is none');
    return bindingKey(binding, await this.#authenticator.secret(binding.credential, binding.salt));
  }

  /** Forgets what authenticators have confirmed. */
  lock(): void {
    this.#unlocked.clear();
  }

  // What seals token and permits of a key.
  async #sealing(id: string): Promise<CryptoKey> {
    return (await this.bindingOf(id))?.key ?? this.#wrap();
  }

  async #seal(key: CryptoKey, place: string, plain: Uint8Array): Promise<Uint8Array> {
    const iv = randomBytes(IV);
    return concat(iv, new Uint8Array(await crypto.subtle.encrypt(algorithmAt(place, iv), key, Uint8Array.from(plain))));
  }

  async #open(id: string, place: string): Promise<Uint8Array | undefined> {
    const sealed = await this.#store.get(place);
    if (sealed === undefined) return undefined;
    const key = await this.#sealing(id);
    try {
      const b = bytes(sealed as Uint8Array, place);
      return new Uint8Array(await crypto.subtle.decrypt(algorithmAt(place, b.subarray(0, IV)), key, Uint8Array.from(b.subarray(IV))));
    } catch {
      throw new Damaged(place);
    }
  }

  /** The pinned domain, as it was verified. */
  async domain(): Promise<Pinned | undefined> {
    return (await this.#store.get(DOMAIN)) as Pinned | undefined;
  }

  keepDomain(d: Pinned): Promise<void> {
    return this.#store.write({ [DOMAIN]: d });
  }

  /** @returns in order of names */
  async accounts(): Promise<Account[]> {
    const names = (await this.#store.keys()).filter((k) => k.startsWith('account ')).sort();
    return Promise.all(names.map(async (k) => (await this.#store.get(k)) as Account));
  }

  // The store may hold anything by now.
  async #device(id: string): Promise<DeviceRecord | undefined> {
    const place = deviceKeyOf(id);
    const found = (await this.#store.get(place)) as Partial<DeviceRecord & { privateKey: CryptoKey, sealed: Uint8Array, binding: Binding }> | undefined;
    if (found === undefined) return undefined;
    const { spki, privateKey, sealed, binding } = found;
    if (!(spki instanceof Uint8Array)) throw new Damaged(place);
    if (privateKey instanceof CryptoKey) return { spki, privateKey };
    const parts = [sealed, binding?.credential, binding?.salt];
    if (!binding || !(sealed instanceof Uint8Array) || !parts.every((p) => p instanceof Uint8Array)) throw new Damaged(place);
    return { spki, sealed, binding };
  }

  /** Makes a device key, and stores it: with a binding its private half is never there but sealed. */
  async newDevice(bound?: Bound): Promise<HeldKey> {
    const id = bytesToHex(randomBytes(16));
    const { privateKey, publicKey } = await crypto.subtle.generateKey(ECDSA, bound !== undefined, ['sign']);
    const spki = await webDeviceKey(publicKey);
    const record: DeviceRecord = bound ? { spki, sealed: await this.#wrapDevice(id, privateKey, bound.key), binding: bound.binding } : { spki, privateKey };
    await this.#store.write({ [deviceKeyOf(id)]: record });
    if (!('binding' in record)) return { id, spki, sign: webDeviceSigner(privateKey) };
    if (bound) this.#unlocked.set(bytesToHex(concat(record.binding.credential, record.binding.salt)), Promise.resolve(bound.key));
    return { id, spki, sign: webDeviceSigner(await this.#privateKey(id, record)) };
  }

  // Its bytes are never in the memory of scripts.
  async #wrapDevice(id: string, privateKey: CryptoKey, key: CryptoKey): Promise<Uint8Array> {
    const iv = randomBytes(IV);
    return concat(iv, new Uint8Array(await crypto.subtle.wrapKey('pkcs8', privateKey, key, algorithmAt(deviceKeyOf(id), iv))));
  }

  async #privateKey(id: string, device: DeviceRecord): Promise<CryptoKey> {
    if ('privateKey' in device) return device.privateKey;
    const key = await this.#unlock(device.binding);
    const place = deviceKeyOf(id);
    try {
      const algorithm = algorithmAt(place, device.sealed.subarray(0, IV));
      return await crypto.subtle.unwrapKey('pkcs8', Uint8Array.from(device.sealed.subarray(IV)), key, algorithm, ECDSA, false, ['sign']);
    } catch {
      throw new Damaged(place);
    }
  }

  async key(id: string): Promise<HeldKey | undefined> {
    const device = await this.#device(id);
    if (!device) return undefined;
    const privateKey = await this.#privateKey(id, device);
    const sealed = await this.#open(id, tokenKey(id));
    return { id, spki: device.spki, sign: webDeviceSigner(privateKey), ...(sealed && { token: decodeToken(sealed) }) };
  }

  /** Stores a token and the account that names it, in one write. */
  async keepToken(id: string, token: Token, account: Account): Promise<void> {
    const place = tokenKey(id);
    await this.#store.write({ [place]: await this.#seal(await this.#sealing(id), place, encodeToken(token)), [accountKey(account.name)]: account });
  }

  /** The pending key of an account has logged in: it is the active one, and the one before is erased. */
  async settle(a: Account): Promise<void> {
    const gone = a.active ? await this.#ofKey(a.active) : {};
    await this.#store.write({ ...gone, [accountKey(a.name)]: { name: a.name, active: a.pending, pending: null } });
  }

  /**
   * @param epoch 12 bytes
   * @returns P_e
   */
  permit(id: string, epoch: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#open(id, permitKey(id, epoch));
  }

  /** Stores a permit, and erases those of other epochs than the two given. */
  async keepPermit(id: string, epoch: Uint8Array, permit: Uint8Array, keep = [epoch]): Promise<void> {
    const place = permitKey(id, epoch);
    const kept = keep.map((e) => permitKey(id, e));
    const old = (await this.#store.keys()).filter((k) => k.startsWith(`permit ${id} `) && !kept.includes(k));
    await this.#store.write({ ...Object.fromEntries(old.map((k) => [k, undefined])), [place]: await this.#seal(await this.#sealing(id), place, permit) });
  }

  /** Erases device keys that nothing names: of what was begun and not finished. */
  async sweep(): Promise<void> {
    const named = new Set<unknown>((await this.accounts()).flatMap((a) => [a.active, a.pending]));
    const all = await this.#store.keys();
    for (const k of all.filter((x) => x.startsWith('invitation '))) named.add(await this.#store.get(k));
    for (const k of all.filter((x) => x.startsWith('device '))) {
      const id = k.slice('device '.length);
      if (!named.has(id)) await this.erase(id);
    }
  }

  /**
   * @param invitation hash of its token
   * @returns the key that it was bound to here
   */
  async invited(invitation: string): Promise<string | undefined> {
    return (await this.#store.get(`invitation ${invitation}`)) as string | undefined;
  }

  keepInvitation(invitation: string, id: string | undefined): Promise<void> {
    return this.#store.write({ [`invitation ${invitation}`]: id });
  }

  async #ofKey(id: string): Promise<Record<string, undefined>> {
    const all = await this.#store.keys();
    const own = all.filter((k) => [deviceKeyOf(id), tokenKey(id)].includes(k) || k.startsWith(`permit ${id} `));
    return Object.fromEntries(own.map((k) => [k, undefined]));
  }

  /** Erases one key. */
  async erase(id: string): Promise<void> {
    await this.#store.write(await this.#ofKey(id));
  }

  /** Erases everything of an account. */
  async forget(a: Account): Promise<void> {
    const gone: Record<string, undefined> = {};
    for (const id of [a.active, a.pending]) if (id) Object.assign(gone, await this.#ofKey(id));
    await this.#store.write({ ...gone, [accountKey(a.name)]: undefined });
  }
}

function encodeToken(t: Token): Uint8Array {
  const { domainID, serviceID, T, salt } = t;
  const flat = { domainID: base64(domainID), serviceID: base64(serviceID), T: base64(T), salt: base64(salt), statements: t.statements.map(base64) };
  return text(JSON.stringify({ ...t, ...flat }));
}

// What was sealed here was made here: it is as it was written.
function decodeToken(b: Uint8Array): Token {
  const flat = JSON.parse(readText(b)) as Omit<Token, 'domainID' | 'serviceID' | 'T' | 'salt' | 'statements'> & Record<string, unknown> & { statements: string[] };
  return {
    name: flat.name, stretching: flat.stretching, domainID: readBase64(flat.domainID), serviceID: readBase64(flat.serviceID),
    T: readBase64(flat.T), salt: readBase64(flat.salt), statements: flat.statements.map((s) => readBase64(s)),
  };
}
