// Whoever has no mouse, sees nothing, or is made ill by what moves.

import assert from 'node:assert/strict';
import { plain, Profile } from '../kit.js';
import { REFUSED, RIGHT } from './enrol.js';

// Goes on by Tab to what has this name, and sees that each stop on the way is marked.
async function tabTo(p, name) {
  for (let i = 0; i < 30; i++) {
    await p.page.keyboard.press('Tab');
    const at = await p.page.evaluate(() => {
      const e = document.activeElement;
      const s = getComputedStyle(e);
      return { name: e.getAttribute('aria-label') ?? e.textContent.trim(), marked: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2, tag: e.tagName };
    });
    if (at.tag !== 'BODY') assert.ok(at.marked, `nothing marks the focus of ${at.name}`);
    if (at.name === name) return;
  }
  assert.fail(`${name} is not reached by Tab`);
}

export const keyboard = {
  async 'the keyboard alone enrols, signs in and removes a device'() {
    const p = await Profile.open(plain);
    p.expects(REFUSED);
    await p.page.goto(await plain.invite('xenia'));
    await p.sees('Choose a PIN');
    for (const key of RIGHT) {
      await tabTo(p, key);
      await p.page.keyboard.press('Space');
    }
    await tabTo(p, 'Delete the last character');
    await p.page.keyboard.press('Enter');
    await p.page.keyboard.type(RIGHT.at(-1));
    await tabTo(p, 'Enter');
    await p.page.keyboard.press('Enter');
    await p.sees('Enter it once more');
    await p.types(RIGHT);
    await p.sees('This browser is set up');
    await tabTo(p, 'My devices');
    await p.page.keyboard.press('Enter');
    await p.sees('Enter your PIN to see your devices');
    await p.types(RIGHT);
    await p.page.locator('#list').waitFor();
    await tabTo(p, 'Remove: Chrome on Linux');
    await p.page.keyboard.press('Enter');
    await p.sees('Remove this device?');
    await tabTo(p, 'Keep');
    await p.page.keyboard.press('Enter');
    await p.page.locator('#list').waitFor();
    await p.close(RIGHT);
  },

  async 'a screen reader is told where it is and how much is entered, and never what'() {
    const p = await Profile.open(plain);
    await p.page.goto(await plain.invite('yuri'));
    await p.sees('Choose a PIN');
    const focus = () => p.page.evaluate(() => document.activeElement.textContent);
    assert.equal(await focus(), 'Choose a PIN');
    await p.page.keyboard.type('47');
    await p.page.getByRole('status').filter({ hasText: '2 entered' }).waitFor({ state: 'attached' });
    await p.page.keyboard.type('2916');
    await p.page.keyboard.press('Enter');
    await p.sees('Enter it once more');
    assert.equal(await focus(), 'Enter it once more');
    await p.types(RIGHT);
    await p.sees('This browser is set up');
    assert.equal(await focus(), 'This browser is set up');
    await p.close(RIGHT);
  },

  async 'nothing turns where motion is not wanted, and colours follow the system'() {
    for (const [reducedMotion, animation] of [['reduce', 'none'], ['no-preference', 'turn']]) {
      const p = await Profile.open(plain, { reducedMotion });
      await p.page.route('**/v1/domain', () => {});
      await p.page.goto(await plain.invite(`zoe-${animation}`));
      await p.page.locator('.busy').waitFor();
      assert.equal(await p.page.evaluate(() => getComputedStyle(document.querySelector('.busy'), '::before').animationName), animation);
      const grounds = [];
      for (const colorScheme of ['light', 'dark']) {
        await p.page.emulateMedia({ colorScheme });
        grounds.push(await p.page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      }
      assert.notEqual(grounds[0], grounds[1]);
      await p.page.unrouteAll();
      await p.close();
    }
  },
};
