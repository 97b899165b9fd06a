// Sign-in by PIN, its lock, and the change of the PIN.

import assert from 'node:assert/strict';
import { plain, Profile } from '../kit.js';
import { shown } from '../looks.js';
import { OTHER, REFUSED, RIGHT, WRONG } from './enrol.js';

export const signin = {
  async 'five wrong PINs lock the device, its owner gets a mail, and an operator unlocks it'() {
    const p = await Profile.open(plain);
    p.expects(REFUSED);
    await p.enrol(await plain.invite('bob'), RIGHT);
    await p.go('/signin');
    for (let i = 0; i < 5; i++) {
      await p.types(WRONG);
      await p.warned('The PIN was wrong');
      await p.sees('Enter your PIN');
    }
    const five = await p.notice();
    assert.deepEqual(await plain.operator('devices', { name: 'acct:bob@example.org' }), ['locked']);
    await p.types(RIGHT);
    await p.sees('Enter your PIN');
    assert.equal(await p.notice(), five, 'a locked device reads another text');
    const [letter] = await plain.letters('bob', 1);
    assert.match(letter.subject, /locked/);
    await plain.operator('unlock', { name: 'acct:bob@example.org' });
    await p.types(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT, WRONG);
  },

  async 'a PIN is changed, and the old one signs in no more'() {
    const p = await Profile.open(plain);
    await p.enrol(await plain.invite('dave'), RIGHT);
    await p.page.getByRole('link', { name: 'Change PIN' }).click();
    await p.sees('Enter your PIN');
    await p.types(RIGHT);
    await p.sees('Choose a new PIN');
    await shown(p, 'pin');
    await p.types(RIGHT);
    await p.warned('That is your old PIN');
    await p.types(OTHER);
    await p.sees('Enter the new PIN once more');
    await p.types(OTHER);
    await p.sees('Your PIN is changed');
    await shown(p, 'pin-done');
    p.expects(REFUSED);
    await p.signIn(RIGHT);
    await p.warned('The PIN was wrong');
    await p.types(OTHER);
    await p.sees('You are signed in');
    await p.close(RIGHT, OTHER);
  },

  async 'a PIN is not changed by who does not know it'() {
    const p = await Profile.open(plain);
    await p.enrol(await plain.invite('dora'), RIGHT);
    p.expects(REFUSED);
    await p.go('/pin');
    await p.sees('Enter your PIN');
    await p.types(WRONG);
    await p.sees('Choose a new PIN');
    await p.types(OTHER);
    await p.sees('Enter the new PIN once more');
    await p.types(OTHER);
    await p.warned('The PIN was wrong');
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT, WRONG, OTHER);
  },

  async 'a browser of two people asks who it is'() {
    const p = await Profile.open(plain);
    await p.enrol(await plain.invite('pat'), RIGHT);
    await p.go('/signin');
    await p.enrol(await plain.invite('quinn'), OTHER);
    await p.go('/signin');
    await p.sees('Enter your PIN');
    await p.page.getByLabel('Sign in as').selectOption('quinn@example.org');
    await shown(p, 'signin-two');
    await p.page.locator('#prompt').focus();
    await p.types(OTHER);
    await p.sees('You are signed in');
    await p.reads('as quinn@example.org');
    await p.close(RIGHT, OTHER);
  },
};
