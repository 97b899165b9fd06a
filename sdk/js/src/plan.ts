// spec/ceremony.md "Card" and "Plan": who makes a master with whom, and what for.

import { ed25519 } from '@noble/curves/ed25519.js';
import { bytes, equal, field, H, lp, need, readLP, text } from './encoding.js';
import { openEnvelope, readEnvelope, signEnvelope } from './envelope.js';
import { schedule } from './epochs.js';
import { ascending, different, printable, read, record, url } from './fields.js';
import { parseDomainName } from './identity.js';

/** Public: a master with values in G2. mpin: one with values in G1 alone. */
export type Kind = 'public' | 'mpin';

/** Who an authority is. */
export interface Card {
  name: string;
  url: string;
  /** Ed25519 */
  key: Uint8Array;
  /** 1216 bytes */
  hpke: Uint8Array;
}

/** The login service that a master is made for. */
export interface PlanService {
  domainID: Uint8Array;
  name: string;
  origin: string;
  /** of its login server, an envelope; whether it is for this service and origin, openLoginCard says */
  card: Uint8Array;
  /** of the document that is served */
  revision: bigint;
  documentHash: Uint8Array;
}

/** What the operators agree to. */
export interface Plan {
  kind: Kind;
  domain: string;
  service: PlanService | null;
  t: number;
  schedules: { purpose: string, length: number }[];
  flags: string[];
  /** of authorities 1 … n */
  cards: Card[];
  bytes: Uint8Array;
  hash: Uint8Array;
}

const PURPOSES: Record<Kind, string[]> = { public: ['channel', 'decrypt'], mpin: ['permit'] };

/**
 * @param secretKey the 32 bytes of RFC 8032
 * @returns the envelope
 */
export function signCard(c: Card, secretKey: Uint8Array): Uint8Array {
  need(equal(ed25519.getPublicKey(bytes(secretKey, 'Ed25519 private key', 32)), c.key), 'card: of another key');
  const body = lp('milagro/v1 card', text(c.name), text(c.url), c.key, c.hpke);
  decodeCard(body);
  return signEnvelope(body, secretKey);
}

function decodeCard(body: Uint8Array): Card {
  const [name, where, key, hpke] = readLP(body, 'milagro/v1 card', [
    printable('card'), url, field.bytes(32, 'Ed25519 key'), field.bytes(1216, 'HPKE key'),
  ]);
  return { name, url: where, key, hpke };
}

/** @param envelope signed by the key that it holds */
export function openCard(envelope: Uint8Array): Card {
  const card = decodeCard(readEnvelope(envelope).body);
  openEnvelope(envelope, card.key, 'card');
  return card;
}

/**
 * What people compare.
 * @returns 32 bytes
 */
export const cardFingerprint = (envelope: Uint8Array): Uint8Array => H(lp('milagro/v1 card fingerprint', envelope));

function readSchedule(p: Uint8Array): { purpose: string, length: number } {
  const [purpose, length] = record(p, [field.text(16, 'purpose'), field.u32], 'schedule');
  schedule(length);
  return { purpose, length };
}

function readService(p: Uint8Array): PlanService {
  const [domainID, name, origin, card, revision, documentHash] = record(p, [
    read.id('domainID'), read.service, read.origin, field.upTo(8192, 'login card'), field.u64, read.id('H(document)'),
  ], 'service');
  return { domainID, name, origin, card, revision, documentHash };
}

function checkSchedules(kind: Kind, purposes: string[]): void {
  ascending(purposes, 'schedules');
  need(purposes.includes(PURPOSES[kind][0]), `plan: no schedule of ${PURPOSES[kind][0]}`);
  for (const p of purposes) need(PURPOSES[kind].includes(p), `plan: a schedule of "${p}"`);
}

/** Reads a plan. Whether it fits the document that is served, and a service its login card, is for the authority. */
export function decodePlan(b: Uint8Array): Plan {
  const [kind, domain, service, t, n, schedules, flags, cards] = readLP(b, 'milagro/v1 plan', [
    field.text(16, 'kind'), (p) => parseDomainName(field.text(253, 'domain name')(p)), field.optional(readService), field.u32, field.u32,
    field.list(readSchedule), field.list(printable('flag')), field.list(openCard),
  ]);
  need(kind === 'public' || kind === 'mpin', `plan: no kind is named "${kind}"`);
  need((kind === 'mpin') === (service !== null), `plan: ${service ? 'with' : 'without'} a service`);
  need(n >= 2 && n <= 16 && t >= 2 && t <= n && cards.length === n, 'plan: not 2 ≤ t ≤ n ≤ 16 with n cards');
  for (const f of ['name', 'url', 'key', 'hpke'] as const) different(cards.map((c) => c[f]), `card's ${f}`);
  checkSchedules(kind, schedules.map((s) => s.purpose));
  ascending(flags, 'flags');
  return { kind, domain, service, t, schedules, flags, cards, bytes: b, hash: H(b) };
}
