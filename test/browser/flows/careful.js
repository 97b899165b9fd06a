// The town whose authorities mail codes of their own, and whose servers go down. Its pages name errors to developers.

import assert from 'node:assert/strict';
import { careful as town, Profile } from '../kit.js';
import { shown } from '../looks.js';
import { OTHER, REFUSED, RIGHT, WRONG } from './enrol.js';

const link = (letter) => /http\S+\/enrol#\S+/.exec(letter.text)[0];
const codeOf = (letter) => /^(\d{4} \d{4})$/m.exec(letter.text)[1];
const authorityOf = (letter) => /is the code of the authority (.*) \(/.exec(letter.text)[1];
const DOWN = 'the server responded with a status of 503';

// Types the newest code of each authority, or of those that are wanted.
async function typesCodes(p, letters, which = () => true) {
  const newest = new Map(letters.map((l) => [authorityOf(l), codeOf(l)]));
  for (const [name, code] of newest) if (which(name)) await p.page.getByLabel(`Code from ${name}`).fill(code);
  await p.press('Go on');
}

export const careful = {
  async 'a person enrols by mail, with a code of every authority'() {
    const p = await Profile.open(town);
    p.expects(REFUSED);
    await p.go('/signin');
    await p.page.getByLabel('Your e-mail address').fill('alice@example.org');
    await p.press('Mail me a link');
    await p.reads('a link is on its way');
    await shown(p, 'signin-mailed');
    const [invitation] = await town.letters('alice', 1);
    await p.page.goto(link(invitation));
    await p.chooses(RIGHT);
    await p.sees('Look into your mailbox');
    await shown(p, 'enrol-codes');
    const letters = await town.letters('alice', 3, 'authorities');
    const words = (await p.page.locator('#words li').allInnerTexts()).join(' ');
    for (const l of letters) assert.ok(l.text.includes(`    ${words}\n`), 'a mail shows other words than the page');

    for (const bad of ['1234', '12345678901', 'abcdefgh', '<b>12345', '\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668', '   ']) {
      await p.page.getByLabel('Code from operator 1').fill(bad);
      await p.press('Go on');
      await p.warned('A code has eight digits');
    }
    const wrong = codeOf(letters[0]) === '0000 0000' ? '1111 1111' : '0000 0000';
    for (const name of letters.map(authorityOf)) await p.page.getByLabel(`Code from ${name}`).fill(wrong);
    await p.press('Go on');
    await p.warned('A code was wrong');
    await p.sees('Look into your mailbox');
    await p.press('Mail me new codes');
    await p.sees('Look into your mailbox');
    await typesCodes(p, await town.letters('alice', 6, 'authorities'));
    await p.sees('This browser is set up');
    await p.signIn(WRONG);
    await p.warned('Problem: login-refused'); // for developers
    await p.types(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT, WRONG);
  },

  async 'one right code is kept when another is wrong'() {
    const p = await Profile.open(town);
    p.expects(REFUSED);
    await p.page.goto(await town.invite('bob'));
    await p.chooses(RIGHT);
    await p.sees('Look into your mailbox');
    const letters = await town.letters('bob', 3, 'authorities');
    await p.page.getByLabel('Code from operator 2').fill(codeOf(letters[0]) === '9999 9999' ? '00000000' : '99999999');
    await typesCodes(p, letters, (name) => name === 'operator 1');
    await p.warned('A code was wrong');
    assert.equal(await p.page.getByLabel('Code from operator 1').count(), 0, 'a code that was right is asked for again');
    await typesCodes(p, letters, (name) => name === 'operator 3');
    await p.sees('This browser is set up');
    await p.close(RIGHT);
  },

  async 'mail servers that are down are named, and the same link goes on'() {
    const p = await Profile.open(town);
    p.expects(DOWN, REFUSED);
    const invitation = await town.invite('carol');
    await town.operator('mail', { state: 'down' });
    await p.go('/signin');
    await p.page.getByLabel('Your e-mail address').fill('carola@example.org');
    await p.press('Mail me a link');
    await p.reads('a link is on its way'); // it is, when the mail server is up: nobody is told who has an address here
    await p.page.goto(invitation);
    await p.chooses(RIGHT);
    await p.warned('The mails with your codes cannot be sent just now');
    await shown(p, 'developers');
    await town.operator('mail', { state: 'up' });
    await p.press('Try again');
    await p.chooses(RIGHT);
    await p.sees('Look into your mailbox');
    await typesCodes(p, await town.letters('carol', 3, 'authorities'));
    await p.sees('This browser is set up');
    await p.close(RIGHT);
  },

  async 'one authority that is down keeps nobody from enrolling'() {
    const p = await Profile.open(town);
    p.expects(DOWN, REFUSED);
    await town.operator('authority', { index: 2, state: 'down' });
    await p.page.goto(await town.invite('dave'));
    await p.chooses(RIGHT);
    await p.sees('Look into your mailbox');
    await typesCodes(p, await town.letters('dave', 2, 'authorities'));
    await p.sees('This browser is set up');
    await town.operator('authority', { index: 2, state: 'up' });
    await p.signIn(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT);
  },

  async 'two authorities that are down are named, and the same link goes on'() {
    const p = await Profile.open(town);
    p.expects(DOWN, REFUSED, 'the server responded with a status of 409'); // the share of the first try is lost
    const invitation = await town.invite('erin');
    for (const index of [1, 3]) await town.operator('authority', { index, state: 'down' });
    await p.page.goto(invitation);
    await p.chooses(RIGHT);
    await p.sees('Look into your mailbox');
    await typesCodes(p, await town.letters('erin', 1, 'authorities'));
    await p.warned('Too few of the authorities');
    for (const index of [1, 3]) await town.operator('authority', { index, state: 'up' });
    await p.press('Try again');
    await p.chooses(OTHER);
    await p.sees('Look into your mailbox');
    await typesCodes(p, (await town.letters('erin', 3, 'authorities')).slice(1));
    await p.sees('This browser is set up');
    await p.signIn(OTHER);
    await p.sees('You are signed in');
    await p.close(RIGHT, OTHER);
  },

  async 'a login server that is down is named, and the PIN signs in when it is back'() {
    const p = await Profile.open(town);
    p.expects('net::ERR_CONNECTION_REFUSED', REFUSED);
    await p.page.goto(await town.invite('frank'));
    await p.chooses(RIGHT);
    await p.sees('Look into your mailbox');
    await typesCodes(p, await town.letters('frank', 3, 'authorities'));
    await p.sees('This browser is set up');
    await p.go('/signin');
    await p.sees('Enter your PIN');
    await town.operator('server', { state: 'down' });
    await p.types(RIGHT);
    await p.warned('The server does not answer');
    await p.warned('Problem: unreachable');
    await town.operator('server', { state: 'up' });
    await p.types(RIGHT);
    await p.sees('You are signed in');
    await p.close(RIGHT);
  },
};
