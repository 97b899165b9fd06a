// The PIN pad: keys to touch, a keyboard, a screen reader. What is typed is in one array of bytes, never in the page.

import { $, clearNotice, el, notice, show, t } from './dom.js';

const MOST = 64;
const LEAST = 4;
const SHOWN = 14;

const typed = new Uint8Array(MOST);
let length = 0;
let answer = null;

function draw() {
  const full = Math.min(length, SHOWN);
  const dots = Array.from({ length: Math.max(full, LEAST) }, (_, i) => el('i', { className: i < full ? '' : 'empty' }));
  $('dots').replaceChildren(...dots);
  $('count').textContent = length === 0 ? t('pad.none') : t('pad.count', { n: length });
}

function clear() {
  typed.fill(0);
  length = 0;
  draw();
}

function enter() {
  if (length < LEAST) return notice(t('pad.short.title'), t('pad.short'));
  const pin = typed.slice(0, length);
  const resolve = answer;
  answer = null;
  clear();
  return resolve(pin);
}

function press(key) {
  if (!answer) return;
  if (key === 'enter') return void enter();
  clearNotice();
  if (key === 'delete') typed[length > 0 ? --length : 0] = 0;
  else if (length < MOST) typed[length++] = key.charCodeAt(0);
  draw();
}

function byKeyboard(e) {
  const own = e.target instanceof Element && e.target.closest('button, input, select, a');
  if (!answer || e.ctrlKey || e.metaKey || e.altKey || own?.matches('input, select')) return;
  if (own && (e.key === 'Enter' || e.key === ' ')) return; // it presses what has the focus
  if (e.key === 'Enter') press('enter');
  else if (e.key === 'Backspace' || e.key === 'Delete') press('delete');
  else if (/^[\x20-\x7e]$/.test(e.key)) press(e.key);
  else return;
  e.preventDefault();
}

/** Begins to listen, once a page. */
export function listen() {
  for (const key of document.querySelectorAll('[data-key]')) key.addEventListener('click', () => press(key.dataset.key));
  document.addEventListener('keydown', byKeyboard);
  window.addEventListener('pagehide', clear);
}

/**
 * Asks for a PIN.
 * @param {string} prompt key of its text
 * @param {string} [hint] key of its text
 * @returns {Promise<Uint8Array>} the caller's, to be cleared by him
 */
export function askPIN(prompt, hint = 'pad.hint') {
  $('prompt').textContent = t(prompt);
  $('hint').textContent = t(hint);
  clear();
  show('pad');
  return new Promise((resolve) => {
    answer = resolve;
  });
}
