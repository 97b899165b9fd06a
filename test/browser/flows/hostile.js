// Hostile values in every field: a text that helps, nothing on the console.

import assert from 'node:assert/strict';
import { plain, Profile } from '../kit.js';
import { shown } from '../looks.js';
import { REFUSED, RIGHT } from './enrol.js';

const MARKUP = '<img src=x onerror=alert(1)>';
const LONG = 'a'.repeat(4_000);

export const hostile = {
  async 'hostile addresses are refused in the page'() {
    const p = await Profile.open(plain);
    await p.go('/signin');
    await p.sees('This browser is not set up yet');
    const asked = () => p.sent.filter(({ url }) => url.endsWith('/v1/enrol/mail')).length;
    for (const bad of ['', 'alice', '@', 'a@b@c', `${MARKUP}@example.org`, 'a\u0000@example.org', 'ａlice@example.org', 'a b@example.org', '"a"@example.org',
      'alice@[127.0.0.1]', 'a%0d%0aBcc:x@example.org', `${LONG}@example.org`, '\u202egro.elpmaxe@ecila']) {
      await p.page.getByLabel('Your e-mail address').fill(bad);
      await p.press('Mail me a link');
      await p.reads('This is not an e-mail address as it is used here');
      assert.equal(asked(), 0, `${bad} was sent`);
      await p.page.getByLabel('Your e-mail address').fill('');
    }
    // What looks like one and is none for the server.
    p.expects('status of 400');
    await p.page.getByLabel('Your e-mail address').fill('a@b..c');
    await Promise.all([p.page.waitForResponse('**/v1/enrol/mail'), p.press('Mail me a link')]);
    await p.reads('This is not an e-mail address as it is used here');
    await p.close();
  },

  async 'hostile fragments and queries are refused in the page'() {
    const p = await Profile.open(plain);
    p.expects(REFUSED, 'status of 400');
    for (const fragment of ['', '#', `#${MARKUP}`, '#%ff%00', '#__proto__', `#${'A'.repeat(42)}`, `#${'A'.repeat(44)}`, `#${LONG}`, `#${'é'.repeat(43)}`]) {
      await p.page.goto('about:blank');
      await p.go(`/enrol${fragment}`);
      await p.warned('Open the whole link of your invitation');
    }
    for (const unknown of ['A'.repeat(43), '_'.repeat(43)]) {
      await p.page.goto('about:blank');
      await p.go(`/enrol#${unknown}`);
      await p.page.locator('#notice:visible').waitFor();
      assert.match(await p.notice(), /This invitation is not good any more|Open the whole link/);
    }
    for (const query of ['?request=', `?request=${MARKUP}`, '?request=%00%ff', `?request=${LONG}`, '?request=a&request=b', '?__proto__[x]=1']) {
      await p.go(`/signin${query}`);
      await p.sees('This browser is not set up yet');
    }
    await p.close();
  },

  async 'what an application may not ask for is refused on a page'() {
    const p = await Profile.open(plain);
    p.expects('status of 400', 'status of 404', 'favicon');
    for (const query of ['', '?client_id=wiki&redirect_uri=https://thief.example/', `?client_id=${encodeURIComponent(MARKUP)}`]) {
      await p.go(`/oauth/authorize${query}`);
      await p.sees('Sign-in not possible');
      assert.equal(await p.page.locator('img').count(), 0, 'markup was taken in');
    }
    await shown(p, 'application-refused');
    await p.go('/signin');
    await p.close();
  },

  async 'a request that no application made is told, and the person is signed in nowhere'() {
    const p = await Profile.open(plain);
    p.expects('status of 409', 'status of 400');
    await p.enrol(await plain.invite('vera'), RIGHT);
    for (const request of ['x', encodeURIComponent(MARKUP), '']) {
      await p.go(`/signin?request=${request}`);
      await p.sees('Enter your PIN');
      await p.types(RIGHT);
      await p.warned('Go back to it and begin again');
      assert.equal((await p.context.cookies()).filter((c) => c.name.endsWith('milagro')).length, 0, 'a session was made');
    }
    await p.close(RIGHT);
  },

  async 'only characters that a PIN may have are taken'() {
    const p = await Profile.open(plain);
    await p.page.goto(await plain.invite('will'));
    await p.sees('Choose a PIN');
    const count = p.page.locator('#count');
    for (const key of ['F', 'ArrowLeft', 'Control+1', 'Alt+2', 'Escape', 'F2']) await p.page.keyboard.press(key);
    await p.page.evaluate(() => {
      for (const key of ['ü', '٣', '😀', '\u0000', 'Dead', '']) document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    });
    await count.filter({ hasText: '1 entered' }).waitFor({ state: 'attached' });
    await p.page.keyboard.press('Enter');
    await p.warned('at least 4 characters');
    await p.page.keyboard.type('x'.repeat(100));
    await count.filter({ hasText: '64 entered' }).waitFor({ state: 'attached' });
    for (let i = 0; i < 70; i++) await p.page.keyboard.press('Backspace');
    await count.filter({ hasText: 'Nothing entered' }).waitFor({ state: 'attached' });
    await p.close();
  },
};
