// The pages of a login server, one script for all of them.

import { Client, openStore, platformAuthenticator, workerStretcher } from '../../sdk/js/src/browser.ts';
import { $ } from './dom.js';
import { giveUp } from './errors.js';
import { listen } from './pad.js';
import { signIn } from './signin.js';
import { enrol } from './enrol.js';
import { changePIN } from './pin.js';
import { devices } from './devices.js';

const PAGES = { signin: signIn, enrol, pin: changePIN, devices };

// The one URL that may become a script here.
function workers() {
  const url = document.body.dataset.worker;
  const policy = window.trustedTypes?.createPolicy('milagro', {
    createScriptURL: (asked) => {
      if (asked !== url) throw new TypeError('not the worker');
      return asked;
    },
  });
  return () => new Worker(policy ? policy.createScriptURL(url) : url, { name: 'stretch' });
}

async function begin() {
  const { page } = document.body.dataset;
  $('links').inert = page === 'enrol'; // until it is done
  listen();
  const stretch = workerStretcher(workers());
  stretch.warm();
  try {
    const client = new Client({ origin: location.origin, store: await openStore(), stretch, authenticator: platformAuthenticator() });
    await PAGES[page](client, stretch);
  } catch (e) {
    giveUp(e);
  }
}

begin();
