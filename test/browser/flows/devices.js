// A person's devices.

import assert from 'node:assert/strict';
import { plain, Profile } from '../kit.js';
import { shown } from '../looks.js';
import { OTHER, REFUSED, RIGHT } from './enrol.js';

const row = (p, rest) => p.page.locator('#devices li').filter(rest);

async function opens(p, pin) {
  await p.go('/devices');
  await p.sees('Enter your PIN to see your devices');
  await p.types(pin);
  await p.page.locator('#list').waitFor();
}

export const devices = {
  async 'a second device is enrolled by a second invitation, is seen and removed'() {
    const [first, second] = [await Profile.open(plain), await Profile.open(plain)];
    await first.enrol(await plain.invite('carol'), RIGHT);
    await second.enrol(await plain.invite('carol'), OTHER);
    await second.signIn(OTHER);
    await second.sees('You are signed in');
    await opens(first, RIGHT);
    assert.equal(await row(first).count(), 2);
    assert.equal(await row(first, { hasText: 'Chrome on Linux' }).count(), 2);
    await shown(first, 'devices');
    await row(first, { hasNotText: 'This device' }).getByRole('button').click();
    await first.sees('Remove this device?');
    await shown(first, 'devices-remove');
    await first.press('Keep');
    await first.page.locator('#list').waitFor();
    assert.equal(await row(first).count(), 2);
    await row(first, { hasNotText: 'This device' }).getByRole('button').click();
    await first.sees('Remove this device?');
    await first.press('Remove');
    await first.warned('signs you in no more');
    await row(first).nth(1).waitFor({ state: 'detached' });
    assert.equal(await row(first).count(), 1);
    second.expects(REFUSED);
    await second.signIn(OTHER);
    await second.warned('The PIN was wrong, or this device is locked or removed');
    await first.signIn(RIGHT);
    await first.sees('You are signed in');
    await first.close(RIGHT);
    await second.close(OTHER);
  },

  async 'a device removes itself, and keeps nothing'() {
    const p = await Profile.open(plain);
    await p.enrol(await plain.invite('rose'), RIGHT);
    await opens(p, RIGHT);
    await row(p, {}).getByRole('button').click();
    await p.sees('Remove this device?');
    await p.press('Remove');
    await p.warned('This device signs you in no more');
    await p.go('/signin');
    await p.sees('This browser is not set up yet');
    assert.deepEqual(await plain.operator('devices', { name: 'acct:rose@example.org' }), ['revoked']);
    await p.close(RIGHT);
  },

  async 'a person who is revoked in mid-session is told no more than with a wrong PIN'() {
    const p = await Profile.open(plain);
    await p.enrol(await plain.invite('frank'), RIGHT);
    await opens(p, RIGHT);
    await plain.operator('revoke', { name: 'acct:frank@example.org' });
    p.expects(REFUSED);
    await row(p, {}).getByRole('button').click();
    await p.press('Remove');
    await p.warned('The PIN was wrong, or this device is locked or removed');
    await p.sees('Enter your PIN to see your devices');
    const mid = await p.notice();
    await p.types(RIGHT);
    await p.sees('Enter your PIN to see your devices');
    assert.equal(await p.notice(), mid);
    await p.close(RIGHT);
  },
};
