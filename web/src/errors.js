// What went wrong, in words for people. What the server says besides is shown to developers alone.

import { Damaged, NotConfirmed, NotEnrolled, Problem, TooFewShares } from '../../sdk/js/src/browser.ts';
import { el, end, has, notice, t } from './dom.js';

const UNAVAILABLE = ['unavailable', 'log-unavailable', 'not-active', 'internal', 'mail-unavailable', 'not-a-problem'];
const STORAGE = ['QuotaExceededError', 'InvalidStateError', 'UnknownError', 'AbortError', 'NotFoundError', 'SecurityError'];
// What the same page, loaded again, does no better.
const FINAL = ['invitation-refused', 'damaged', 'used-up', 'not-enrolled', 'request', 'wrong-origin'];

function kindOf(e) {
  if (e instanceof NotEnrolled) return 'not-enrolled';
  if (e instanceof TooFewShares) return e.outcomes.some((o) => o.error?.kind === 'already-enrolled') ? 'used-up' : asked(e);
  if (e instanceof DOMException && STORAGE.includes(e.name)) return 'storage';
  if (e instanceof Damaged) return 'damaged';
  if (e instanceof NotConfirmed) return 'not-confirmed';
  if (!(e instanceof Problem)) return 'other';
  return UNAVAILABLE.includes(e.kind) ? 'unavailable' : e.kind;
}

// What one authority said tells a person more than how many there were.
function asked(e) {
  const kinds = e.outcomes.map((o) => o.error?.kind);
  return ['stale-time', 'wrong-epoch', 'rate-limited', 'mail-unavailable'].find((k) => kinds.includes(k)) ?? 'too-few';
}

const forDevelopers = (e) => (document.body.dataset.errors === 'developers' ? [el('code', {}, `${e?.name}: ${e?.message}`)] : []);

/** Shows an error above what goes on. @param {unknown} e @param {...Node} more */
export function explain(e, ...more) {
  const kind = kindOf(e);
  if (kind === 'login-refused') {
    const help = el('details', {}, el('summary', {}, t('refused.more')), ...t('refused.help').split('\n').map((p) => el('p', {}, p)));
    return notice(t('refused.title'), t('refused.text'), help, ...forDevelopers(e), ...more);
  }
  const key = has(`error.${kind}`) ? `error.${kind}` : 'error.other';
  return notice(t('error.title'), t(key), ...forDevelopers(e), ...more);
}

const again = () => el('button', { type: 'button', className: 'button small', onclick: () => location.reload() }, t('again'));

/** Shows an error after which nothing goes on, and what the person can do. @param {unknown} e */
export function giveUp(e) {
  end(() => explain(e, ...(FINAL.includes(kindOf(e)) ? [] : [again()])));
}
