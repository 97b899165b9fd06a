// What a device keeps of its logins. Device keys are WebCrypto keys that cannot be extracted; tokens, permits and statements
// are sealed by another such key, so that whoever can read the store, script or thief, has nothing that works elsewhere.

import { base64, concat, lp, readBase64, readText, Refused, text } from './encoding.js';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { webDeviceKey, webDeviceSigner } from './device.js';
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

/** Everything that one origin keeps. */
export class Vault {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async #wrap(): Promise<CryptoKey> {
    const found = await this.#store.get(WRAP);
    if (found) return found as CryptoKey;
    const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    await this.#store.write({ [WRAP]: made });
    return made;
  }

  async #seal(place: string, plain: Uint8Array): Promise<Uint8Array> {
    const iv = Uint8Array.from(randomBytes(12));
    const algorithm = { name: 'AES-GCM', iv, additionalData: boundTo(place) };
    return concat(iv, new Uint8Array(await crypto.subtle.encrypt(algorithm, await this.#wrap(), Uint8Array.from(plain))));
  }

  async #open(place: string): Promise<Uint8Array | undefined> {
    const sealed = (await this.#store.get(place)) as Uint8Array<ArrayBuffer> | undefined;
    if (!sealed) return undefined;
    const algorithm = { name: 'AES-GCM', iv: sealed.slice(0, 12), additionalData: boundTo(place) };
    try {
      return new Uint8Array(await crypto.subtle.decrypt(algorithm, await this.#wrap(), sealed.slice(12)));
    } catch {
      throw new Refused(`${place}: damaged`);
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

  /** Makes a device key, and stores it. */
  async newDevice(): Promise<HeldKey> {
    const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const id = bytesToHex(randomBytes(16));
    const spki = await webDeviceKey(publicKey);
    await this.#store.write({ [deviceKeyOf(id)]: { privateKey, spki } });
    return { id, spki, sign: webDeviceSigner(privateKey) };
  }

  async key(id: string): Promise<HeldKey | undefined> {
    const device = (await this.#store.get(deviceKeyOf(id))) as { privateKey: CryptoKey, spki: Uint8Array } | undefined;
    if (!device) return undefined;
    const sealed = await this.#open(tokenKey(id));
    return { id, spki: device.spki, sign: webDeviceSigner(device.privateKey), token: sealed && decodeToken(sealed) };
  }

  /** Stores a token and the account that names it, in one write. */
  async keepToken(id: string, token: Token, account: Account): Promise<void> {
    const place = tokenKey(id);
    await this.#store.write({ [place]: await this.#seal(place, encodeToken(token)), [accountKey(account.name)]: account });
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
    return this.#open(permitKey(id, epoch));
  }

  /** Stores a permit, and erases those of other epochs than the two given. */
  async keepPermit(id: string, epoch: Uint8Array, permit: Uint8Array, keep = [epoch]): Promise<void> {
    const place = permitKey(id, epoch);
    const kept = keep.map((e) => permitKey(id, e));
    const old = (await this.#store.keys()).filter((k) => k.startsWith(`permit ${id} `) && !kept.includes(k));
    await this.#store.write({ ...Object.fromEntries(old.map((k) => [k, undefined])), [place]: await this.#seal(place, permit) });
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

  bind(invitation: string, id: string | undefined): Promise<void> {
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
