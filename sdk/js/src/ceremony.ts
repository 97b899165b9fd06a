// spec/ceremony.md "Rounds": the messages of a ceremony, one LP string each, signed in an envelope.

import { bytes, equal, field, H, list, lp, need, readLP, text, u32, u64 } from './encoding.js';
import { openEnvelope } from './envelope.js';
import { authorityIndex, read } from './fields.js';
import { encodeGeneration } from './shares.js';
import type { Plan } from './plan.js';

/** The longest message, in bytes. */
export const MAX_MESSAGE = 48 * 1024;
const ABSENT = new Uint8Array(0);
const SEALED = 1168;

/** Opens a run: fresh keys, one for each other authority. */
export interface Contribution {
  planHash: Uint8Array;
  index: number;
  random: Uint8Array;
  /** HPKE, 1216 bytes each, by index of the dealer, without the own */
  keys: Uint8Array[];
}

/** Binds a dealer to a reveal. */
export interface Commit {
  id: Uint8Array;
  index: number;
  /** of committed */
  hash: Uint8Array;
}

/** What a dealer deals. */
export interface Reveal {
  id: Uint8Array;
  index: number;
  /** constant first; 96 bytes each, or 48 by kind */
  commitments: Uint8Array[];
  /** c ‖ z */
  proof: Uint8Array;
  /** values, by index of the receiver, without the own */
  sealed: Uint8Array[];
}

/** What all confirm. */
export interface Outcome {
  id: Uint8Array;
  transcript: Uint8Array;
  master: Uint8Array;
  /** public shares of 1 … n */
  shares: Uint8Array[];
}

/** Ends a run. */
export interface Abort {
  id: Uint8Array;
  index: number;
  reason: string;
}

/** What a receiver publishes who got a false value. */
export interface Complaint {
  id: Uint8Array;
  index: number;
  dealer: number;
  /** the private half of the key that it made for this dealer */
  box: Uint8Array;
}

/** The length of a point, by kind. */
const width = ({ kind }: Plan): number => (kind === 'public' ? 96 : 48);

function ownIndex({ cards }: Plan, index: number): number {
  need(index >= 1 && index <= cards.length, `index ${index}: there is no such authority`);
  return index;
}

/** The other authorities of a plan, by index. */
export const others = ({ cards }: Plan, index: number): number[] => cards.map((_, at) => at + 1).filter((i) => i !== index);

/** Opens a message of an authority. */
export function openMessage(plan: Plan, index: number, envelope: Uint8Array): Uint8Array {
  need(envelope.length <= MAX_MESSAGE, `message: ${envelope.length} bytes`);
  return openEnvelope(envelope, plan.cards[ownIndex(plan, index) - 1].key, `message of authority ${index}`);
}

/** @returns the body */
export const encodeContribution = (c: Contribution): Uint8Array =>
  lp('milagro/v1 contribution', bytes(c.planHash, 'H(plan)', 32), u32(authorityIndex(c.index)), bytes(c.random, 'random', 32), list(...c.keys));

/** Reads the body of a contribution to a plan. */
export function decodeContribution(plan: Plan, body: Uint8Array): Contribution {
  const [planHash, index, random, keys] = readLP(body, 'milagro/v1 contribution', [
    read.id('H(plan)'), field.u32, read.id('random'), field.list(field.bytes(1216, 'HPKE key')),
  ]);
  need(equal(planHash, plan.hash), 'contribution: to another plan');
  ownIndex(plan, index);
  need(keys.length === plan.cards.length - 1, `contribution: ${keys.length} keys`);
  return { planHash, index, random, keys };
}

/**
 * The id of a run.
 * @param contributions bodies of all, by index
 * @returns 32 bytes
 */
export const ceremonyID = (plan: Plan, contributions: Uint8Array[]): Uint8Array =>
  H(lp('milagro/v1 ceremony id', plan.bytes, list(...contributions)));

/** What a commit holds of the body of a reveal. */
export const committed = (id: Uint8Array, index: number, reveal: Uint8Array): Uint8Array =>
  H(lp('milagro/v1 committed', id, u32(authorityIndex(index)), reveal));

/** @returns the body */
export const encodeCommit = (c: Commit): Uint8Array =>
  lp('milagro/v1 commit', bytes(c.id, 'id', 32), u32(authorityIndex(c.index)), bytes(c.hash, 'hash', 32));

/** Reads the body of a commit. */
export function decodeCommit(plan: Plan, body: Uint8Array): Commit {
  const [id, index, hash] = readLP(body, 'milagro/v1 commit', [read.id('id'), field.u32, read.id('hash')]);
  return { id, index: ownIndex(plan, index), hash };
}

/** @returns the body */
export const encodeReveal = (r: Reveal): Uint8Array =>
  lp(
    'milagro/v1 reveal', bytes(r.id, 'id', 32), u32(authorityIndex(r.index)), list(...r.commitments), bytes(r.proof, 'proof', 64),
    list(...r.sealed),
  );

/** Reads the body of a reveal: exactly t commitments, and a value for each other authority. The proof is for checkDealing. */
export function decodeReveal(plan: Plan, body: Uint8Array): Reveal {
  const [id, index, commitments, proof, sealed] = readLP(body, 'milagro/v1 reveal', [
    read.id('id'), field.u32, field.list(field.bytes(width(plan), 'commitment')), field.bytes(64, 'proof'),
    field.list(field.bytes(SEALED, 'sealed value')),
  ]);
  ownIndex(plan, index);
  need(commitments.length === plan.t, `reveal: ${commitments.length} commitments, not ${plan.t}`);
  need(sealed.length === plan.cards.length - 1, `reveal: ${sealed.length} values`);
  return { id, index, commitments, proof, sealed };
}

/** The hash of all commits and reveals of a run, their bodies by index. */
export const transcriptOf = (id: Uint8Array, commits: Uint8Array[], reveals: Uint8Array[]): Uint8Array =>
  H(lp('milagro/v1 transcript', id, list(...commits), list(...reveals)));

/** @returns the body of a confirmation */
export const encodeOutcome = (o: Outcome): Uint8Array =>
  lp('milagro/v1 generation', u64(1), ABSENT, bytes(o.id, 'id', 32), bytes(o.transcript, 'transcript', 32), o.master, list(...o.shares));

/** Reads the body of a confirmation. */
export function decodeOutcome(plan: Plan, body: Uint8Array): Outcome {
  const [counter, before, id, transcript, master, shares] = readLP(body, 'milagro/v1 generation', [
    field.u64, field.upTo(0, 'generation before'), read.id('id'), read.id('transcript'), field.bytes(width(plan), 'master'),
    field.list(field.bytes(width(plan), 'public share')),
  ]);
  need(counter === 1n && before.length === 0, 'generation: not the first');
  need(shares.length === plan.cards.length, `generation: ${shares.length} public shares`);
  return { id, transcript, master, shares };
}

/** The generation that a confirmation makes, 40 bytes. */
export const generationOf = (body: Uint8Array): Uint8Array => encodeGeneration({ counter: 1n, hash: H(body) });

/** @returns the body */
export const encodeAbort = (a: Abort): Uint8Array => lp('milagro/v1 abort', bytes(a.id, 'id', 32), u32(authorityIndex(a.index)), text(a.reason));

/** Reads the body of an abort. */
export function decodeAbort(plan: Plan, body: Uint8Array): Abort {
  const [id, index, reason] = readLP(body, 'milagro/v1 abort', [read.id('id'), field.u32, field.text(MAX_MESSAGE, 'reason')]);
  return { id, index: ownIndex(plan, index), reason };
}

/** @returns the body */
export const encodeComplaint = (c: Complaint): Uint8Array =>
  lp('milagro/v1 complaint', bytes(c.id, 'id', 32), u32(authorityIndex(c.index)), u32(authorityIndex(c.dealer)), bytes(c.box, 'private half', 32));

/** Reads the body of a complaint. */
export function decodeComplaint(plan: Plan, body: Uint8Array): Complaint {
  const [id, index, dealer, box] = readLP(body, 'milagro/v1 complaint', [read.id('id'), field.u32, field.u32, read.id('private half')]);
  need(ownIndex(plan, index) !== ownIndex(plan, dealer), 'complaint: about oneself');
  return { id, index, dealer, box };
}
