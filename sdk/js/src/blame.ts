// spec/ceremony.md "Blame": files that convict an authority from themselves alone.

import { base64, equal, field, need, readBase64, readList, Refused, readLP, text, toBigInt } from './encoding.js';
import {
  ceremonyID, committed, decodeAbort, decodeCommit, decodeComplaint, decodeContribution, decodeOutcome, decodeReveal, encodeOutcome, openMessage,
  others, transcriptOf,
} from './ceremony.js';
import { checkDealing, openValue, outcomeOf } from './dealing.js';
import { readEnvelope } from './envelope.js';
import { publicKeyOf } from './hpke.js';
import { decodePlan } from './plan.js';
import type { Plan } from './plan.js';

const BEGIN = '-----BEGIN MILAGRO BLAME-----\n';
const END = '-----END MILAGRO BLAME-----\n';

/** Who is guilty of what. */
export interface Verdict {
  guilty: number;
  offence: string;
}

// One run, whose contributions are all there and signed.
interface Run {
  plan: Plan;
  id: Uint8Array;
  /** keys of the contributions, by index of who made them */
  keys: Uint8Array[][];
}

function readPEM(pem: string): Uint8Array {
  need(pem.startsWith(BEGIN) && pem.endsWith(END), 'blame: no file of this type, or more than it');
  const b = readBase64(pem.slice(BEGIN.length, -END.length).replaceAll('\n', ''), 'blame');
  need(pem === encodePEM(b), 'blame: lines that are not of 64 characters');
  return b;
}

const encodePEM = (b: Uint8Array): string => `${BEGIN}${base64(b).replace(/.{1,64}/g, '$&\n')}${END}`;

function readRun(plan: Plan, envelopes: Uint8Array[]): Run {
  need(envelopes.length === plan.cards.length, `blame: ${envelopes.length} contributions`);
  const bodies = envelopes.map((e, i) => openMessage(plan, i + 1, e));
  const contributions = bodies.map((b) => decodeContribution(plan, b));
  contributions.forEach((c, i) => need(c.index === i + 1, 'blame: contributions are not by index'));
  return { plan, id: ceremonyID(plan, bodies), keys: contributions.map((c) => c.keys) };
}

// Whether a body begins with a label: whoever signs that means such a message.
const labelled = (body: Uint8Array, label: string): boolean => {
  const head = text(label);
  return body.length >= 4 + head.length && Number(toBigInt(body.subarray(0, 4))) === head.length && equal(body.subarray(4, 4 + head.length), head);
};

// The authority that signed a message of a run, and the body.
function signer(plan: Plan, envelope: Uint8Array): { index: number, body: Uint8Array } {
  for (let index = 1; index <= plan.cards.length; index++) {
    try {
      return { index, body: openMessage(plan, index, envelope) };
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
    }
  }
  throw new Refused('blame: a message that no authority of the plan signed');
}

// A message as it counts here: what it is, of which run and whose, by its own words.
function claim({ plan, id }: Run, envelope: Uint8Array): { what: string, index: number, body: Uint8Array } {
  const { index, body } = signer(plan, envelope);
  const own = (said: { id: Uint8Array, index?: number }, what: string) => {
    need(equal(said.id, id), `blame: a ${what} of another run`);
    need(said.index === undefined || said.index === index, `blame: a ${what} that another signed`);
    return { what, index, body };
  };
  if (labelled(body, 'milagro/v1 commit')) return own(decodeCommit(plan, body), 'commit');
  if (labelled(body, 'milagro/v1 abort')) return own(decodeAbort(plan, body), 'abort');
  if (labelled(body, 'milagro/v1 generation')) return own(decodeOutcome(plan, body), 'confirmation');
  need(labelled(body, 'milagro/v1 reveal'), 'blame: a message of another kind');
  // It need not be well formed to be another one, or another than was committed to.
  const [, of, by] = readList(body);
  need(of?.length === 32 && by?.length === 4, 'blame: a reveal of no run');
  return own({ id: of, index: field.u32(by) }, 'reveal');
}

function exactly(messages: Uint8Array[], n: number): void {
  need(messages.length === n, `blame: ${messages.length} messages, not ${n}`);
}

function equivocation(run: Run, messages: Uint8Array[]): Verdict {
  exactly(messages, 2);
  const [a, b] = messages.map((m) => claim(run, m));
  need(a.index === b.index && !equal(a.body, b.body), 'blame: no two messages of one authority');
  const both = [a.what, b.what].sort().join();
  need((a.what === b.what && a.what !== 'abort') || both === 'abort,confirmation', 'blame: the two go together');
  return { guilty: a.index, offence: 'equivocation' };
}

function differs(run: Run, messages: Uint8Array[]): Verdict {
  exactly(messages, 2);
  const [c, r] = messages.map((m) => claim(run, m));
  need(c.what === 'commit' && r.what === 'reveal' && c.index === r.index, 'blame: not commit and reveal of one authority');
  need(!equal(decodeCommit(run.plan, c.body).hash, committed(run.id, r.index, r.body)), 'blame: the reveal is what was committed to');
  return { guilty: r.index, offence: 'reveal differs from commit' };
}

function malformed({ plan, id }: Run, messages: Uint8Array[]): Verdict {
  exactly(messages, 1);
  const { index, body } = signer(plan, messages[0]);
  need(labelled(body, 'milagro/v1 reveal'), 'blame: no reveal');
  const offence = 'malformed reveal';
  let reveal;
  try {
    reveal = decodeReveal(plan, body);
  } catch (e) {
    if (e instanceof Refused) return { guilty: index, offence };
    throw e;
  }
  need(equal(reveal.id, id), 'blame: a reveal of another run');
  if (reveal.index !== index) return { guilty: index, offence };
  try {
    checkDealing(plan, reveal);
  } catch (e) {
    if (e instanceof Refused) return { guilty: index, offence };
    throw e;
  }
  throw new Refused('blame: the reveal is well formed');
}

async function falseValue({ plan, id, keys }: Run, messages: Uint8Array[]): Promise<Verdict> {
  exactly(messages, 2);
  const from = signer(plan, messages[0]);
  const reveal = decodeReveal(plan, from.body);
  const by = signer(plan, messages[1]);
  const complaint = decodeComplaint(plan, by.body);
  need(equal(reveal.id, id) && equal(complaint.id, id), 'blame: messages of another run');
  need(reveal.index === from.index && complaint.index === by.index && complaint.dealer === reveal.index, 'blame: not reveal and complaint about it');
  const made = keys[complaint.index - 1][others(plan, complaint.index).indexOf(complaint.dealer)];
  need(equal(publicKeyOf(complaint.box), made), 'blame: another key than the one made for the dealer');
  try {
    await openValue(plan, reveal, complaint.index, complaint.box);
  } catch (e) {
    if (e instanceof Refused) return { guilty: reveal.index, offence: 'false value' };
    throw e;
  }
  return { guilty: complaint.index, offence: 'false complaint' };
}

function falseConfirmation(run: Run, messages: Uint8Array[]): Verdict {
  const { plan, id } = run;
  const n = plan.cards.length;
  exactly(messages, 1 + 2 * n);
  const [confirmation, ...rest] = messages.map((m) => claim(run, m));
  need(confirmation.what === 'confirmation', 'blame: no confirmation');
  rest.forEach((m, i) => need(m.index === (i % n) + 1 && m.what === (i < n ? 'commit' : 'reveal'), 'blame: not all commits and reveals, by index'));
  const bodies = rest.map((m) => m.body);
  const transcript = transcriptOf(id, bodies.slice(0, n), bodies.slice(n));
  need(equal(decodeOutcome(plan, confirmation.body).transcript, transcript), 'blame: the confirmation is of another transcript');
  const outcome = outcomeOf(plan, transcript, bodies.slice(n).map((b) => decodeReveal(plan, b)));
  need(!equal(confirmation.body, encodeOutcome(outcome)), 'blame: the confirmation follows from its transcript');
  return { guilty: confirmation.index, offence: 'false confirmation' };
}

const OFFENCES: Record<string, (run: Run, messages: Uint8Array[]) => Verdict | Promise<Verdict>> = {
  equivocation, 'reveal differs from commit': differs, 'malformed reveal': malformed, 'false value': falseValue,
  'false confirmation': falseConfirmation,
};

/** Judges a file; it is refused if it convicts nobody. */
export async function judge(pem: string): Promise<Verdict> {
  const [offence, plan, contributions, messages] = readLP(readPEM(pem), 'milagro/v1 blame', [
    field.text(64, 'offence'), decodePlan, field.list((p) => p), field.list((p) => p),
  ]);
  need(Object.hasOwn(OFFENCES, offence), `blame: no offence is named "${offence}"`);
  for (const m of messages) readEnvelope(m);
  return OFFENCES[offence](readRun(plan, contributions), messages);
}
