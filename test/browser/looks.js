// How a page looks, to whoever sees it and to whoever does not.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';

const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const PICTURES = process.env.MILAGRO_PICTURES;

/** axe-core finds nothing against WCAG 2.2 AA and its best practices. What depends on the scheme is colour alone. */
export async function accessible(page, what) {
  await page.evaluate(AXE);
  for (const [colorScheme, runOnly] of [['light', { type: 'tag', values: RULES }], ['dark', { type: 'rule', values: ['color-contrast'] }]]) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate((only) => axe.run({ runOnly: only }), runOnly);
    const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join(' ')}`);
    assert.deepEqual(found, [], `${what}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: null });
}

/** At 360 pixels nothing is cut off, and what is pressed is large enough for a thumb. */
export async function fitsPhones(page, what) {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 640 });
  const { wide, small } = await page.evaluate(() => {
    const low = (e) => e.getBoundingClientRect().height < 44 || e.getBoundingClientRect().width < 24;
    const pressed = [...document.querySelectorAll('button, nav a, input, select')].filter((e) => e.checkVisibility());
    return { wide: document.documentElement.scrollWidth, small: pressed.filter(low).map((e) => e.outerHTML) };
  });
  assert.ok(wide <= 360, `${what} is ${wide} pixels wide`);
  assert.deepEqual(small, [], `${what}: small targets`);
  await page.setViewportSize(before);
}

/** A state of a page that people see: accessible, fit for phones, and drawn if the test was asked for pictures. */
export async function shown(profile, name) {
  await accessible(profile.page, name);
  await fitsPhones(profile.page, name);
  if (PICTURES) await draw(profile.page, name);
}

async function draw(page, name) {
  mkdirSync(PICTURES, { recursive: true });
  await page.evaluate(() => {
    window.moving = true;
  });
  const before = page.viewportSize();
  for (const [suffix, colorScheme, width, height] of [['', 'light', 480, 760], ['-dark', 'dark', 480, 760], ['-phone', 'light', 360, 680]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: `${PICTURES}/login-${name}${suffix}.png`, fullPage: true });
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await page.evaluate(() => {
    window.moving = false;
  });
}
