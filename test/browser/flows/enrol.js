// Enrolment by invitation.

import assert from 'node:assert/strict';
import { plain, Profile } from '../kit.js';
import { shown } from '../looks.js';

export const REFUSED = 'the server responded with a status of 403';
export const RIGHT = '472916';
export const WRONG = '472961';
export const OTHER = '805327';

export const enrol = {
  async 'a person enrols by an invitation, signs in, and is refused with a wrong PIN'() {
    const p = await Profile.open(plain);
    await p.go('/signin');
    await p.sees('This browser is not set up yet');
    await shown(p, 'signin-new');
    await p.page.goto(await plain.invite('alice'));
    await p.sees('Choose a PIN');
    await shown(p, 'enrol');
    await p.presses('1234');
    await p.sees('This PIN is easy to guess');
    await p.reads('It counts up or down.');
    await shown(p, 'enrol-weak');
    await p.press('Choose another');
    await p.presses(RIGHT);
    await p.sees('Enter it once more');
    await p.presses(WRONG);
    await p.warned('The two are not the same');
    await p.types(RIGHT);
    await p.sees('Enter it once more');
    await p.presses(RIGHT);
    await p.sees('This browser is set up');
    await shown(p, 'enrol-done');
    assert.ok(!p.page.url().includes('#'), 'the invitation stays in the address');

    await p.go('/signin');
    await p.sees('Enter your PIN');
    await p.page.keyboard.type('123');
    await shown(p, 'signin');
    for (const _ of '123') await p.page.keyboard.press('Backspace');
    await p.types(RIGHT);
    await p.sees('You are signed in');
    await shown(p, 'signin-done');

    p.expects(REFUSED);
    await p.signIn(WRONG);
    await p.warned('The PIN was wrong, or this device is locked or removed');
    await p.sees('Enter your PIN');
    assert.equal(await p.page.locator('#notice code').count(), 0, 'what the server said is for developers');
    await shown(p, 'refused');
    await p.page.getByText('What can I do?').click();
    await p.reads('five wrong ones in a row lock a device');
    await shown(p, 'refused-help');
    await p.types(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT, WRONG);
  },

  async 'a PIN that many people choose is kept if the person wants it'() {
    const p = await Profile.open(plain);
    await p.page.goto(await plain.invite('amy'));
    for (const [weak, why] of [['7777', 'one character over and over'], ['5656', 'repeats itself'], ['1984', 'a year or a date'], ['2580', 'people choose most']]) {
      await p.sees('Choose a PIN');
      await p.types(weak);
      await p.sees('This PIN is easy to guess');
      await p.reads(why);
      await p.press(weak === '2580' ? 'Keep it' : 'Choose another');
    }
    await p.sees('Enter it once more');
    await p.types('2580');
    await p.sees('This browser is set up');
    await p.close();
  },

  async 'an invitation serves one device, and is of no use afterwards'() {
    const [owner, other] = [await Profile.open(plain), await Profile.open(plain)];
    const link = await plain.invite('erin');
    await owner.enrol(link, RIGHT);
    other.expects(REFUSED);
    await other.page.goto(link);
    await other.warned('This invitation is not good any more');
    await shown(other, 'enrol-refused');
    owner.expects(REFUSED);
    await owner.page.reload();
    await owner.warned('This browser is set up');
    await owner.page.goto(link); // in the same tab, whose address differs in the fragment alone
    await owner.warned('This invitation is not good any more');
    await owner.go('/signin');
    await owner.go('/enrol');
    await owner.warned('This browser is set up');
    await owner.page.getByRole('link', { name: 'Sign in' }).first().click();
    await owner.sees('Enter your PIN');
    await owner.types(RIGHT);
    await owner.sees('You are signed in');
    assert.deepEqual(await plain.operator('devices', { name: 'acct:erin@example.org' }), ['active']);
    await owner.close(RIGHT);
    await other.close();
  },

  async 'a person asks for a link by mail, and enrols by it'() {
    const p = await Profile.open(plain);
    await p.go('/signin');
    await p.sees('This browser is not set up yet');
    for (const stranger of ['nobody@example.net', 'Olive@Example.ORG']) {
      await p.page.getByLabel('Your e-mail address').fill(stranger);
      await p.press('Mail me a link');
      await p.reads('a link is on its way');
    }
    const [letter] = await plain.letters('olive', 1);
    await p.enrol(/http\S+/.exec(letter.text)[0], RIGHT);
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    assert.deepEqual(await plain.operator('letters', { to: 'nobody@example.net', count: 0 }), []);
    await p.close(RIGHT);
  },
};
