// The devices of a person.

import { NotEnrolled, Problem } from '../../sdk/js/src/browser.ts';
import { $, ask, clearNotice, el, end, news, show, t } from './dom.js';
import { explain } from './errors.js';
import { untilSignedIn } from './signin.js';

const SAME_YEAR = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' };

function when(time) {
  const then = new Date(time);
  const year = then.getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' };
  return then.toLocaleString(navigator.language, { ...SAME_YEAR, ...year });
}

const nameOf = (d) => d.label || t('devices.unnamed', { id: d.device.slice(0, 8) });

function line(d, remove) {
  const badges = [d.current && t('devices.this'), d.state === 'locked' && t('devices.locked')].filter(Boolean);
  const used = d.accepted ? t('devices.used', { when: when(d.accepted) }) : t('devices.never');
  const button = el('button', { type: 'button', className: 'button plain small' }, t('devices.remove'));
  button.setAttribute('aria-label', `${t('devices.remove')}: ${nameOf(d)}`);
  button.onclick = remove;
  const badge = (b) => el('span', { className: 'badge' }, b);
  return el('li', {}, el('div', {}, el('b', {}, nameOf(d)), ' ', ...badges.map(badge), el('small', {}, used)), button);
}

// Lets the person choose until the statement of the sign-in is no longer good, which is a Problem.
async function choices(client, { statement, name }) {
  let removed = '';
  for (;;) {
    const all = (await client.devices(statement)).filter((d) => d.state !== 'revoked');
    const d = await new Promise((resolve) => {
      $('devices').replaceChildren(...all.map((one) => line(one, () => resolve(one))));
      show('list');
      if (removed) news(t('devices.removed.title'), t('devices.removed', { name: removed }));
    });
    removed = '';
    clearNotice();
    const sure = await ask(t('devices.sure.title'), t(d.current ? 'devices.sure.this' : 'devices.sure', { name: nameOf(d) }), t('devices.yes'), t('devices.no'));
    if (!sure) continue;
    await client.removeDevice(statement, d.device);
    if (d.current) {
      await client.forget(name);
      return;
    }
    removed = nameOf(d);
  }
}

export async function devices(client, stretch) {
  for (;;) {
    const signedIn = await untilSignedIn(client, stretch, { prompt: 'devices.prompt', busy: 'devices.busy' });
    if (!signedIn) throw new NotEnrolled();
    try {
      await choices(client, signedIn);
      end(() => news(t('devices.removed.title'), t('devices.gone')));
      return;
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      explain(e);
    }
  }
}
