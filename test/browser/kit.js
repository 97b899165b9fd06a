// A browser, its profiles, and what a person does on the pages. What a page must never do is watched in every profile.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

/** One town of the Go test: origins, and what its operators do. */
export class Town {
  constructor(address) {
    Object.assign(this, address);
  }

  /** Each act is a path of the test's control server. */
  async operator(act, parameters = {}) {
    const response = await fetch(`${this.control}/${act}?${new URLSearchParams(parameters)}`, { method: 'POST' });
    const text = await response.text();
    assert.equal(response.status, 200, `${act}: ${text}`);
    return JSON.parse(text);
  }

  invite(name) {
    return this.operator('invite', { name: `acct:${name}@example.org` });
  }

  /** The mails to a person once they are so many; from the login server, or from authorities. */
  letters(name, count, from = 'server') {
    return this.operator('letters', { to: `${name}@example.org`, count, from });
  }
}

const towns = JSON.parse(process.env.MILAGRO_TOWNS);
export const plain = new Town(towns.plain);
export const careful = new Town(towns.careful);
export const chips = new Town(towns.chips);

let launched;

/** The one Chromium of all flows. */
export const browser = () => {
  launched ??= chromium.launch({
    executablePath: process.env.MILAGRO_CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--force-color-profile=srgb'],
  });
  return launched;
};

export const closeBrowser = async () => (await launched)?.close();

// In every page: whatever moves by itself is told on the console, where nothing may be.
const watchShifts = () => {
  window.moving = false;
  new PerformanceObserver((list) => {
    for (const e of list.getEntries()) {
      const what = e.sources.map((s) => `${s.node?.id || s.node?.className || s.node?.nodeName} ${s.previousRect.y} → ${s.currentRect.y}`);
      if (!e.hadRecentInput && !window.moving) console.error(`the page moved by ${e.value}: ${what}`);
    }
  }).observe({ type: 'layout-shift', buffered: true });
};

// How long a person waits, in ms, on a machine that does much else.
const PATIENCE = 60_000;

let profiles = 0;

/** One browser profile. */
export class Profile {
  constructor(town, context) {
    this.town = town;
    this.context = context;
    this.said = [];
    this.sent = [];
    this.expected = [];
    this.origins = [town.origin];
  }

  static async open(town, options = {}) {
    profiles++;
    const context = await (await browser()).newContext({
      locale: 'en-GB', viewport: { width: 1024, height: 800 }, reducedMotion: 'reduce',
      // People have addresses of their own; the login server believes a proxy on its machine.
      extraHTTPHeaders: { 'X-Forwarded-For': `198.51.${profiles >> 8}.${profiles & 255}` }, ...options,
    });
    context.setDefaultTimeout(PATIENCE);
    const p = new Profile(town, context);
    context.on('console', (m) => p.said.push(m.text()));
    context.on('weberror', (e) => p.said.push(String(e.error())));
    context.on('request', (r) => p.sent.push({ url: r.url(), body: `${JSON.stringify(r.headers())} ${r.postData() ?? ''}` }));
    context.on('requestfailed', (r) => {
      const why = r.failure()?.errorText;
      if (why !== 'net::ERR_ABORTED') p.said.push(`${r.url()}: ${why}`); // the person went on
    });
    await context.addInitScript(watchShifts);
    p.page = await context.newPage();
    return p;
  }

  go(path) {
    return this.page.goto(new URL(path, this.town.origin).href);
  }

  // Waits for what a person waits for, and says what is there instead.
  async #awaits(what, page) {
    try {
      await what.waitFor();
    } catch (e) {
      const there = await page.locator('body').innerText().catch(() => 'no page');
      throw new Error(`${e.message}\nat ${page.url()}: ${there}\nsaid: ${this.said.join('\n')}`);
    }
  }

  /** Waits for a heading. */
  sees(text, page = this.page) {
    return this.#awaits(page.getByRole('heading', { name: text, exact: true }).and(page.locator(':visible')), page);
  }

  reads(text) {
    return this.#awaits(this.page.getByText(text).and(this.page.locator(':visible')).first(), this.page);
  }

  /** Types a PIN by the keyboard and enters it. */
  async types(pin, page = this.page) {
    await page.locator('#pad').waitFor();
    await page.keyboard.type(pin);
    await page.keyboard.press('Enter');
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

  warned(part, page = this.page) {
    return this.#awaits(page.locator('#notice', { hasText: part }), page);
  }

  /** Chooses a PIN where it is asked for. */
  async chooses(pin, page = this.page) {
    await this.sees('Choose a PIN', page);
    await this.types(pin, page);
    await this.sees('Enter it once more', page);
    await this.types(pin, page);
  }

  /** Enrols by a link. */
  async enrol(link, pin) {
    await this.page.goto(link);
    await this.chooses(pin);
    await this.sees('This browser is set up');
  }

  async signIn(pin) {
    await this.go('/signin');
    await this.sees('Enter your PIN');
    await this.types(pin);
  }

  expects(...lines) {
    this.expected.push(...lines);
  }

  /** No PIN in anything sent, stored, logged or shown; nothing asked of a stranger; no complaint of the browser. */
  async clean(...pins) {
    const { text, local } = await this.page.evaluate(readable);
    const all = `${text}\n${JSON.stringify(await this.context.cookies())}`;
    assert.equal(local, 0, 'something is in localStorage or sessionStorage');
    assert.ok(!all.includes('extractable: true'), 'a key can be extracted');
    for (const pin of pins) {
      for (const form of forms(pin)) {
        assert.ok(!all.includes(form), `the PIN ${pin} is in the page or in its stores, as ${form}`);
        for (const { url, body } of this.sent) assert.ok(!url.includes(form) && !body.includes(form), `the PIN ${pin} was sent to ${url}`);
        assert.ok(!(await this.town.operator('logged', { text: form })), `the PIN ${pin} was logged, as ${form}`);
        assert.ok(!this.said.some((line) => line.includes(form)), 'the PIN is in the console');
      }
    }
    for (const { url } of this.sent) assert.ok(this.origins.includes(new URL(url).origin) || url.startsWith('data:'), `asked ${url}`);
    // The browser itself notes every refusal of the server: those that the test means are few and known.
    const unexpected = this.said.filter((line) => !this.expected.some((e) => line.includes(e)));
    assert.deepEqual(unexpected, [], 'the console');
  }

  /** clean, and the profile is gone. */
  async close(...pins) {
    await this.clean(...pins);
    await this.context.close();
  }
}

// How a PIN might be written.
const forms = (pin) => [pin, Buffer.from(pin).toString('base64').replace(/=+$/, ''), Buffer.from(pin).toString('hex'), [...Buffer.from(pin)].join(',')];

// In a page: everything that script can read of it, and of what is stored.
export async function readable() {
  const all = [document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify(performance.getEntries().map((e) => e.name))];
  for (const e of document.querySelectorAll('input, select')) all.push(e.value);
  const text = (_, v) => {
    if (v instanceof Uint8Array) return `${String.fromCharCode(...v)} ${v.join(',')}`;
    return v instanceof CryptoKey ? `key, extractable: ${v.extractable}` : typeof v === 'bigint' ? String(v) : v;
  };
  const result = (request) => new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
  for (const { name } of await indexedDB.databases()) {
    const db = await result(indexedDB.open(name));
    for (const table of db.objectStoreNames) {
      const store = db.transaction(table).objectStore(table);
      all.push(JSON.stringify([await result(store.getAllKeys()), await result(store.getAll())], text));
    }
    db.close();
  }
  return { text: all.join('\n'), local: localStorage.length + sessionStorage.length };
}
