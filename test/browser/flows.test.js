// The pages in Chromium, against real login servers and real authorities. Flows run several at once, each with people of its own; those
// that take servers of the careful town down run one by one.

import { after, describe, test } from 'node:test';
import { closeBrowser } from './kit.js';
import { application } from './flows/application.js';
import { binding } from './flows/binding.js';
import { careful } from './flows/careful.js';
import { devices } from './flows/devices.js';
import { enrol } from './flows/enrol.js';
import { hostile } from './flows/hostile.js';
import { keyboard } from './flows/keyboard.js';
import { signin } from './flows/signin.js';
import { thieves } from './flows/thieves.js';
import { trouble } from './flows/trouble.js';

const LIMIT = 240_000;

const run = (flows) => {
  for (const [what, flow] of Object.entries(flows)) test(what, { timeout: LIMIT }, flow);
};

describe('pages', { concurrency: 4 }, () => {
  after(closeBrowser);
  describe('where authorities mail codes', { concurrency: 1 }, () => run(careful));
  for (const flows of [enrol, signin, devices, application, thieves, trouble, hostile, keyboard, binding]) run(flows);
});
