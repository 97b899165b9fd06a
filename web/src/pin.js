// Change of PIN.

import { NotConfirmed, NotEnrolled, Problem } from '../../sdk/js/src/browser.ts';
import { chooseAccount } from './account.js';
import { offerBinding } from './bind.js';
import { choosePIN } from './choose.js';
import { $, busy, clearNotice, done, t } from './dom.js';
import { explain } from './errors.js';
import { askPIN } from './pad.js';

const TEXTS = { choose: 'pin.new', repeat: 'pin.repeat', hint: 'enrol.choose.hint', repeatHint: 'enrol.repeat.hint' };

const same = (a, b) => a.length === b.length && a.every((c, i) => c === b[i]);

export async function changePIN(client, stretch) {
  const names = await client.names();
  if (names.length === 0) throw new NotEnrolled();
  const name = chooseAccount(names);
  client.prepare(name()).catch(() => {});
  for (;;) {
    const pin = await askPIN('pin.old');
    clearNotice();
    const newPIN = await choosePIN(TEXTS, (chosen) => (same(chosen, pin) ? t('pin.same') : ''));
    try {
      const bound = (await client.isBound(name())) ? undefined : await offerBinding(client, name());
      busy('pin.busy');
      await client.changePIN({ pin, newPIN, name: name(), bound });
      $('who').textContent = '';
      return done('pin');
    } catch (e) {
      if (!(e instanceof Problem) && !(e instanceof NotConfirmed)) throw e;
      explain(e);
    } finally {
      pin.fill(0);
      newPIN.fill(0);
    }
    stretch.warm();
  }
}
