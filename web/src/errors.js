// What went wrong, in words for people. What the server says besides is shown to developers alone.

import { NotEnrolled, Problem, TooFewShares } from '../../sdk/js/src/browser.ts';
import { has, notice, t } from './dom.js';

const UNAVAILABLE = ['unavailable', 'log-unavailable', 'no-stamp', 'not-active', 'internal', 'mail-unavailable', 'not-a-problem'];

function kindOf(e) {
  if (e instanceof NotEnrolled) return 'not-enrolled';
  if (e instanceof TooFewShares) return e.outcomes.some((o) => o.error?.kind === 'already-enrolled') ? 'used-up' : asked(e);
  if (e instanceof DOMException && ['QuotaExceededError', 'InvalidStateError', 'UnknownError'].includes(e.name)) return 'storage';
  if (!(e instanceof Problem)) return 'other';
  return UNAVAILABLE.includes(e.kind) ? 'unavailable' : e.kind;
}

// What one authority said tells a person more than how many there were.
function asked(e) {
  const kinds = e.outcomes.map((o) => o.error?.kind);
  return ['stale-time', 'email-refused', 'rate-limited'].find((k) => kinds.includes(k)) ?? 'too-few';
}

/** Shows an error. */
export function explain(e) {
  const kind = kindOf(e);
  const detail = `${e?.name}: ${e?.message}`;
  if (kind === 'login-refused') return notice(t('refused.title'), [t('refused.text'), t('refused.unlock')], detail);
  const key = has(`error.${kind}`) ? `error.${kind}` : 'error.other';
  return notice(t('error.title'), [t(key)], detail);
}
