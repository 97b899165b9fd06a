// What others try: to copy what is stored, to serve the pages elsewhere, to frame them, to see the PIN.

import assert from 'node:assert/strict';
import { plain, Profile } from '../kit.js';
import { REFUSED, RIGHT } from './enrol.js';

// In a page: all that script can read of the store, as text; keys, wherever they let themselves be exported.
async function exported() {
  const result = (request) => new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
  const db = await result(indexedDB.open('milagro'));
  const table = db.transaction('values').objectStore('values');
  const [names, values] = await Promise.all([result(table.getAllKeys()), result(table.getAll())]);
  const tries = [];
  const texts = [];
  for (const [i, value] of values.entries()) {
    for (const key of [value, value?.privateKey].filter((k) => k instanceof CryptoKey)) {
      for (const format of ['raw', 'jwk', 'pkcs8', 'spki']) tries.push(await crypto.subtle.exportKey(format, key).then(() => format, () => 'refused'));
    }
    texts.push([names[i], JSON.stringify(value, (_, v) => {
      if (v instanceof CryptoKey) return { key: v.type };
      if (v instanceof Uint8Array) return { bytes: [...v] };
      return typeof v === 'bigint' ? { big: String(v) } : v;
    })]);
  }
  return { texts, tries };
}

// In a page: puts it all into the store of this profile, with new keys in the place of those that stayed.
async function imported(texts) {
  const result = (request) => new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
  const wrap = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const db = await result(indexedDB.open('milagro'));
  const table = db.transaction('values', 'readwrite').objectStore('values');
  for (const [name, text] of texts) {
    const value = JSON.parse(text, (_, v) => {
      if (typeof v !== 'object' || v === null) return v;
      if (v.bytes) return Uint8Array.from(v.bytes);
      if (v.key) return v.key === 'secret' ? wrap : privateKey;
      return v.big ? BigInt(v.big) : v;
    });
    await result(table.put(value, name));
  }
}

export const thieves = {
  async 'what is stored in one profile signs in nowhere else'() {
    const [owner, thief] = [await Profile.open(plain), await Profile.open(plain)];
    await owner.enrol(await plain.invite('ivan'), RIGHT);
    const { texts, tries } = await owner.page.evaluate(exported);
    for (const kind of ['account ', 'device ', 'token ', 'permit ']) assert.ok(texts.some(([name]) => name.startsWith(kind)), `no ${kind} is stored`);
    assert.ok(tries.length >= 8 && tries.every((t) => t === 'refused'), `a key was exported: ${tries}`);
    await thief.go('/signin');
    await thief.sees('This browser is not set up yet');
    await thief.page.evaluate(imported, texts);
    await thief.signIn(RIGHT);
    await thief.warned('is damaged, or is that of another browser');
    await owner.signIn(RIGHT);
    await owner.sees('You are signed in');
    await owner.close(RIGHT);
    await thief.context.close();
  },

  async 'the same pages at another origin sign nobody in'() {
    const p = await Profile.open(plain);
    p.origins.push(plain.elsewhere);
    await p.enrol(await plain.invite('kate'), RIGHT);
    await p.page.goto(`${plain.elsewhere}/signin`);
    await p.sees('This browser is not set up yet'); // the keys are those of an origin
    for (const page of ['/pin', '/devices']) {
      await p.page.goto(plain.elsewhere + page);
      await p.warned('This browser is not set up for you');
    }
    // Enrolment there would be for whoever relays it: the domain document names the one origin.
    const link = await plain.invite('kate');
    await p.page.goto(link.replace(plain.origin, plain.elsewhere));
    await p.warned('This is not the address of the service');
    assert.ok(!(await p.page.locator('#pad').isVisible()), 'a PIN is asked for');
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT);
  },

  async 'scripts of another origin reach no call of the login server'() {
    const p = await Profile.open(plain);
    p.origins.push(plain.elsewhere);
    p.expects('blocked by CORS policy', 'net::ERR_FAILED', 'status of 403', 'status of 415');
    await p.page.goto(`${plain.elsewhere}/signin`); // a relay that takes the policy away
    const answers = new Map();
    p.page.on('response', (r) => r.request().method() === 'POST' && answers.set(new URL(r.url()).pathname, r.status()));
    for (const path of ['/v1/mpin/begin', '/v1/mpin/finish', '/v1/enrol/vouchers', '/v1/me/devices/remove', '/oauth/signin', '/oauth/signout']) {
      const said = await p.page.evaluate(async (url) => {
        const asked = (more) => fetch(url, { method: 'POST', body: '{}', credentials: 'include', ...more }).then((r) => r.type, (e) => e.name);
        return [await asked({ headers: { 'Content-Type': 'application/json' } }), await asked({ mode: 'no-cors', headers: { 'Content-Type': 'text/plain' } })];
      }, plain.origin + path);
      // What no header allows, the browser does not send; what it sends unasked, the server refuses unread.
      assert.deepEqual(said, ['TypeError', 'opaque'], path);
      assert.ok([403, 415].includes(answers.get(path)), `${path}: ${answers.get(path)}`);
    }
    await p.close();
  },

  async 'no page can be framed'() {
    const p = await Profile.open(plain);
    p.origins.push(plain.application);
    p.expects('frame-ancestors', 'Refused to', 'X-Frame-Options', 'net::ERR_BLOCKED_BY_RESPONSE', 'status of 400');
    await p.page.goto(plain.application);
    for (const path of ['/signin', '/enrol', '/pin', '/devices', '/oauth/authorize']) {
      const refused = p.page.waitForEvent('console', (m) => /frame-ancestors|X-Frame-Options/.test(m.text()));
      await p.page.evaluate((src) => {
        window.moving = true;
        const frame = document.createElement('iframe');
        frame.src = src;
        document.body.replaceChildren(frame);
      }, plain.origin + path);
      await refused;
      assert.ok(!p.page.frames().some((f) => f.url().startsWith(plain.origin)), `${path} was framed`);
    }
    await p.go('/signin');
    await p.close();
  },

  async 'no digit of the PIN is ever in the page, and none is anywhere afterwards'() {
    const p = await Profile.open(plain);
    p.expects(REFUSED);
    const pin = '790878'; // digits that nothing else on the pages has
    await p.page.addInitScript(() => {
      window.changes = [];
      const note = (n) => window.changes.push(n.nodeType === Node.ELEMENT_NODE ? n.outerHTML : n.data ?? '');
      const watch = new MutationObserver((all) => {
        for (const m of all) {
          m.addedNodes.forEach(note);
          if (m.type === 'characterData') note(m.target);
          if (m.type === 'attributes') window.changes.push(`${m.attributeName}=${m.target.getAttribute(m.attributeName)}`);
        }
      });
      addEventListener('DOMContentLoaded', () => watch.observe(document, { subtree: true, childList: true, characterData: true, attributes: true }));
    });
    const noDigit = async () => {
      const changes = await p.page.evaluate(() => window.changes);
      assert.ok(changes.length > 20, 'nothing was watched');
      assert.deepEqual(changes.filter((c) => /[7890]/.test(c)), [], 'the page shows digits');
    };
    await p.page.goto(await plain.invite('lena'));
    await p.sees('Choose a PIN');
    await p.presses(pin);
    await p.sees('Enter it once more');
    await p.presses(pin);
    await p.sees('This browser is set up');
    await noDigit();
    await p.signIn('790877');
    await p.warned('The PIN was wrong');
    await p.presses(pin);
    await p.sees('You are signed in');
    await noDigit();
    await p.close(pin, '790877');
  },

  async 'a PIN of letters is in no request, store, log or page'() {
    const p = await Profile.open(plain);
    const pin = 'Tramp-Oline!42';
    await p.enrol(await plain.invite('mona'), pin);
    await p.signIn(pin);
    await p.sees('You are signed in');
    await p.close(pin);
  },
};
