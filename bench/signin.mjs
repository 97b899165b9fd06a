// Chromium for the rows signin-*: one browser in which a person enrols by an invitation and signs in again and again, on the page of a
// login server alone and at an application. It prints one line of JSON; times are in milliseconds.

import { chromium } from 'playwright-core';

const [executablePath, origin, link, application, times] = process.argv.slice(2);
const PIN = '472916';

// Before the page's own scripts: notes when what happens, in milliseconds of the page. It changes nothing of what they do.
function watch() {
  const at = {};
  window.milagroAt = at;
  const note = (what) => {
    at[what] ??= performance.now();
  };
  const entered = (e) => {
    if (e.key !== 'Enter') return;
    at.entered = e.timeStamp;
    console.debug(`milagro entered ${performance.timeOrigin + e.timeStamp}`); // outlives the page
  };
  window.addEventListener('keydown', entered, true);
  window.Worker = class extends window.Worker {
    constructor(url, options) {
      super(url, options);
      window.milagroWorker = url;
      this.addEventListener('message', ({ data }) => data.stretched && note('stretched'));
    }

    postMessage(message, ...more) {
      window.milagroStretching = { memory: message.memory, passes: message.passes, threads: message.threads };
      super.postMessage(message, ...more);
    }
  };
  const fetched = window.fetch;
  window.fetch = async (address, ...more) => {
    const { pathname } = new URL(address, location.href);
    note(`${pathname} sent`);
    const response = await fetched(address, ...more);
    const read = response.json.bind(response);
    response.json = async () => {
      const value = await read();
      note(`${pathname} read`);
      return value;
    };
    return response;
  };
  const painted = (what) => requestAnimationFrame(() => setTimeout(note, 0, what));
  window.addEventListener('load', () => painted('loaded'));
  const shown = (changes) => changes.some(({ target }) => target.id === 'done' && !target.hidden) && painted('signed in');
  new MutationObserver(shown).observe(document, { subtree: true, attributes: true, attributeFilter: ['hidden'] });
}

// Argon2id alone, by the page's own worker, with the parameters of the sign-in.
async function stretchAlone() {
  const worker = new Worker(window.milagroWorker);
  const said = (what) => new Promise((resolve) => worker.addEventListener('message', ({ data }) => data[what] && resolve(), { once: true }));
  await said('ready');
  const began = performance.now();
  const done = said('stretched');
  worker.postMessage({ pin: new TextEncoder().encode('805327'), salt: crypto.getRandomValues(new Uint8Array(32)), ...window.milagroStretching });
  await done;
  worker.terminate();
  return performance.now() - began;
}

// What the page has loaded, compressed, apart from the worker; its icon too, which a browser without a window does not ask for.
async function weigh() {
  await fetch(document.querySelector('link[rel=icon]').href);
  const worker = new URL(document.body.dataset.worker, location.href).href;
  const loaded = performance.getEntriesByType('resource').filter((e) => e.name !== worker);
  const [page] = performance.getEntriesByType('navigation');
  return {
    bytes: [page, ...loaded].reduce((sum, e) => sum + e.encodedBodySize, 0),
    scripts: loaded.filter((e) => e.name.endsWith('.js')).length,
  };
}

const heading = (page, name) => page.getByRole('heading', { name, exact: true }).and(page.locator(':visible')).waitFor();
const noted = async (page, what) => (await page.waitForFunction((w) => window.milagroAt[w], what)).jsonValue();

// A person needs a second for a PIN; here it is a little less.
async function type(page) {
  await page.keyboard.type(PIN, { delay: 100 });
  await page.keyboard.press('Enter');
}

async function enrol(page) {
  await page.goto(link);
  for (const wanted of ['Choose a PIN', 'Enter it once more']) {
    await heading(page, wanted);
    await type(page);
  }
  await heading(page, 'This browser is set up');
}

async function signIn(page) {
  await page.goto(`${origin}/signin`);
  await heading(page, 'Enter your PIN');
  await type(page);
  await noted(page, 'signed in');
  const at = await page.evaluate(() => window.milagroAt);
  return {
    signIn: at['signed in'] - at.entered,
    mpin: at['/v1/mpin/begin sent'] - at.stretched + at['/v1/mpin/finish sent'] - at['/v1/mpin/begin read'],
    stretch: await page.evaluate(stretchAlone),
  };
}

async function signInAt(page) {
  const said = page.waitForEvent('console', (m) => m.text().startsWith('milagro entered '));
  await page.goto(application);
  await heading(page, 'Enter your PIN');
  await type(page);
  const entered = Number((await said).text().split(' ').pop());
  await heading(page, 'You are at the application');
  await noted(page, 'loaded');
  return (await page.evaluate(() => performance.timeOrigin + window.milagroAt.loaded)) - entered;
}

async function run(browser) {
  const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce' });
  await context.addInitScript(watch);
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await enrol(page);
  await devtools.send('Network.clearBrowserCache');
  await page.goto(`${origin}/signin`);
  await heading(page, 'Enter your PIN');
  const result = { weight: await page.evaluate(weigh), turns: [] };
  for (let i = 0; i < Number(times); i++) {
    result.turns.push({ ...(await signIn(page)), application: await signInAt(page) });
  }
  return result;
}

const browser = await chromium.launch({ executablePath, args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
try {
  console.log(JSON.stringify(await run(browser)));
} finally {
  await browser.close();
}
