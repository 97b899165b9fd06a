// The page's elements and texts. Nothing is ever put into the page as HTML.

/** @param {string} id */
export const $ = (id) => document.getElementById(id);

const texts = JSON.parse($('texts').textContent);

/** The text of a key, with its {places} filled. */
export const t = (key, places = {}) => (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, place) => String(places[place] ?? ''));

/** Whether there is a text. */
export const has = (key) => Object.hasOwn(texts, key);

/** @param {string} tag @param {object} [properties] @param {...(Node|string)} children */
export function el(tag, properties = {}, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children);
  return e;
}

const SECTIONS = ['wait', 'pad', 'ask', 'done', 'none', 'codes', 'list'];

/** Shows one section, or none; its heading gets the focus, for whoever listens. */
export function show(id) {
  for (const s of SECTIONS) if ($(s)) $(s).hidden = s !== id;
  $(id)?.querySelector('h2')?.focus();
}

export function busy(key) {
  $('wait').firstElementChild.textContent = t(key);
  show('wait');
}

export function done(page, places) {
  $('done-title').textContent = t(`${page}.done.title`);
  $('done-text').textContent = t(`${page}.done.text`, places);
  $('links').inert = false;
  show('done');
}

/** A name as people read it. */
export const person = (name) => name.replace(/^acct:/, '');

/** Asks yes or no. @returns {Promise<boolean>} */
export function ask(title, text, yes, no) {
  $('ask-title').textContent = title;
  $('ask-text').textContent = text;
  $('ask-yes').textContent = yes;
  $('ask-no').textContent = no;
  show('ask');
  return new Promise((resolve) => {
    $('ask-yes').onclick = () => resolve(true);
    $('ask-no').onclick = () => resolve(false);
  });
}

export function clearNotice() {
  $('notice').hidden = true;
}

function say(className, title, text, more) {
  $('notice').className = className;
  $('notice').replaceChildren(el('strong', {}, title), el('p', {}, text), ...more);
  $('notice').hidden = false;
}

/** Tells what went wrong. @param {string} title @param {string} text @param {...Node} more */
export const notice = (title, text, ...more) => say('notice', title, text, more);

/** Tells what is done. @param {string} title @param {string} text @param {...Node} more */
export const news = (title, text, ...more) => say('notice calm', title, text, more);

/** Tells it on a page that goes on with nothing else. @param {() => void} tell */
export function end(tell) {
  show('');
  tell();
  $('links').inert = false;
  $('notice').focus();
}
