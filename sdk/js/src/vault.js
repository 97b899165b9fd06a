// What a device keeps of its logins. Device keys are WebCrypto keys that cannot be extracted; tokens, permits and statements
// are sealed by another such key, so that whoever can read the store, script or thief, has nothing that works elsewhere.

import { base64, concat, lp, readBase64, Refused, text } from './encoding.js';
import { bytesToHex, randomBytes } from '@noble/hashes/utils.js';
import { webDeviceKey, webDeviceSigner } from './device.js';

const WRAP = 'wrap';
const DOMAIN = 'domain';

/**
 * One device key with its token, which is absent until it was made.
 * @typedef {object} HeldKey
 * @property {string} id
 * @property {Uint8Array} spki
 * @property {import('./device.js').Signer} sign
 * @property {Token} [token]
 */

/**
 * @typedef {object} Token
 * @property {string} name
 * @property {Uint8Array} domainID
 * @property {Uint8Array} serviceID
 * @property {Uint8Array} T
 * @property {Uint8Array} salt
 * @property {import('./pin.js').Stretching} stretching
 * @property {Uint8Array[]} statements by index
 */

/** @typedef {{name: string, active: string|null, pending: string|null}} Account keys by id; pending waits for its first login */

const accountKey = (name) => `account ${name}`;
const deviceKeyOf = (id) => `device ${id}`;
const tokenKey = (id) => `token ${id}`;
const permitKey = (id, epoch) => `permit ${id} ${bytesToHex(epoch)}`;

/** Everything that one origin keeps. */
export class Vault {
  #store;

  /** @param {import('./store.js').Store} store */
  constructor(store) {
    this.#store = store;
  }

  async #wrap() {
    const found = await this.#store.get(WRAP);
    if (found) return found;
    const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    await this.#store.write({ [WRAP]: made });
    return made;
  }

  // The place is authenticated too: nothing opens elsewhere than where it was put.
  async #seal(place, plain) {
    const iv = randomBytes(12);
    const algorithm = { name: 'AES-GCM', iv, additionalData: lp('milagro/v1 browser', text(place)) };
    return concat(iv, new Uint8Array(await crypto.subtle.encrypt(algorithm, await this.#wrap(), plain)));
  }

  async #open(place) {
    const sealed = await this.#store.get(place);
    if (!sealed) return undefined;
    const algorithm = { name: 'AES-GCM', iv: sealed.slice(0, 12), additionalData: lp('milagro/v1 browser', text(place)) };
    try {
      return new Uint8Array(await crypto.subtle.decrypt(algorithm, await this.#wrap(), sealed.slice(12)));
    } catch {
      throw new Refused(`${place}: damaged`);
    }
  }

  /** @returns {Promise<{fingerprint: string, revision: bigint, day?: number, published: Record<string, string>}|undefined>} the pinned domain, as it was verified */
  domain() {
    return this.#store.get(DOMAIN);
  }

  /** @param {{fingerprint: string, revision: bigint, day?: number, published: Record<string, string>}} d */
  keepDomain(d) {
    return this.#store.write({ [DOMAIN]: d });
  }

  /** @returns {Promise<Account[]>} in order of names */
  async accounts() {
    const names = (await this.#store.keys()).filter((k) => k.startsWith('account ')).sort();
    return Promise.all(names.map((k) => this.#store.get(k)));
  }

  /** Makes a device key. @returns {Promise<HeldKey>} stored */
  async newDevice() {
    const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
    const id = bytesToHex(randomBytes(16));
    const spki = await webDeviceKey(publicKey);
    await this.#store.write({ [deviceKeyOf(id)]: { privateKey, spki } });
    return { id, spki, sign: webDeviceSigner(privateKey) };
  }

  /** @param {string} id @returns {Promise<HeldKey|undefined>} */
  async key(id) {
    const device = await this.#store.get(deviceKeyOf(id));
    if (!device) return undefined;
    const sealed = await this.#open(tokenKey(id));
    return { id, spki: device.spki, sign: webDeviceSigner(device.privateKey), token: sealed && decodeToken(sealed) };
  }

  /**
   * Stores a token and the account that names it, in one write.
   * @param {string} id
   * @param {Token} token
   * @param {Account} account
   */
  async keepToken(id, token, account) {
    const place = tokenKey(id);
    await this.#store.write({ [place]: await this.#seal(place, encodeToken(token)), [accountKey(account.name)]: account });
  }

  /** The pending key of an account has logged in: it is the active one, and the one before is erased. @param {Account} a */
  async settle(a) {
    const gone = a.active ? await this.#ofKey(a.active) : {};
    await this.#store.write({ ...gone, [accountKey(a.name)]: { name: a.name, active: a.pending, pending: null } });
  }

  /** @param {string} id @param {Uint8Array} epoch 12 bytes @returns {Promise<Uint8Array|undefined>} P_e */
  permit(id, epoch) {
    return this.#open(permitKey(id, epoch));
  }

  /** Stores a permit, and erases those of other epochs than the two given. */
  async keepPermit(id, epoch, permit, keep = [epoch]) {
    const place = permitKey(id, epoch);
    const kept = keep.map((e) => permitKey(id, e));
    const old = (await this.#store.keys()).filter((k) => k.startsWith(`permit ${id} `) && !kept.includes(k));
    await this.#store.write({ ...Object.fromEntries(old.map((k) => [k, undefined])), [place]: await this.#seal(place, permit) });
  }

  /** Erases device keys that nothing names: of what was begun and not finished. */
  async sweep() {
    const named = new Set((await this.accounts()).flatMap((a) => [a.active, a.pending]));
    const all = await this.#store.keys();
    for (const k of all.filter((x) => x.startsWith('invitation '))) named.add(await this.#store.get(k));
    for (const k of all.filter((x) => x.startsWith('device '))) {
      const id = k.slice('device '.length);
      if (!named.has(id)) await this.erase(id);
    }
  }

  /** @param {string} invitation hash of its token @returns {Promise<string|undefined>} the key that it was bound to here */
  invited(invitation) {
    return this.#store.get(`invitation ${invitation}`);
  }

  /** @param {string} invitation @param {string|undefined} id */
  bind(invitation, id) {
    return this.#store.write({ [`invitation ${invitation}`]: id });
  }

  async #ofKey(id) {
    const all = await this.#store.keys();
    const own = all.filter((k) => [deviceKeyOf(id), tokenKey(id)].includes(k) || k.startsWith(`permit ${id} `));
    return Object.fromEntries(own.map((k) => [k, undefined]));
  }

  /** Erases one key. @param {string} id */
  async erase(id) {
    await this.#store.write(await this.#ofKey(id));
  }

  /** Erases everything of an account. @param {Account} a */
  async forget(a) {
    const gone = {};
    for (const id of [a.active, a.pending]) if (id) Object.assign(gone, await this.#ofKey(id));
    await this.#store.write({ ...gone, [accountKey(a.name)]: undefined });
  }
}

const BYTES = ['domainID', 'serviceID', 'T', 'salt'];

function encodeToken(t) {
  const flat = { ...t, statements: t.statements.map(base64) };
  for (const f of BYTES) flat[f] = base64(t[f]);
  return text(JSON.stringify(flat));
}

function decodeToken(b) {
  const flat = JSON.parse(new TextDecoder().decode(b));
  for (const f of BYTES) flat[f] = readBase64(flat[f]);
  return { ...flat, statements: flat.statements.map((s) => readBase64(s)) };
}
