// Binding this browser to the security chip of its device: offered where there is one, and never needed.

import { NotConfirmed } from '../../sdk/js/src/browser.ts';
import { ask, busy, person, t } from './dom.js';

/**
 * Offers to bind the key that is made next.
 * @param {import('../../sdk/js/src/browser.ts').Client} client
 * @param {string} name whose key it is
 * @param {string} [token] of the invitation
 * @returns {Promise<import('../../sdk/js/src/browser.ts').Bound|undefined>} undefined where there is no chip, and for who would rather not
 */
export async function offerBinding(client, name, token) {
  if (!(await client.bindable(token))) return undefined;
  let wanted = await ask(t('bind.title'), t('bind.text'), t('bind.yes'), t('bind.no'));
  while (wanted) {
    busy('bind.busy');
    try {
      return await client.bind(person(name));
    } catch (e) {
      if (!(e instanceof NotConfirmed)) throw e;
      wanted = await ask(t('bind.failed.title'), t('bind.failed'), t('bind.again'), t('bind.without'));
    }
  }
  return undefined;
}
