// spec/ceremony.md "Polynomials", "Proof of possession", "Checks before confirm" and "Trial": the algebra of a ceremony.

import { ed25519 } from '@noble/curves/ed25519.js';
import { bytes, concat, field, list, lp, need, readLP, text, u32 } from './encoding.js';
import { decodeOutcome, generationOf, others } from './ceremony.js';
import { decodeG1, decodeG2, decodeScalar, encodePoint, encodeScalar, hashToScalar, mod, nonce, P1, P2, times, timesPublic } from './groups.js';
import { open } from './hpke.js';
import { identityPoint } from './identity.js';
import { checkPolynomial, keyShare } from './shares.js';
import type { Outcome, Reveal } from './ceremony.js';
import type { G1, G2, Point } from './groups.js';
import type { Kind, Plan } from './plan.js';

interface Group<P extends Point<P>> {
  base: P;
  decode(b: Uint8Array, what: string): P;
}

const INTO_G1: Group<G1> = { base: P1, decode: decodeG1 };
const INTO_G2: Group<G2> = { base: P2, decode: decodeG2 };

/** What a dealer makes of its polynomial. */
export interface Dealing {
  commitments: Uint8Array[];
  /** c ‖ z */
  proof: Uint8Array;
  /** f(1) … f(n) */
  values: bigint[];
}

const statement = (id: Uint8Array, kind: Kind, index: number, commitments: Uint8Array[], R: Uint8Array): Uint8Array =>
  lp('milagro/v1 pop', id, text(kind), u32(index), list(...commitments), R);

/**
 * Deals a polynomial.
 * @param coefficients constant first, t of them
 * @param k the nonce of the proof; only tests pass it
 */
export function deal(plan: Plan, id: Uint8Array, index: number, coefficients: bigint[], k?: bigint): Dealing {
  need(coefficients.length === plan.t, `${coefficients.length} coefficients, not ${plan.t}`);
  return plan.kind === 'public' ? dealIn(INTO_G2, plan, id, index, coefficients, k) : dealIn(INTO_G1, plan, id, index, coefficients, k);
}

function dealIn<P extends Point<P>>({ base }: Group<P>, { kind, cards }: Plan, id: Uint8Array, index: number, f: bigint[], k?: bigint): Dealing {
  const commitments = f.map((a) => encodePoint(times(base, a), 'commitment'));
  const secret = encodeScalar(f[0], 'constant');
  const drawn = k ?? nonce(secret, statement(id, kind, index, commitments, commitments[0]));
  const c = hashToScalar('POP', statement(id, kind, index, commitments, encodePoint(times(base, drawn), 'R')));
  const proof = concat(encodeScalar(c, 'c'), encodeScalar(mod(drawn + c * f[0]), 'z'));
  const at = (j: number): bigint => f.reduceRight((sum, a) => mod(sum * BigInt(j) + a), 0n);
  return { commitments, proof, values: cards.map((_, i) => at(i + 1)) };
}

// Σ_k j^k·C_k.
function evaluate<P extends Point<P>>(commitments: P[], j: number): P {
  return commitments.slice(0, -1).reduceRight((sum, C) => timesPublic(sum, BigInt(j)).add(C), commitments[commitments.length - 1]);
}

/** Refuses a reveal whose commitments are no points, or whose dealer does not possess what it deals. */
export function checkDealing(plan: Plan, reveal: Reveal): void {
  if (plan.kind === 'public') checkIn(INTO_G2, plan.kind, reveal);
  else checkIn(INTO_G1, plan.kind, reveal);
}

function checkIn<P extends Point<P>>(g: Group<P>, kind: Kind, { id, index, commitments, proof }: Reveal): void {
  const [C0] = commitments.map((C) => g.decode(C, 'commitment'));
  const c = decodeScalar(proof.slice(0, 32), 'c');
  const z = decodeScalar(proof.slice(32), 'z');
  const R = timesPublic(g.base, z).subtract(timesPublic(C0, c));
  need(!R.is0() && hashToScalar('POP', statement(id, kind, index, commitments, encodePoint(R, 'R'))) === c, `reveal: authority ${index} does not possess what it deals`);
}

/** Whether a value fits a dealer's commitments: Σ_k j^k·C_k = f(j)·G. */
export function fits(plan: Plan, commitments: Uint8Array[], j: number, value: bigint): boolean {
  const fit = <P extends Point<P>>({ base, decode }: Group<P>): boolean =>
    evaluate(commitments.map((C) => decode(C, 'commitment')), j).equals(times(base, value));
  return plan.kind === 'public' ? fit(INTO_G2) : fit(INTO_G1);
}

/** By what a value is sealed: the run, the kind, dealer and receiver. */
export const valueInfo = (id: Uint8Array, kind: Kind, dealer: number, receiver: number): Uint8Array =>
  lp('milagro/v1 ceremony', id, text(kind), u32(dealer), u32(receiver));

/**
 * Opens the value that a dealer sealed for a receiver.
 * @param box the seed of the key that the receiver made for this dealer
 * @returns f(receiver), which fits the commitments
 */
export async function openValue(plan: Plan, reveal: Reveal, receiver: number, box: Uint8Array): Promise<bigint> {
  const at = others(plan, reveal.index).indexOf(receiver);
  need(at >= 0, 'value: none for this receiver');
  const value = decodeScalar(await open(box, valueInfo(reveal.id, plan.kind, reveal.index, receiver), reveal.sealed[at]), 'value');
  need(fits(plan, reveal.commitments, receiver, value), `value: that of authority ${reveal.index} is off its polynomial`);
  return value;
}

/** s_j = Σ_i f_i(j). */
export const masterShare = (values: bigint[]): bigint => values.reduce((sum, v) => mod(sum + v), 0n);

/** What follows from the reveals of all, by index. */
export function outcomeOf(plan: Plan, transcript: Uint8Array, reveals: Reveal[]): Outcome {
  const { id } = reveals[0];
  const sum = <P extends Point<P>>({ decode }: Group<P>): Outcome => {
    const dealt = reveals.map((r) => r.commitments.map((C) => decode(C, 'commitment')));
    const total = dealt.reduce((all, own) => all.map((C, k) => C.add(own[k])));
    return {
      id, transcript, master: encodePoint(total[0], 'master'),
      shares: plan.cards.map((_, i) => encodePoint(evaluate(total, i + 1), 'public share')),
    };
  };
  return plan.kind === 'public' ? sum(INTO_G2) : sum(INTO_G1);
}

/**
 * @param confirmed the body that all confirmed
 * @param signatures 64 bytes each, by index
 */
export const encodeCertificate = (confirmed: Uint8Array, signatures: Uint8Array[]): Uint8Array =>
  lp('milagro/v1 certificate', confirmed, list(...signatures));

/**
 * Loads the certificate of a plan: all have signed, and the public shares lie on one polynomial with the master at 0.
 * @returns what was confirmed, and the generation that it makes
 */
export function loadCertificate(plan: Plan, b: Uint8Array): Outcome & { generation: Uint8Array } {
  const [confirmed, signatures] = readLP(b, 'milagro/v1 certificate', [(p) => p, field.list(field.bytes(64, 'signature'))]);
  const outcome = decodeOutcome(plan, confirmed);
  need(signatures.length === plan.cards.length, `certificate: ${signatures.length} signatures`);
  signatures.forEach((s, i) => {
    need(ed25519.verify(s, confirmed, plan.cards[i].key, { zip215: false }), `certificate: authority ${i + 1} did not sign`);
  });
  const check = <P extends Point<P>>({ decode }: Group<P>): void =>
    checkPolynomial(decode(outcome.master, 'master'), outcome.shares.map((s) => decode(s, 'public share')), plan.t, 'certificate');
  if (plan.kind === 'public') check(INTO_G2);
  else check(INTO_G1);
  return { ...outcome, generation: generationOf(confirmed) };
}

/** The point of a trial. */
export const testPoint = (kind: Kind, generation: Uint8Array): G1 => identityPoint('test', { hash: bytes(generation, 'generation', 40).slice(8), purpose: kind });

/** D_i of a trial, 48 bytes. */
export const testShare = (kind: Kind, generation: Uint8Array, share: bigint): Uint8Array => keyShare(share, testPoint(kind, generation));
