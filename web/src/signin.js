// Sign-in, for itself or for an application that sent the person here.

import { Problem } from '../../sdk/js/src/browser.ts';
import { chooseAccount } from './account.js';
import { $, busy, clearNotice, done, person, show, t } from './dom.js';
import { explain } from './errors.js';
import { askPIN } from './pad.js';

const request = () => new URLSearchParams(location.search).get('request');

function offerMail(client) {
  const say = (key) => {
    $('mailed').textContent = t(key);
    $('address').setAttribute('aria-invalid', String(key === 'signin.mail.bad'));
  };
  $('links').inert = true;
  show('none');
  $('mail').onsubmit = async (e) => {
    e.preventDefault();
    clearNotice();
    const address = $('address').value.trim().toLowerCase();
    if (!/^[a-z0-9._+-]{1,64}@[a-z0-9.-]{1,253}$/.test(address)) {
      say('signin.mail.bad');
      $('address').focus();
      return;
    }
    try {
      await client.mail(`acct:${address}`);
      say('signin.mail.sent');
    } catch (error) {
      if (error instanceof Problem && error.kind === 'malformed') say('signin.mail.bad');
      else explain(error);
    }
  };
}

async function goOn(statement) {
  busy('signin.going');
  const response = await fetch('/oauth/signin', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, credentials: 'same-origin', redirect: 'error',
    body: JSON.stringify({ request: request(), statement }),
  });
  if (!response.ok) throw new Problem(response.status >= 500 ? 'unavailable' : 'request', { status: response.status });
  const to = new URL((await response.json()).redirect, location.origin);
  if (!/^https?:$/.test(to.protocol)) throw new Problem('request');
  location.replace(to);
}

/**
 * Asks for the PIN until it signs in.
 * @param {import('../../sdk/js/src/browser.ts').Client} client
 * @param {{warm: () => void}} stretch
 * @param {{prompt: string, busy: string}} texts
 */
export async function untilSignedIn(client, stretch, texts) {
  const names = await client.names();
  if (names.length === 0) return null;
  const name = chooseAccount(names);
  client.prepare(name()).catch(() => {}); // what it could not fetch is asked for again, and explained, then
  for (;;) {
    const pin = await askPIN(texts.prompt);
    clearNotice();
    busy(texts.busy);
    try {
      return await client.signIn({ pin, name: name() });
    } catch (e) {
      explain(e);
    } finally {
      pin.fill(0);
    }
    stretch.warm();
  }
}

export async function signIn(client, stretch) {
  $('links').inert = request() !== null; // they would lose the application's request
  const signedIn = await untilSignedIn(client, stretch, { prompt: 'signin.prompt', busy: 'signin.busy' });
  if (!signedIn) return offerMail(client);
  if (request() !== null) return goOn(signedIn.statement);
  $('who').textContent = '';
  return done('signin', { name: person(signedIn.name) });
}
