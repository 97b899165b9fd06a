// What a browser keeps (R34): what scripts can read signs in nowhere else; bound to an authenticator, neither do its files; what is damaged
// is told; a store that is full loses nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as m from '../dist/index.js';
import { newTown, SoftwareAuthenticator } from '../testing/town.js';

const pin = (text = '472916') => m.text(text);
const clientOf = (store, authenticator) => new m.Client({ ...town, store, authenticator });
const isProblem = (kind) => (e) => e instanceof m.Problem && e.kind === kind;

const town = newTown();
let people = 0;
const newName = () => `acct:person${++people}@example.org`;

async function enrolled({ authenticator } = {}) {
  const [name, store] = [newName(), m.memoryStore()];
  const client = clientOf(store, authenticator);
  const bound = authenticator && (await client.bind(name));
  assert.equal((await client.enrol({ token: town.invite(name), pin: pin(), bound })).name, name);
  return { name, store };
}

// Everything in a store, as any script of the origin reads it.
const dump = async (store) => Object.fromEntries(await Promise.all((await store.keys()).map(async (k) => [k, await store.get(k)])));

function* keysIn(value) {
  if (value instanceof CryptoKey) yield value;
  else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) for (const v of Object.values(value)) yield* keysIn(v);
}

async function storeOf(values) {
  const store = m.memoryStore();
  await store.write(values);
  return store;
}

test('enrolment, sign-in, a wrong PIN and a change of PIN', async () => {
  const { name, store } = await enrolled();
  const client = clientOf(store);
  assert.equal((await client.signIn({ pin: pin() })).statement, `of ${name}`);
  await assert.rejects(client.signIn({ pin: pin('472961') }), isProblem('login-refused'));
  await client.changePIN({ pin: pin(), newPIN: pin('846251') });
  await assert.rejects(client.signIn({ pin: pin() }), isProblem('login-refused'));
  assert.equal((await client.signIn({ pin: pin('846251') })).name, name);
});

test('no key that is stored can be exported', async () => {
  for (const authenticator of [undefined, new SoftwareAuthenticator()]) {
    const { store } = await enrolled({ authenticator });
    const keys = [...keysIn(await dump(store))];
    assert.equal(keys.length, authenticator ? 0 : 2, 'device key and wrapping key');
    for (const key of keys) {
      assert.equal(key.extractable, false);
      for (const format of ['raw', 'pkcs8', 'jwk']) await assert.rejects(crypto.subtle.exportKey(format, key), format);
    }
  }
});

test('what scripts can read of the store does not sign in elsewhere, with the right PIN', async () => {
  const { store } = await enrolled();
  const values = await dump(store);
  // Keys do not leave the browser: whoever has the bytes alone can put keys of his own in their places.
  const own = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const device = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const stolen = Object.fromEntries(Object.entries(values).map(([k, v]) => [k, k === 'wrap' ? own : k.startsWith('device ') ? { ...v, privateKey: device.privateKey } : v]));
  await assert.rejects(clientOf(await storeOf(stolen)).signIn({ pin: pin() }), m.Damaged);
  // And the device key counts by itself: with the wrapping key alone it does not sign in either.
  await assert.rejects(clientOf(await storeOf({ ...stolen, wrap: values.wrap })).signIn({ pin: pin() }), isProblem('possession'));
  // Neither the PIN nor what tells it is there, and the token not in the clear.
  const text = JSON.stringify(values, (_, v) => (v instanceof Uint8Array ? Buffer.from(v).toString('latin1') : typeof v === 'bigint' ? String(v) : v));
  for (const secret of ['472916', 'stretching', 'statements']) assert.ok(!text.includes(secret), secret);
});

test('a copied profile signs in with the PIN, unless it is bound to an authenticator', async () => {
  const free = await enrolled();
  assert.ok(await clientOf(await storeOf(await dump(free.store))).signIn({ pin: pin() }));

  const authenticator = new SoftwareAuthenticator();
  const { store } = await enrolled({ authenticator });
  const copied = await storeOf(await dump(store));
  await assert.rejects(clientOf(copied).signIn({ pin: pin() }), m.NotConfirmed);
  await assert.rejects(clientOf(copied, new SoftwareAuthenticator()).signIn({ pin: pin() }), m.NotConfirmed);
  // An authenticator that would answer to any credential has another secret.
  const willing = { available: async () => true, create: async () => assert.fail(), secret: async () => new Uint8Array(32).fill(7) };
  await assert.rejects(clientOf(copied, willing).signIn({ pin: pin() }), m.Damaged);
  assert.ok(await clientOf(copied, authenticator).signIn({ pin: pin() }), 'the control: it is all there');
});

test('a bound login asks once a sign-in, and never before the PIN', async () => {
  const authenticator = new SoftwareAuthenticator();
  const { store } = await enrolled({ authenticator });
  assert.equal(authenticator.asked, 0, 'enrolment has asked when it made the credential');
  const client = clientOf(store, authenticator);
  assert.equal(await client.isBound(), true);
  await client.prepare();
  assert.equal(authenticator.asked, 0);
  await client.signIn({ pin: pin() });
  assert.equal(authenticator.asked, 1);
  await assert.rejects(client.signIn({ pin: pin('472961') }), isProblem('login-refused'));
  await client.signIn({ pin: pin() });
  assert.equal(authenticator.asked, 2, 'a mistyped PIN is not confirmed twice');
  authenticator.confirms = false;
  await assert.rejects(client.signIn({ pin: pin() }), m.NotConfirmed);
  authenticator.confirms = true;
  assert.ok(await client.signIn({ pin: pin() }), 'nothing is lost');
});

test('a change of PIN keeps the binding, and may make one', async () => {
  const authenticator = new SoftwareAuthenticator();
  for (const first of [authenticator, undefined]) {
    const { name, store } = await enrolled({ authenticator: first });
    const client = clientOf(store, authenticator);
    const bound = first ? undefined : await client.bind(name);
    await client.changePIN({ pin: pin(), newPIN: pin('846251'), bound });
    assert.equal(await client.isBound(), true);
    assert.ok(await client.signIn({ pin: pin('846251') }));
    await assert.rejects(clientOf(await storeOf(await dump(store))).signIn({ pin: pin('846251') }), m.NotConfirmed);
    assert.deepEqual([...keysIn(Object.fromEntries(Object.entries(await dump(store)).filter(([k]) => k.startsWith('device '))))], []);
  }
});

test('a binding that is declined changes nothing', async () => {
  const authenticator = new SoftwareAuthenticator();
  const [name, store] = [newName(), m.memoryStore()];
  const client = clientOf(store, authenticator);
  const token = town.invite(name);
  for (const why of ['confirms', 'keepsSecrets']) {
    authenticator[why] = false;
    assert.equal(await client.bindable(token), true);
    await assert.rejects(client.bind(name), m.NotConfirmed);
    assert.deepEqual(await store.keys(), []);
    authenticator[why] = true;
  }
  await client.enrol({ token, pin: pin() });
  assert.equal(await client.isBound(), false);
  assert.ok(await clientOf(store).signIn({ pin: pin() }));
});

test('a bound private key is in the store but sealed, from the beginning', async () => {
  const authenticator = new SoftwareAuthenticator();
  const [name, store] = [newName(), m.memoryStore()];
  const written = [];
  const watched = { ...store, write: (changes) => (written.push(...Object.values(changes)), store.write(changes)) };
  const client = clientOf(watched, authenticator);
  await client.enrol({ token: town.invite(name), pin: pin(), bound: await client.bind(name) });
  assert.ok(written.length > 0);
  assert.deepEqual([...keysIn(written)], [], 'a key was written');
});

test('whatever is damaged is told, and nothing else happens', async () => {
  const { store } = await enrolled();
  const authenticator = new SoftwareAuthenticator();
  const other = await enrolled({ authenticator });
  let tried = 0;
  for (const values of [await dump(store), await dump(other.store)]) {
    for (const [key, value] of Object.entries(values)) {
      if (key === 'domain' || key.startsWith('account ')) continue;
      const parts = value instanceof Uint8Array ? [null] : value instanceof CryptoKey ? [] : Object.keys(value).filter((k) => value[k] instanceof Uint8Array && k !== 'spki');
      for (const part of parts) {
        const whole = structuredClone(part === null ? value : value[part]);
        for (const bad of [Uint8Array.from(whole, (x, i) => (i === whole.length - 1 ? x ^ 1 : x)), whole.slice(0, 5), 'text']) {
          tried += 1;
          const stored = await storeOf({ ...values, [key]: part === null ? bad : { ...value, [part]: bad } });
          await assert.rejects(clientOf(stored, authenticator).signIn({ pin: pin() }), m.Damaged, `${key} ${part}`);
        }
      }
    }
  }
  assert.ok(tried >= 12, `${tried}`);
});

test('a sealed value opens in its own place only', async () => {
  const { store } = await enrolled();
  const values = await dump(store);
  const [token, permit] = ['token ', 'permit '].map((p) => Object.keys(values).find((k) => k.startsWith(p)));
  const swapped = await storeOf({ ...values, [token]: values[permit], [permit]: values[token] });
  await assert.rejects(clientOf(swapped).signIn({ pin: pin() }), m.Damaged);
});

// A store that takes a number of writes and is full then.
function filling(store, writes) {
  const state = { left: writes };
  return {
    state, get: store.get, keys: store.keys,
    write: async (changes) => {
      if (state.left-- <= 0) throw new DOMException('full', 'QuotaExceededError');
      return store.write(changes);
    },
  };
}

const isFull = (e) => e instanceof DOMException && e.name === 'QuotaExceededError';

test('a store that is full leaves the login as it was, or what is new', async () => {
  for (const writes of [1, 2, 3]) { // then: token, permit, the end of the old key
    const { store } = await enrolled();
    const full = filling(store, writes);
    await assert.rejects(clientOf(full).changePIN({ pin: pin(), newPIN: pin('846251') }), isFull);
    full.state.left = Infinity;
    const client = clientOf(full);
    await client.signIn({ pin: pin() }).catch((e) => {
      assert.ok(isProblem('login-refused')(e), e.stack);
      return client.signIn({ pin: pin('846251') });
    });
  }
});

test('an enrolment that found the store full goes on when there is room', async () => {
  for (const writes of [1, 5, 6]) { // then: device key, permit, the end
    const [name, full] = [newName(), filling(m.memoryStore(), writes)];
    const token = town.invite(name);
    await assert.rejects(clientOf(full).enrol({ token, pin: pin() }), isFull);
    full.state.left = Infinity;
    // Where the authorities have issued and the store did not take it, it is said that another invitation is needed.
    await clientOf(full).enrol({ token, pin: pin() }).catch((e) => {
      assert.ok(e instanceof m.TooFewShares && e.outcomes.every((o) => o.error?.kind === 'already-enrolled'), e.stack);
      return clientOf(full).enrol({ token: town.invite(name), pin: pin() });
    });
    assert.equal((await clientOf(full).names()).length, 1);
  }
});
