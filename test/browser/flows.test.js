// The pages in Chromium, against a real login server and real authorities.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { invite, Profile, picture, start } from './kit.js';

const RIGHT = '472916';
const WRONG = '472961';
const REFUSED = 'the server responded with a status of 403';

let browser;
before(async () => {
  browser = await start();
});
after(() => browser?.close());

test('a person enrols by an invitation, signs in, and is refused with a wrong PIN', { timeout: 60_000 }, async () => {
  const p = await Profile.open(browser);
  const link = await invite('acct:alice@example.org');
  await p.page.goto(link);
  await p.sees('Choose a PIN');
  await p.presses(RIGHT);
  await p.sees('Enter it once more');
  await p.presses(RIGHT);
  await p.sees('This browser is set up');
  assert.ok(!p.page.url().includes('#'), 'the invitation stays in the address');

  await p.signIn(RIGHT);
  await p.sees('You are signed in');

  p.expects(REFUSED);
  await p.signIn(WRONG);
  await p.warned('The PIN was wrong, or this device is locked or removed');
  await p.types(RIGHT);
  await p.sees('You are signed in');
  await p.clean(RIGHT, WRONG);
  await p.close();
});
