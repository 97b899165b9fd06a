// The devices of a person.

import { NotEnrolled } from '../../sdk/js/src/browser.ts';
import { $, ask, clearNotice, el, notice, show, t } from './dom.js';
import { explain } from './errors.js';
import { untilSignedIn } from './signin.js';

const when = (time) => new Date(time).toLocaleString(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'short' });

const nameOf = (d) => d.label || t('devices.unnamed', { id: d.device.slice(0, 8) });

function line(d, remove) {
  const used = d.accepted ? t('devices.used', { when: when(d.accepted) }) : t('devices.never');
  const states = [d.current && t('devices.this'), used, d.state === 'locked' && t('devices.locked')].filter(Boolean);
  const button = el('button', { type: 'button', className: 'button plain small' }, t('devices.remove'));
  button.setAttribute('aria-label', `${t('devices.remove')}: ${nameOf(d)}`);
  button.onclick = remove;
  return el('li', {}, el('div', {}, nameOf(d), ...states.map((s) => el('small', {}, s))), button);
}

export async function devices(client, stretch) {
  const signedIn = await untilSignedIn(client, stretch, { prompt: 'devices.prompt', busy: 'devices.busy' });
  if (!signedIn) throw new NotEnrolled();
  const { statement, name } = signedIn;
  const remove = async (d) => {
    clearNotice();
    const sure = await ask(t('devices.title'), t('devices.sure', { name: nameOf(d) }), t('devices.yes'), t('devices.no'));
    try {
      if (sure) await client.removeDevice(statement, d.device);
      if (sure && d.current) {
        await client.forget(name);
        show('');
        notice(t('devices.title'), [t('devices.gone')]);
        return;
      }
    } catch (e) {
      explain(e);
    }
    await list();
  };
  const list = async () => {
    const all = (await client.devices(statement)).filter((d) => d.state !== 'revoked');
    $('devices').replaceChildren(...all.map((d) => line(d, () => remove(d))));
    show('list');
  };
  await list();
}
