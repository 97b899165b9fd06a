// A browser, its profiles, and what a person does on the pages. What a page must never do is watched on every page.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

export const ORIGIN = process.env.MILAGRO_ORIGIN;
const CONTROL = process.env.MILAGRO_CONTROL;
const PICTURES = process.env.MILAGRO_PICTURES;

/** What the operator does: each is a path of the test's control server. */
export async function operator(act, parameters = {}) {
  const response = await fetch(`${CONTROL}/${act}?${new URLSearchParams(parameters)}`, { method: 'POST' });
  const text = await response.text();
  assert.equal(response.status, 200, `${act}: ${text}`);
  return text;
}

export const invite = (name) => operator('invite', { name });

export const start = () =>
  chromium.launch({
    executablePath: process.env.MILAGRO_CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--force-color-profile=srgb'],
  });

/** One browser profile. */
export class Profile {
  /** @param {import('playwright-core').BrowserContext} context */
  constructor(context) {
    this.context = context;
    this.said = [];
    this.sent = [];
    this.expected = [];
  }

  static async open(browser, options = {}) {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1024, height: 800 }, reducedMotion: 'reduce', ...options });
    const p = new Profile(context);
    context.on('console', (m) => p.said.push(m.text()));
    context.on('weberror', (e) => p.said.push(String(e.error())));
    context.on('request', (r) => p.sent.push({ url: r.url(), body: r.postData() ?? '' }));
    p.page = await context.newPage();
    return p;
  }

  go(path) {
    return this.page.goto(new URL(path, ORIGIN).href);
  }

  /** Waits for a heading, and so for what a person waits for. */
  async sees(text) {
    await this.page.getByRole('heading', { name: text, exact: true }).and(this.page.locator(':visible')).waitFor();
  }

  /** Types a PIN by the keyboard and enters it. */
  async types(pin) {
    await this.page.locator('#pad').waitFor();
    await this.page.keyboard.type(pin);
    await this.page.keyboard.press('Enter');
  }

  /** Presses the keys of the pad. */
  async presses(pin) {
    for (const key of pin) await this.page.locator(`[data-key="${key}"]`).click();
    await this.page.locator('[data-key="enter"]').click();
  }

  async press(button) {
    await this.page.getByRole('button', { name: button }).click();
  }

  notice() {
    return this.page.locator('#notice').innerText();
  }

  async warned(part) {
    await this.page.locator('#notice', { hasText: part }).waitFor();
  }

  /** Enrols by a link. */
  async enrol(link, pin) {
    await this.page.goto(link);
    await this.sees('Choose a PIN');
    await this.types(pin);
    await this.sees('Enter it once more');
    await this.types(pin);
    await this.sees('This browser is set up');
  }

  async signIn(pin) {
    await this.go('/signin');
    await this.sees('Enter your PIN');
    await this.types(pin);
  }

  /** Everything that script can read: the page, and what is stored. */
  async dump() {
    return this.page.evaluate(async () => {
      const all = [document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })];
      for (const { name } of await indexedDB.databases()) {
        const db = await new Promise((resolve) => {
          const opening = indexedDB.open(name);
          opening.onsuccess = () => resolve(opening.result);
        });
        for (const table of db.objectStoreNames) {
          const values = await new Promise((resolve) => {
            const got = db.transaction(table).objectStore(table).getAll();
            got.onsuccess = () => resolve(got.result);
          });
          const text = (_, v) => {
            if (v instanceof Uint8Array) return String.fromCharCode(...v);
            return v instanceof CryptoKey ? `key, extractable: ${v.extractable}` : typeof v === 'bigint' ? String(v) : v;
          };
          all.push(JSON.stringify(values, text));
        }
        db.close();
      }
      return { text: all.join('\n'), local: localStorage.length + sessionStorage.length };
    });
  }

  /** No PIN in anything sent, stored or shown; nothing asked of another origin; no complaint of the browser. */
  async clean(...pins) {
    const { text, local } = await this.dump();
    assert.equal(local, 0, 'something is in localStorage or sessionStorage');
    assert.ok(!text.includes('extractable: true'), 'a key can be extracted');
    for (const pin of pins) {
      assert.ok(!text.includes(pin), `the PIN ${pin} is in the page or in its stores`);
      for (const { url, body } of this.sent) assert.ok(!url.includes(pin) && !body.includes(pin), `the PIN ${pin} was sent to ${url}`);
    }
    for (const { url } of this.sent) assert.equal(new URL(url).origin, ORIGIN, `asked ${url}`);
    // The browser itself notes every refusal of the server: those that the test means are few and known.
    const unexpected = this.said.filter((line) => !this.expected.some((e) => line.includes(e)));
    assert.deepEqual(unexpected, [], 'the console');
  }

  expects(...lines) {
    this.expected.push(...lines);
  }

  close() {
    return this.context.close();
  }
}

/** A picture for doc/img, if the test was asked for them. */
export async function picture(profile, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  for (const [suffix, scheme, width, height] of [['', 'light', 640, 720], ['-dark', 'dark', 640, 720], ['-phone', 'light', 360, 700]]) {
    await profile.page.emulateMedia({ colorScheme: scheme });
    await profile.page.setViewportSize({ width, height });
    await profile.page.screenshot({ path: `${PICTURES}/${name}${suffix}.png` });
  }
  await profile.page.emulateMedia({ colorScheme: null });
  await profile.page.setViewportSize({ width: 1024, height: 800 });
}
