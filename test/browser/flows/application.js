// Sign-in for an application: the whole code flow of OpenID Connect at a relying party.

import assert from 'node:assert/strict';
import { plain, Profile } from '../kit.js';
import { shown } from '../looks.js';
import { REFUSED, RIGHT, WRONG } from './enrol.js';

const CONFLICT = 'the server responded with a status of 409';

// A person with a login, who stands before the application.
async function visitor(name) {
  const p = await Profile.open(plain);
  p.origins.push(plain.application);
  await p.enrol(await plain.invite(name), RIGHT);
  await p.page.goto(plain.application);
  await p.sees('Wiki');
  return p;
}

const follow = (p, link) => p.page.getByRole('link', { name: link }).click();

async function leaves(p, ...pins) {
  await p.go('/signin');
  await p.close(...pins);
}

export const application = {
  async 'a person signs in to an application with the PIN, and signs out'() {
    const p = await visitor('grace');
    p.expects(REFUSED);
    await follow(p, 'Sign in');
    await p.sees('Enter your PIN');
    assert.equal(await p.page.getByRole('link').count(), 0, 'a link loses the request');
    await shown(p, 'application');
    await p.types(WRONG);
    await p.warned('The PIN was wrong');
    await p.types(RIGHT);
    await p.sees('Wiki of grace@example.org');

    await p.page.goto(`${plain.application}/refresh`);
    await p.sees('Refreshed');
    await p.page.goto(`${plain.application}/in`); // who is signed in is not asked again
    await p.sees('Wiki of grace@example.org');
    await follow(p, 'Sign out');
    await p.sees('Wiki');
    await follow(p, 'Sign in');
    await p.sees('Enter your PIN');
    await p.types(RIGHT);
    await p.sees('Wiki of grace@example.org');
    await leaves(p, RIGHT, WRONG);
  },

  async 'the back button leads from the application to no half-made sign-in'() {
    const p = await visitor('henry');
    p.expects(CONFLICT);
    await follow(p, 'Sign in');
    await p.sees('Enter your PIN');
    const asked = p.page.url();
    await p.types(RIGHT);
    await p.sees('Wiki of henry@example.org');
    await p.page.goBack();
    await p.page.reload();
    await p.sees('Wiki of henry@example.org');
    await p.page.goto(asked);
    await p.sees('Enter your PIN');
    await p.types(RIGHT);
    await p.warned('Go back to it and begin again');
    await shown(p, 'application-old');
    await leaves(p, RIGHT);
  },

  async 'a person who is revoked in mid-session is signed out of the application at once'() {
    const p = await visitor('iris');
    await follow(p, 'Sign in');
    await p.types(RIGHT);
    await p.sees('Wiki of iris@example.org');
    await plain.operator('revoke', { name: 'acct:iris@example.org' });
    await p.page.reload();
    await p.sees('Signed out by the login server');
    await follow(p, 'Sign in');
    p.expects(REFUSED);
    await p.sees('Enter your PIN');
    await p.types(RIGHT);
    await p.warned('The PIN was wrong, or this device is locked or removed');
    await leaves(p, RIGHT);
  },

  async 'two tabs sign in to an application at once'() {
    const p = await visitor('jack');
    const other = await p.context.newPage();
    await other.goto(plain.application);
    for (const page of [p.page, other]) {
      await page.getByRole('link', { name: 'Sign in' }).click();
      await p.sees('Enter your PIN', page);
    }
    await Promise.all([p.types(RIGHT), p.types(RIGHT, other)]);
    await Promise.all([p.sees('Wiki of jack@example.org'), p.sees('Wiki of jack@example.org', other)]);
    await leaves(p, RIGHT);
  },

  async 'a browser that is not set up is told so by an application\'s sign-in'() {
    const p = await Profile.open(plain);
    p.origins.push(plain.application);
    await p.page.goto(plain.application);
    await follow(p, 'Sign in');
    await p.sees('This browser is not set up yet');
    await p.close();
  },
};
