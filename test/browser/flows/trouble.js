// What goes wrong for honest people: they are told what happened, and can go on.

import assert from 'node:assert/strict';
import { plain, Profile } from '../kit.js';
import { shown } from '../looks.js';
import { OTHER, REFUSED, RIGHT } from './enrol.js';

const DAY = 86_400_000;
const NO_ANSWER = 'net::ERR_FAILED';

// In a page: a clock that is off by so many milliseconds.
const clockOff = (by) => {
  const Real = Date;
  window.Date = class extends Real {
    constructor(...when) {
      super(...(when.length > 0 ? when : [Real.now() + by]));
    }

    static now() {
      return Real.now() + by;
    }
  };
};

const quota = async (p, size) => {
  p.devtools ??= await p.context.newCDPSession(p.page);
  await p.devtools.send('Storage.overrideQuotaForOrigin', { origin: p.town.origin, ...(size === undefined ? {} : { quotaSize: size }) });
};

const forgets = async (p) => {
  const devtools = await p.context.newCDPSession(p.page);
  await devtools.send('Storage.clearDataForOrigin', { origin: p.town.origin, storageTypes: 'indexeddb' });
};

export const trouble = {
  async 'an enrolment that is reloaded before its end goes on by the same link'() {
    const p = await Profile.open(plain);
    const link = await plain.invite('nora');
    await p.page.goto(link);
    await p.sees('Choose a PIN');
    await p.types(RIGHT);
    await p.sees('Enter it once more');
    await p.page.reload();
    await p.sees('Choose a PIN');
    // Now the login server has vouched for the device, and no authority has been asked.
    const vouched = new Promise((resolve) => {
      p.page.route('**/v1/enrol/vouchers', async (route) => resolve(await route.fetch()));
    });
    await p.chooses(RIGHT);
    await vouched;
    await p.page.reload();
    await p.page.unroute('**/v1/enrol/vouchers');
    await p.chooses(OTHER);
    await p.sees('This browser is set up');
    await p.signIn(OTHER);
    await p.sees('You are signed in');
    assert.equal((await plain.operator('devices', { name: 'acct:nora@example.org' })).length, 1);
    await p.close(RIGHT, OTHER);
  },

  async 'an enrolment whose shares are lost makes no half account, and a new invitation helps'() {
    const p = await Profile.open(plain);
    p.expects('status of 409');
    const link = await plain.invite('oscar');
    const lost = new Promise((resolve) => {
      let n = 0;
      p.page.route('**/v1/relay/*', async (route) => {
        await route.fetch();
        if (++n === 3) resolve();
      });
    });
    await p.page.goto(link);
    await p.chooses(RIGHT);
    await lost;
    await p.page.reload(); // before what is held back would go on
    await p.page.unroute('**/v1/relay/*');
    await p.chooses(RIGHT);
    await p.warned('An earlier try was interrupted in the middle');
    assert.deepEqual(await plain.operator('devices', { name: 'acct:oscar@example.org' }), []);
    await p.go('/signin');
    await p.sees('This browser is not set up yet');
    await p.enrol(await plain.invite('oscar'), RIGHT);
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT);
  },

  async 'an enrolment that ends before its first sign-in is completed by its PIN'() {
    const p = await Profile.open(plain);
    p.expects(NO_ANSWER, REFUSED);
    await p.page.route('**/v1/mpin/row', (route) => route.abort());
    await p.page.goto(await plain.invite('heidi'));
    await p.chooses(RIGHT);
    await p.warned('The server does not answer');
    await shown(p, 'unreachable');
    await p.page.unroute('**/v1/mpin/row');
    await p.signIn(OTHER);
    await p.warned('The PIN was wrong');
    await p.types(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT, OTHER);
  },

  async 'a change of PIN that is interrupted leaves a PIN that signs in'() {
    const p = await Profile.open(plain);
    p.expects(NO_ANSWER);
    await p.enrol(await plain.invite('peggy'), RIGHT);
    await p.page.route('**/v1/mpin/row', (route) => route.abort());
    await p.go('/pin');
    await p.sees('Enter your PIN');
    await p.types(RIGHT);
    await p.sees('Choose a new PIN');
    await p.types(OTHER);
    await p.sees('Enter the new PIN once more');
    await p.types(OTHER);
    await p.warned('The server does not answer');
    await p.page.unroute('**/v1/mpin/row');
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT, OTHER);
  },

  async 'two tabs that open one invitation make one login'() {
    const p = await Profile.open(plain);
    p.expects(REFUSED);
    const link = await plain.invite('ruth');
    const tabs = [[p.page, RIGHT], [await p.context.newPage(), OTHER]];
    await Promise.all(tabs.map(async ([page, pin]) => {
      await page.goto(link);
      await p.chooses(pin, page);
    }));
    const set = await Promise.all(tabs.map(async ([page, pin]) => {
      await page.locator('#done:visible, #notice:visible').first().waitFor();
      if (await page.locator('#done').isVisible()) return pin;
      await p.warned('It was set up in another tab meanwhile', page);
      return '';
    }));
    assert.equal(set.filter(Boolean).length, 1, 'not one tab set it up');
    await p.signIn(set.find(Boolean));
    await p.sees('You are signed in');
    assert.equal((await plain.operator('devices', { name: 'acct:ruth@example.org' })).length, 1);
    await p.close(RIGHT, OTHER);
  },

  async 'two tabs sign in at once, and the back button asks for the PIN again'() {
    const p = await Profile.open(plain);
    await p.enrol(await plain.invite('sam'), RIGHT);
    const other = await p.context.newPage();
    await Promise.all([p.page, other].map((page) => page.goto(`${plain.origin}/signin`)));
    await Promise.all([p.types(RIGHT), p.types(RIGHT, other)]);
    await Promise.all([p.sees('You are signed in'), p.sees('You are signed in', other)]);
    await p.page.getByRole('link', { name: 'My devices' }).click();
    await p.sees('Enter your PIN to see your devices');
    await p.page.goBack();
    await p.sees('Enter your PIN');
    await p.types(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT);
  },

  async 'a clock that is wrong is named, and nothing is lost'() {
    for (const [who, by] of [['ahead', 2 * DAY], ['years', -800 * DAY]]) {
      const p = await Profile.open(plain);
      p.expects('the server responded with a status of 4');
      const link = await plain.invite(who);
      await p.page.goto(link);
      await p.sees('Choose a PIN');
      await p.page.evaluate(clockOff, by);
      await p.chooses(RIGHT);
      await p.warned('The clock of this device is wrong');
      await p.press('Try again');
      await p.chooses(RIGHT); // the page has the right clock again
      await p.sees('This browser is set up');
      await p.close(RIGHT);
    }
  },

  async 'storage that is full is named, and the same link goes on'() {
    const p = await Profile.open(plain);
    await quota(p, 1);
    await p.page.goto(await plain.invite('tina'));
    await p.warned('its storage is full');
    await quota(p);
    await p.press('Try again');
    await p.chooses(RIGHT);
    await p.sees('This browser is set up');
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT);
  },

  async 'storage that is switched off is named'() {
    const p = await Profile.open(plain);
    await p.page.addInitScript(() => {
      IDBFactory.prototype.open = () => {
        throw new DOMException('denied', 'SecurityError');
      };
    });
    await p.page.goto(await plain.invite('theo'));
    await p.warned('or is switched off');
    await p.context.close();
  },

  async 'storage that is cleared is named, and a new invitation helps'() {
    const p = await Profile.open(plain);
    p.expects(REFUSED);
    await p.enrol(await plain.invite('uma'), RIGHT);
    await p.go('/signin');
    await p.sees('Enter your PIN');
    await forgets(p);
    await p.types(RIGHT);
    await p.warned('was cleared meanwhile');
    await p.go('/signin');
    await p.sees('This browser is not set up yet');
    const link = await plain.invite('uma');
    await p.page.goto(link);
    await p.sees('Choose a PIN');
    await forgets(p);
    await p.chooses(OTHER);
    await p.warned('was cleared meanwhile');
    await p.press('Try again');
    await p.chooses(OTHER);
    await p.sees('This browser is set up');
    await p.close(RIGHT, OTHER);
  },
};
