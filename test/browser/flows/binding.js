// Browsers that are bound to the security chip of their device: an authenticator of Chromium's own, by WebAuthn's extension prf.

import assert from 'node:assert/strict';
import { chips, Profile } from '../kit.js';
import { RIGHT } from './enrol.js';

const OTHER = '846251';
const OFFER = "Bind this browser to the device's own security chip?";

/** A profile on a device with a chip, whose owner confirms while isUserVerified. */
async function onDevice(more = {}) {
  const p = await Profile.open(chips);
  const cdp = await p.context.newCDPSession(p.page);
  await cdp.send('WebAuthn.enable');
  const options = { protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true, hasPrf: true, isUserVerified: true, automaticPresenceSimulation: true };
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { ...options, ...more } });
  return Object.assign(p, {
    confirms: (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    credentials: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
  });
}

// Up to the offer.
async function offered(p, name) {
  await p.page.goto(await chips.invite(name));
  await p.chooses(RIGHT);
  await p.sees(OFFER);
}

async function enrolBound(p, name) {
  await offered(p, name);
  await p.press('Bind it');
  await p.sees('This browser is set up');
}

// In a page: the whole store, which has no key in it, as text.
async function copied() {
  const result = (request) => new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
  const table = (await result(indexedDB.open('milagro'))).transaction('values').objectStore('values');
  const [names, values] = await Promise.all([result(table.getAllKeys()), result(table.getAll())]);
  const keys = JSON.stringify(values, (_, v) => (v instanceof CryptoKey ? 'a key' : typeof v === 'bigint' ? String(v) : v)).split('a key').length - 1;
  const bytes = (_, v) => (v instanceof Uint8Array ? { bytes: [...v] } : typeof v === 'bigint' ? { big: String(v) } : v);
  return { keys, text: JSON.stringify(names.map((n, i) => [n, values[i]]), bytes) };
}

// In a page: the same in the store of this profile.
async function restored(text) {
  const result = (request) => new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
  const own = (_, v) => {
    if (typeof v !== 'object' || v === null) return v;
    return v.bytes ? Uint8Array.from(v.bytes) : v.big ? BigInt(v.big) : v;
  };
  const table = (await result(indexedDB.open('milagro'))).transaction('values', 'readwrite').objectStore('values');
  for (const [name, value] of JSON.parse(text, own)) await result(table.put(value, name));
}

export const binding = {
  async 'a browser that is bound signs in when its device confirms, and changes its PIN'() {
    const p = await onDevice();
    await enrolBound(p, 'walter');
    assert.equal((await p.credentials()).length, 1);
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    await p.go('/pin');
    await p.sees('Enter your PIN');
    await p.types(RIGHT);
    await p.sees('Choose a new PIN');
    await p.types(OTHER);
    await p.sees('Enter the new PIN once more');
    await p.types(OTHER);
    await p.sees('Your PIN is changed');
    await p.signIn(OTHER);
    await p.sees('You are signed in');
    assert.equal((await p.credentials()).length, 1, 'the binding is kept');
    await p.confirms(false);
    await p.signIn(OTHER);
    await p.warned('did not confirm that it is you');
    await p.close(RIGHT, OTHER);
  },

  async 'a copied store signs in nowhere without its authenticator'() {
    const [owner, thief] = [await onDevice(), await onDevice()];
    await enrolBound(owner, 'xenia');
    const { keys, text } = await owner.page.evaluate(copied);
    assert.equal(keys, 0, 'a key is in the store');
    await thief.go('/signin');
    await thief.sees('This browser is not set up yet');
    await thief.page.evaluate(restored, text);
    await thief.signIn(RIGHT);
    await thief.warned('did not confirm that it is you');
    // The control: the copy is whole, and wants its authenticator alone.
    await owner.page.evaluate(() => indexedDB.deleteDatabase('milagro'));
    await owner.go('/signin');
    await owner.sees('This browser is not set up yet');
    await owner.page.evaluate(restored, text);
    await owner.signIn(RIGHT);
    await owner.sees('You are signed in');
    await owner.close(RIGHT);
    await thief.close(RIGHT);
  },

  async 'a binding that is declined, or that the chip cannot do, leaves all as it was'() {
    const p = await onDevice({ hasPrf: false });
    await offered(p, 'yves');
    await p.press('Bind it');
    await p.sees('This browser is not bound');
    await p.press('Try again');
    await p.sees('This browser is not bound');
    await p.press('Go on without');
    await p.sees('This browser is set up');
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT);

    const q = await onDevice();
    await offered(q, 'zelda');
    await q.press('Not now');
    await q.sees('This browser is set up');
    assert.equal((await q.credentials()).length, 0);
    await q.confirms(false);
    await q.signIn(RIGHT);
    await q.sees('You are signed in');
    await q.close(RIGHT);
  },
};
