// spec/issuance.md: asks all authorities at once, through one relay, and verifies every share.

import { base64, readBase64, Refused } from './encoding.js';
import { makeRequest, openReply } from './issuance.js';
import { Problem } from './problem.js';
import type { Application, Pending, Share } from './issuance.js';
import type { Call } from './problem.js';

const PATIENCE = 2000; // ms for the rest, once t shares are good
const TRIES = 2;

/** What became of one authority's part: a share, or why there is none. */
export type Outcome = { index: number, name: string, share?: Share, error?: Error };

/** Makes the evidence for one authority, from the hash of the request without any. */
export type Evidence = (index: number, bare: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** Fewer than t authorities gave a good share. */
export class TooFewShares extends Error {
  readonly outcomes: Outcome[];

  constructor(outcomes: Outcome[], t: number) {
    const why = outcomes.filter((o) => o.error).map((o) => `authority ${o.index} (${o.name}): ${o.error?.message}`);
    super(`${outcomes.length - why.length} good shares of the ${t} that are needed; ${why.join('; ')}`);
    this.name = 'TooFewShares';
    this.outcomes = outcomes;
  }
}

// The same sealed request may be sent again, and gets the same bytes.
async function send(call: Call, { index, sealed }: Pending): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    try {
      return readBase64((await call(`/v1/relay/${index}`, { request: base64(sealed) })).reply, 'reply');
    } catch (e) {
      if (!(e instanceof Problem) || e.kind !== 'unreachable' || tries === TRIES) throw e;
    }
  }
}

async function ask(call: Call, application: Application, index: number, time: number, evidence?: Evidence): Promise<Outcome> {
  const { name } = application.document.authorities[index - 1];
  try {
    const pending = await makeRequest(application, index, time, evidence && ((bare) => evidence(index, bare)));
    return { index, name, share: await openReply(pending, await send(call, pending)) };
  } catch (error) {
    if (error instanceof Refused || error instanceof Problem) return { index, name, error };
    throw error;
  }
}

/** How authorities are asked. */
export interface Asking {
  /** whom; all without it */
  indices?: number[];
  /** how many good shares end the wait for the slow, after 2 s */
  enough?: number;
  evidence?: Evidence;
}

/**
 * Asks authorities for their shares of one key.
 * @param time unix seconds
 * @returns by index; who was too slow has an error of kind `unreachable`
 */
export async function gather(call: Call, application: Application, time: number, how: Asking = {}): Promise<Outcome[]> {
  const asked = how.indices ?? application.document.authorities.map((a) => a.index);
  const outcomes: Map<number, Outcome> = new Map();
  let good = 0;
  await new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout>;
    const took = (o: Outcome): void => {
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

/** The shares, if t are good; else throws TooFewShares. */
export function enoughShares(outcomes: Outcome[], t: number): Share[] {
  const shares = outcomes.flatMap((o) => o.share ?? []);
  if (shares.length < t) throw new TooFewShares(outcomes, t);
  return shares;
}

const late = ({ document }: Application, index: number): Outcome =>
  ({ index, name: document.authorities[index - 1].name, error: new Problem('unreachable') });
