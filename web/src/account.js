// Whose login is meant, where a device has several.

import { $, el, person } from './dom.js';

/** @param {string[]} names @returns {() => string} the chosen one */
export function chooseAccount(names) {
  const select = $('account');
  select.replaceChildren(...names.map((n) => el('option', { value: n }, person(n))));
  $('accounts').hidden = names.length < 2;
  if (names.length === 1) $('who').textContent = person(names[0]);
  return () => select.value;
}
