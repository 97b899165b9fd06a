// Enrolment by the link of an invitation, whose token is in the fragment of the address and sent to nobody but the login server.

import { Problem } from '../../sdk/js/src/browser.ts';
import { offerBinding } from './bind.js';
import { choosePIN } from './choose.js';
import { $, busy, clearNotice, done, el, end, news, notice, person, show, t } from './dom.js';
import { deviceLabel } from './label.js';
import { wordsOf } from './words.js';

const TEXTS = { choose: 'enrol.choose', repeat: 'enrol.repeat', hint: 'enrol.choose.hint', repeatHint: 'enrol.repeat.hint' };

const field = ({ refused }) => {
  const input = el('input', { inputMode: 'numeric', autocomplete: 'one-time-code', maxLength: 12, spellcheck: false });
  if (refused) input.setAttribute('aria-invalid', 'true');
  return input;
};

// The digits of a code, however they are grouped; '' for what is none.
const codeIn = (input) => /^\d{8}$/.exec(input.value.replaceAll(/\s|-/g, ''))?.[0] ?? '';

// Codes that authorities have mailed. The words are those of the mails: whoever reads them sees which device is meant.
function askCodes(from, device) {
  if (from.some((f) => f.refused)) notice(t('error.title'), t('error.email-refused'));
  const inputs = from.map((f) => [f, field(f)]);
  $('words').replaceChildren(...wordsOf(device).map((w) => el('li', {}, w)));
  $('code-fields').replaceChildren(
    ...inputs.map(([{ name }, input]) => el('label', { className: 'field' }, el('span', {}, t('enrol.codes.label', { name })), input)),
  );
  show('codes');
  return new Promise((resolve) => {
    const send = (codes) => {
      clearNotice();
      busy('enrol.busy');
      resolve(new Map(codes));
    };
    $('code-form').onsubmit = (e) => {
      e.preventDefault();
      const typed = inputs.filter(([, input]) => input.value.trim() !== '');
      const wrong = typed.find(([, input]) => !codeIn(input)) ?? (typed.length === 0 ? inputs[0] : undefined);
      for (const pair of inputs) pair[1].setAttribute('aria-invalid', String(pair === wrong));
      if (!wrong) return send(typed.map(([{ index }, input]) => [index, codeIn(input)]));
      notice(t('error.title'), t('enrol.codes.bad'));
      return wrong[1].focus();
    };
    $('code-again').onclick = () => send(from.map(({ index }) => [index, '']));
  });
}

const toSignIn = () => el('p', {}, el('a', { href: '/signin' }, t('signin.link.signin')));

// Whoever comes back to a page that has done its work is told so.
const noLink = () => end(() => notice(t('error.title'), t('enrol.nolink')));

const alreadyDone = (text) => end(() => news(t('enrol.known.title'), t(text), toSignIn()));

async function enrolAs(client, token, name) {
  $('who').textContent = t('enrol.hello', { name: person(name) });
  const pin = await choosePIN(TEXTS);
  clearNotice();
  try {
    const bound = await offerBinding(client, name, token);
    busy('enrol.busy');
    return await client.enrol({ token, pin, bound, codes: askCodes });
  } finally {
    pin.fill(0);
  }
}

export async function enrol(client) {
  addEventListener('hashchange', () => location.reload()); // another link in the same tab
  const token = location.hash.slice(1);
  const before = await client.names();
  if (!/^[A-Za-z0-9_-]{43}$/.test(token)) {
    return before.length > 0 ? alreadyDone('enrol.known') : noLink();
  }
  let name;
  try {
    [{ name }] = await Promise.all([client.open(token), client.domain()]);
    const signedIn = await enrolAs(client, token, name);
    history.replaceState(null, '', location.pathname);
    client.labelDevice(signedIn.statement, deviceLabel()).catch(() => {}); // a name in a list, no more
    $('who').textContent = '';
    done('enrol', { name: person(signedIn.name) });
  } catch (e) {
    if (!name && e instanceof Problem && e.kind === 'malformed') return noLink();
    const refused = e instanceof Problem && e.kind === 'invitation-refused';
    const meanwhile = refused && !before.includes(name) && (await client.names()).includes(name);
    if (!meanwhile) throw e;
    alreadyDone('enrol.elsewhere');
  }
  return undefined;
}
