// Choosing a PIN: twice, with a hint where it is easy to guess.

import { ask, clearNotice, notice, t } from './dom.js';
import { askPIN } from './pad.js';
import { weakness } from './weak.js';

const same = (a, b) => a.length === b.length && a.every((c, i) => c === b[i]);

// Whether the person would rather choose another.
const another = async (why) => why !== '' && ask(t('weak.title'), t(`weak.${why}`), t('weak.other'), t('weak.keep'));

/**
 * @param {{choose: string, repeat: string, hint: string, repeatHint: string}} keys of the texts
 * @param {(pin: Uint8Array) => string} [refuse] the text of why a PIN will not do, or ''
 * @returns {Promise<Uint8Array>}
 */
export async function choosePIN({ choose, repeat, hint, repeatHint }, refuse = () => '') {
  for (;;) {
    const pin = await askPIN(choose, hint);
    clearNotice();
    const no = refuse(pin);
    if (no) notice(t('choose.again'), no);
    if (no || (await another(weakness(pin)))) {
      pin.fill(0);
      continue;
    }
    const again = await askPIN(repeat, repeatHint);
    clearNotice();
    const equal = same(pin, again);
    again.fill(0);
    if (equal) return pin;
    pin.fill(0);
    notice(t('choose.again'), t('enrol.differ'));
  }
}
