// spec/issuance.md: asks all authorities at once, through one relay, and verifies every share.

import { base64, readBase64, Refused } from './encoding.js';
import { makeRequest, openReply } from './issuance.js';
import { Problem } from './problem.js';

const PATIENCE = 2000; // ms for the rest, once t shares are good
const TRIES = 2;

/**
 * What became of one authority's part: a share, or why there is none.
 * @typedef {{index: number, name: string, share?: import('./issuance.js').Share, error?: Error}} Outcome
 */

/** Fewer than t authorities gave a good share. */
export class TooFewShares extends Error {
  /** @param {Outcome[]} outcomes @param {number} t */
  constructor(outcomes, t) {
    const why = outcomes.filter((o) => o.error).map((o) => `authority ${o.index} (${o.name}): ${o.error?.message}`);
    super(`${outcomes.length - why.length} good shares of the ${t} that are needed; ${why.join('; ')}`);
    this.name = 'TooFewShares';
    this.outcomes = outcomes;
  }
}

// The same sealed request may be sent again, and gets the same bytes.
async function send(call, { index, sealed }) {
  for (let tries = 1; ; tries++) {
    try {
      return readBase64((await call(`/v1/relay/${index}`, { request: base64(sealed) })).reply, 'reply');
    } catch (e) {
      if (!(e instanceof Problem) || e.kind !== 'unreachable' || tries === TRIES) throw e;
    }
  }
}

async function ask(call, application, index, time, evidence) {
  const { name } = application.document.authorities[index - 1];
  try {
    const pending = await makeRequest(application, index, time, evidence && ((bare) => evidence(index, bare)));
    return { index, name, share: await openReply(pending, await send(call, pending)) };
  } catch (error) {
    if (error instanceof Refused || error instanceof Problem) return { index, name, error };
    throw error;
  }
}

/**
 * Asks authorities for their shares of one key.
 * @param {import('./problem.js').Call} call
 * @param {import('./issuance.js').Application} application
 * @param {number} time unix seconds
 * @param {{indices?: number[], enough?: number, evidence?: (index: number, bare: Uint8Array) => Uint8Array|Promise<Uint8Array>}} [how]
 *   indices of whom to ask, all without it; enough is how many good shares end the wait for the slow, after 2 s
 * @returns {Promise<Outcome[]>} by index; who was too slow has an error of kind `unreachable`
 */
export async function gather(call, application, time, how = {}) {
  const asked = how.indices ?? application.document.authorities.map((a) => a.index);
  /** @type {Map<number, Outcome>} */
  const outcomes = new Map();
  let good = 0;
  await new Promise((resolve, reject) => {
    let timer;
    const took = (o) => {
      outcomes.set(o.index, o);
      if (o.share && ++good === how.enough) timer = setTimeout(resolve, PATIENCE);
      if (outcomes.size < asked.length) return;
      clearTimeout(timer);
      resolve(undefined);
    };
    for (const index of asked) ask(call, application, index, time, how.evidence).then(took, reject);
  });
  return asked.map((index) => outcomes.get(index) ?? late(application, index));
}

const late = ({ document }, index) => ({ index, name: document.authorities[index - 1].name, error: new Problem('unreachable') });
