// Enrolment by the link of an invitation, whose token is in the fragment of the address and sent to nobody but the login server.

import { choosePIN } from './choose.js';
import { $, busy, clearNotice, done, el, notice, person, show, t } from './dom.js';
import { deviceLabel } from './label.js';
import { wordsOf } from './words.js';

const TEXTS = { choose: 'enrol.choose', repeat: 'enrol.repeat', hint: 'enrol.choose.hint', repeatHint: 'enrol.repeat.hint' };

// Codes that authorities have mailed. The words are those of the mails: whoever reads them sees which device is meant.
function askCodes(from, device) {
  const inputs = from.map(({ index, name }) => [index, el('input', { inputMode: 'numeric', autocomplete: 'one-time-code', maxLength: 8 }), name]);
  $('words').textContent = wordsOf(device).join(' ');
  $('code-fields').replaceChildren(
    ...inputs.map(([, input, name]) => el('label', { className: 'field' }, el('span', {}, t('enrol.codes.label', { name })), input)),
  );
  show('codes');
  return new Promise((resolve) => {
    $('code-form').onsubmit = (e) => {
      e.preventDefault();
      const typed = inputs.map(([index, input]) => [index, input.value.replaceAll(/\s/g, '')]).filter(([, code]) => /^\d{8}$/.test(code));
      if (typed.length === 0) return;
      busy('enrol.busy');
      resolve(new Map(typed));
    };
  });
}

export async function enrol(client) {
  const token = location.hash.slice(1);
  if (!/^[A-Za-z0-9_-]{43}$/.test(token)) {
    show('');
    notice(t('error.title'), [t('enrol.nolink')]);
    return;
  }
  const invited = await client.open(token);
  client.domain().catch(() => {}); // ahead of its time; asked for again then
  $('who').textContent = t('enrol.hello', { name: person(invited.name) });
  const pin = await choosePIN(TEXTS);
  clearNotice();
  busy('enrol.busy');
  try {
    const signedIn = await client.enrol({ token, pin, codes: askCodes });
    history.replaceState(null, '', location.pathname);
    client.labelDevice(signedIn.statement, deviceLabel()).catch(() => {}); // a name in a list, no more
    $('who').textContent = '';
    done('enrol', { name: person(signedIn.name) });
  } finally {
    pin.fill(0);
  }
}
