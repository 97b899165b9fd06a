// The client of a login server in a browser: enrolment by invitation, sign-in by PIN and device (spec/enrolment.md, spec/mpin.md).

import { bytesToHex } from '@noble/hashes/utils.js';
import { enoughShares, gather } from './applicant.js';
import { base64, equal, need, readBase64, Refused } from './encoding.js';
import { rowMessage } from './enrolment.js';
import { deviceHash, liesIn } from './identity.js';
import { Attempt } from './mpin-client.js';
import { encodeIntent } from './mpin.js';
import { openVoucher } from './mpin-messages.js';
import { makePermit, pinScalar } from './pin.js';
import { caller, Problem } from './problem.js';
import { encodeRegistered, enrolMessage, invitationHash } from './registration.js';
import { encodeSuccession, successionMessage } from './request.js';
import { Site } from './site.js';
import { splitKey } from './split-key.js';
import { Vault } from './vault.js';
import type { Call } from './problem.js';
import type { Account, HeldKey, Token } from './vault.js';
import type { Bound } from './authenticator.js';
import type { ChangingPIN, Device, Enrolling, Invitation, Options, SignedIn, Stretch } from './client-types.js';
import type { Application } from './issuance.js';
import type { Place } from './site.js';
import type { SplitWork } from './split-key.js';

/** This device holds no login that was asked for: it is enrolled by an invitation. */
export class NotEnrolled extends Error {
  constructor() {
    super('no login is enrolled on this device');
    this.name = 'NotEnrolled';
  }
}

// Whoever stretched already has α; else the PIN is stretched.
type Factor = { alpha: bigint } | { pin: Uint8Array };
type LoginKey = HeldKey & { token: Token };
type Permit = { epoch: Uint8Array, permit: Uint8Array };

const clock = () => Math.floor(Date.now() / 1000);

// One at a time, whatever tabs there are.
async function alone<T>(work: () => Promise<T>): Promise<T> {
  return globalThis.navigator?.locks ? ((await navigator.locks.request('milagro', work)) as T) : work();
}

/** PINs are bytes of printable ASCII, 4–64; they are the caller's, to be cleared by him, and nothing keeps them. */
export class Client {
  readonly #call: Call;
  readonly #vault: Vault;
  readonly #site: Site;
  readonly #stretch: Stretch;
  readonly #now: () => number;

  constructor({ origin, store, stretch, service, fingerprint, authenticator, fetch: fetcher, now = clock }: Options) {
    this.#call = caller(origin, fetcher);
    this.#vault = new Vault(store, authenticator);
    this.#stretch = stretch;
    this.#now = now;
    this.#site = new Site({ call: this.#call, vault: this.#vault, now, origin, service, fingerprint });
  }

  /** The domain document and the service, as served now. Called ahead, it saves its time later. */
  domain(): Promise<Place> {
    return this.#site.refresh();
  }

  /** @returns names that have a login on this device */
  async names(): Promise<string[]> {
    return (await this.#vault.accounts()).map((a) => a.name);
  }

  /** Looks at an invitation. */
  async open(token: string): Promise<Invitation> {
    const { name, expires, authorities } = await this.#call('/v1/enrol/open', { token });
    need(typeof name === 'string' && typeof expires === 'number' && Array.isArray(authorities), 'invitation: not one');
    return { name, expires, authorities };
  }

  /** Asks for an invitation by mail. Nothing tells whether there will be one. */
  async mail(name: string): Promise<void> {
    await this.#call('/v1/enrol/mail', { name });
  }

  /**
   * Whether this browser can be bound to an authenticator, by the key that is made next.
   * @param token of the invitation that it would be made for: its key may be there already
   */
  async bindable(token?: string): Promise<boolean> {
    if (token !== undefined && (await this.#vault.invited(bytesToHex(invitationHash(token))))) return false;
    return this.#vault.bindable();
  }

  /** Whether the login of a name is bound. */
  async isBound(name?: string): Promise<boolean> {
    const { active, pending } = await this.#account(name);
    const id = active ?? pending;
    return id !== null && this.#vault.isBound(id);
  }

  /**
   * Asks the authenticator for a credential, which the person confirms: what enrol and changePIN are then given binds the key that they
   * make. Whoever does not confirm, or cannot, is a NotConfirmed, and nothing has changed.
   */
  bind(name: string): Promise<Bound> {
    return this.#vault.newBinding(name);
  }

  /** Enrols this device by an invitation, and logs in. Asked again after an interruption it completes what it can. */
  enrol({ token, pin, bound, codes }: Enrolling): Promise<SignedIn> {
    return this.#locking(async () => {
      await this.#vault.sweep();
      const invited = await this.open(token);
      const place = await this.#site.refresh();
      need(liesIn(invited.name, place.document.domain), 'invitation: for a name of another domain');
      const invitation = bytesToHex(invitationHash(token));
      const key = await this.#deviceOf(invitation, bound);
      const old = (await this.#vault.accounts()).find((a) => a.name === invited.name);
      const account = { name: invited.name, active: old?.active ?? null, pending: key.id };
      const done = old?.pending === key.id ? await this.#complete(place, account, { pin }) : await this.#enrolWith({ token, pin, codes }, place, account, key);
      await this.#vault.keepInvitation(invitation, undefined);
      return done;
    });
  }

  // One at a time; what authenticators have confirmed is forgotten when the work is done, but not when it must be tried again.
  async #locking<T>(work: () => Promise<T>): Promise<T> {
    const done = await alone(work);
    this.#vault.lock();
    return done;
  }

  get #work(): SplitWork {
    return { call: this.#call, stretch: this.#stretch, now: this.#now };
  }

  async #enrolWith({ token, pin, codes }: Enrolling, place: Place, account: Account, key: HeldKey): Promise<SignedIn> {
    place.needFresh();
    const registrations = await this.#vouchers(token, key, place);
    const evidence = (code: Map<number, string>) => (index: number) => encodeRegistered(registrations[index - 1], code.get(index));
    const made = await splitKey(this.#work, this.#application(place, account.name, key), pin, { evidence, codes });
    await this.#vault.keepToken(key.id, made.token, account);
    return this.#complete(place, account, { alpha: made.alpha });
  }

  // The device key that an invitation was shown with here, or a new one: it is stored before it is bound.
  async #deviceOf(invitation: string, bound?: Bound): Promise<HeldKey> {
    const id = await this.#vault.invited(invitation);
    const known = id && (await this.#vault.key(id));
    if (known) return known;
    const key = await this.#vault.newDevice(bound);
    await this.#vault.keepInvitation(invitation, key.id);
    return key;
  }

  async #vouchers(token: string, key: HeldKey, place: Place): Promise<Uint8Array[]> {
    const signature = await key.sign(enrolMessage(token, place.service.serviceID, key.spki));
    const { vouchers } = await this.#call('/v1/enrol/vouchers', { token, spki: base64(key.spki), signature: base64(signature) });
    need(Array.isArray(vouchers) && vouchers.length === place.document.authorities.length, 'vouchers: not one for each authority');
    return vouchers.map((v) => readBase64(v, 'voucher'));
  }

  // For the key that is split.
  #application(place: Place, name: string, key: HeldKey): Application {
    return { document: place.document, service: place.service, purpose: 'mpin', name, epoch: null, spki: key.spki, sign: key.sign };
  }

  /**
   * Signs in. What was begun and waits for its first login is completed by its PIN.
   * @param q name where this device has several
   * @returns refusals are a Problem; of `login-refused` nothing tells why
   */
  async signIn(q: { pin: Uint8Array, name?: string }): Promise<SignedIn> {
    const done = await this.#signIn(q);
    this.#vault.lock();
    return done;
  }

  async #signIn({ pin, name }: { pin: Uint8Array, name?: string }): Promise<SignedIn> {
    const place = await this.#site.known();
    const account = await this.#account(name);
    if (!account.active) return alone(async () => this.#complete(place, await this.#account(account.name), { pin }));
    try {
      return await this.#signInWith(place, account.active, { pin });
    } catch (e) {
      const now = await this.#account(account.name);
      const other = now.active !== account.active || now.pending !== account.pending;
      const refused = e instanceof Problem && e.kind === 'login-refused';
      if (!other && !(refused && now.pending)) throw e;
      return alone(() => this.#instead(place, account.name, { pin }, e));
    }
  }

  // Another key than the active one, of a change of PIN: begun here before, or ended in another tab.
  async #instead(place: Place, name: string, factor: Factor, why: unknown): Promise<SignedIn> {
    const account = await this.#account(name);
    if (!account.pending) return this.#signInWith(place, account.active, factor);
    try {
      return await this.#complete(place, account, factor);
    } catch (e) {
      throw e instanceof Problem && e.kind === 'row-refused' ? why : e;
    }
  }

  async #account(name?: string): Promise<Account> {
    const all = await this.#vault.accounts();
    const found = name === undefined ? all[0] : all.find((a) => a.name === name);
    if (!found) throw new NotEnrolled();
    return found;
  }

  // Row, first login, and the end of the key before: in this order.
  async #complete(place: Place, account: Account, factor: Factor): Promise<SignedIn> {
    if (!account.pending) return this.#signInWith(place, account.active, factor);
    const key = await this.#key(place, account.pending);
    const time = this.#now();
    const { statements } = key.token;
    const signature = await key.sign(rowMessage({ ...place.login, spki: key.spki, time, statements }));
    await this.#call('/v1/mpin/row', { device: base64(key.spki), time, statements: statements.map(base64), signature: base64(signature) });
    const done = await this.#signInWith(place, account.pending, factor);
    await this.#vault.settle(account);
    return done;
  }

  async #key(place: Place, id: string | null): Promise<LoginKey> {
    const key = id === null ? undefined : await this.#vault.key(id);
    const token = key?.token;
    need(key && token, 'login: its key is gone');
    if (!place.holds(token)) throw new NotEnrolled(); // the service has another master now
    return { ...key, token };
  }

  async #signInWith(place: Place, id: string | null, factor: Factor, intent: Uint8Array | null = null): Promise<SignedIn> {
    const key = await this.#key(place, id);
    const { salt, stretching } = key.token;
    const permit = this.#permit(place, key);
    permit.catch(() => {}); // it is awaited below
    const alpha = 'alpha' in factor ? factor.alpha : pinScalar(await this.#stretch(factor.pin, salt, stretching));
    try {
      return await this.#passes(place, key, { alpha, ...(await permit) }, intent);
    } catch (e) {
      if (!(e instanceof Problem) || !['wrong-epoch', 'service-unknown', 'possession'].includes(e.kind)) throw e;
      const newer = await this.#site.refresh(); // such refusals cost no attempt
      if (equal(newer.document.hash, place.document.hash)) throw e;
      return this.#passes(newer, await this.#key(newer, id), { alpha, ...(await this.#permit(newer, key)) }, intent);
    }
  }

  async #passes(place: Place, { spki, sign, token }: LoginKey, { alpha, permit, epoch }: { alpha: bigint } & Permit, intent: Uint8Array | null): Promise<SignedIn> {
    const { name } = token;
    const attempt = new Attempt({ ...place.login, name, spki, epoch, intent }, { alpha, token: token.T, permit });
    const begin = {
      service: base64(place.service.serviceID), name, device: base64(spki), epoch: base64(epoch), u: base64(attempt.U), channel_kind: 0,
      ...(intent && { intent: base64(intent) }),
    };
    const { session, nonce } = await this.#call('/v1/mpin/begin', begin);
    const { V, signature } = await attempt.finish(readBase64(session, 'session'), readBase64(nonce, 'nonce'), sign);
    const answer = await this.#call('/v1/mpin/finish', { session, v: base64(V), signature: base64(signature) });
    const { statement, expires, vouchers } = answer;
    need(typeof statement === 'string' && typeof expires === 'number', 'sign-in: accepted without a statement');
    return Array.isArray(vouchers) ? { name, statement, expires, vouchers } : { name, statement, expires };
  }

  // The permit of the present epoch: from the store, or else from the authorities, for which the device key is enough.
  async #permit(place: Place, key: LoginKey): Promise<Permit> {
    const epochs = place.epochs();
    const kept = await this.#vault.permit(key.id, epochs[0]);
    if (kept) return { epoch: epochs[0], permit: kept };
    const { name } = key.token;
    const application: Application = { ...this.#application(place, name, key), purpose: 'permit', epoch: epochs[0] };
    const t = place.document.t;
    const permit = makePermit(enoughShares(await gather(this.#call, application, this.#now(), { enough: t }), t), t);
    await this.#vault.keepPermit(key.id, epochs[0], permit, epochs);
    return { epoch: epochs[0], permit };
  }

  /** Fetches what the next sign-in needs, so that it takes no longer than it must. */
  async prepare(name?: string): Promise<void> {
    const place = await this.#site.refresh();
    const account = await this.#account(name);
    if (!account.active || (await this.#vault.isBound(account.active))) return; // nobody is asked to confirm yet
    await this.#permit(place, await this.#key(place, account.active));
  }

  /**
   * Changes the PIN: the old one gets leave for a new device key, which is enrolled and split with the new one. Interrupted, the old
   * PIN or the new one logs in.
   */
  changePIN({ pin, newPIN, name, bound }: ChangingPIN): Promise<SignedIn> {
    return this.#locking(async () => {
      need(!equal(pin, newPIN), 'PIN: the new one is the old one');
      await this.#vault.sweep();
      const place = await this.#site.refresh();
      const account = await this.#account(name);
      need(account.active, 'PIN: the enrolment is not complete, sign in once');
      try {
        return await this.#succeed(place, account, { pin, newPIN, bound });
      } catch (e) {
        // An earlier change that came as far as its row bars another one, or has ended the old key: it wants its own new PIN.
        const earlier = account.pending && e instanceof Problem && ['succession-pending', 'login-refused'].includes(e.kind);
        if (!earlier) throw e;
        return this.#instead(place, account.name, { pin: newPIN }, e);
      }
    });
  }

  async #succeed(place: Place, account: Account, { pin, newPIN, bound }: ChangingPIN): Promise<SignedIn> {
    const old = await this.#key(place, account.active);
    const key = await this.#vault.newDevice(bound ?? (await this.#vault.bindingOf(old.id)));
    const device = deviceHash(key.spki);
    const { vouchers = [] } = await this.#signInWith(place, account.active, { pin }, encodeIntent(device));
    const byIndex: Map<number, Uint8Array> = new Map();
    for (const v of vouchers.map((b) => readBase64(b, 'voucher'))) byIndex.set(openVoucher(v, place.service.key).index, v);
    const evidence = () => async (index: number, bare: Uint8Array) => {
      const voucher = byIndex.get(index);
      if (!voucher) throw new Refused(`voucher: none for authority ${index}`);
      return encodeSuccession({ voucher, spki: old.spki, signature: await old.sign(successionMessage(voucher, bare)) });
    };
    const { token, alpha } = await splitKey(this.#work, this.#application(place, account.name, key), newPIN, { evidence });
    const next = { ...account, pending: key.id };
    await this.#vault.keepToken(key.id, token, next);
    return this.#complete(place, next, { alpha });
  }

  /** The devices of the person who has just signed in. */
  async devices(statement: string): Promise<Device[]> {
    const { devices } = await this.#call('/v1/me/devices', undefined, { bearer: statement });
    need(Array.isArray(devices), 'devices: not a list');
    return devices;
  }

  /**
   * Removes a device of the person who has just signed in: it logs in no more.
   * @param device 64 hex digits
   */
  async removeDevice(statement: string, device: string): Promise<void> {
    await this.#call('/v1/me/devices/remove', { device }, { bearer: statement });
  }

  /** Names the device that has just signed in, for the list of devices. */
  async labelDevice(statement: string, label: string): Promise<void> {
    await this.#call('/v1/me/devices/label', { label }, { bearer: statement });
  }

  /** Erases all that this device has of a name; the login server keeps its row. */
  forget(name?: string): Promise<void> {
    return alone(async () => this.#vault.forget(await this.#account(name)));
  }
}
