// What a person does whom 'milagro dev' invites: enrols, signs in to its application, and has a link mailed for a second browser.
// cmd/milagro runs it (TestDevInChromium).

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { closeBrowser, Profile, Town } from './kit.js';
import { accessible, fitsPhones } from './looks.js';

/** The town that 'milagro dev' runs: nobody operates it but the person, and its logs are files. */
class Dev extends Town {
  async operator(act, { text }) {
    assert.equal(act, 'logged');
    return readdirSync(this.logs).some((name) => readFileSync(`${this.logs}/${name}`, 'utf8').includes(text));
  }
}

const town = new Dev(JSON.parse(process.env.MILAGRO_TOWNS).dev);
const RIGHT = '472916';
const PHONE = { viewport: { width: 360, height: 740 }, colorScheme: 'dark', isMobile: true, hasTouch: true };

async function arrives(options) {
  const p = await Profile.open(town, options);
  p.origins.push(new URL(town.application).origin, new URL(town.mails).origin);
  await p.page.goto(town.application);
  await p.sees('An application to try');
  await looksRight(p, 'the application');
  return p;
}

async function looksRight(p, what) {
  await accessible(p.page, what);
  await fitsPhones(p.page, what);
}

const follow = (p, name) => p.page.getByRole('link', { name, exact: true }).click();

async function entersPIN(p) {
  await p.sees('Enter your PIN');
  await p.types(RIGHT);
}

async function leaves(p) {
  await p.go('/signin');
  await p.close(RIGHT);
}

after(closeBrowser);

test('the invitation sets a browser up, which signs in to the application and out', async () => {
  const p = await arrives();
  await p.enrol(town.invitation, RIGHT);
  await p.page.goto(town.application);
  await follow(p, 'Sign in');
  await entersPIN(p);
  await p.sees('Hello, you@dev.example');
  await looksRight(p, 'the application, signed in');
  const claims = await p.page.locator('table').first().innerText();
  for (const claim of ['sub', 'urn:milagro:acr:mpin', '["pin","pop","mfa"]', 'auth_time']) assert.ok(claims.includes(claim), claims);
  await p.press('Refresh');
  await p.sees('Hello, you@dev.example');
  await follow(p, 'Ask for the PIN again');
  await entersPIN(p);
  await p.sees('Hello, you@dev.example');
  await p.press('Sign out');
  await p.sees('An application to try');
  await follow(p, 'Sign in');
  await p.sees('Enter your PIN');
  await leaves(p);
});

test('a mailed link sets another person up, on a phone', async () => {
  const p = await arrives(PHONE);
  await follow(p, 'Sign in');
  await p.page.locator('#address').fill('eve@dev.example');
  await p.press('Mail me a link');
  await p.reads('a link is on its way');
  await p.page.goto(`${town.mails}?watch=on`); // loads itself again until the mail is there
  await p.sees('Enrol a device at login');
  await p.page.getByRole('link', { name: 'Stop refreshing' }).click();
  await p.sees('Enrol a device at login');
  await looksRight(p, 'the mails');
  await p.page.locator('article a').click();
  await p.chooses(RIGHT);
  await p.sees('This browser is set up');
  await p.page.goto(town.application);
  await follow(p, 'Sign in');
  await entersPIN(p);
  await p.sees('Hello, eve@dev.example');
  await leaves(p);
});

test('the application says what is wrong with an answer that it did not ask for', async () => {
  const p = await arrives();
  p.expects('the server responded with a status of 400');
  await p.page.goto(`${town.application}callback?state=x&code=y`);
  await p.sees('Not signed in');
  await looksRight(p, 'the mistake');
  await leaves(p);
});
