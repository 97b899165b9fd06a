// spec/document.md: the domain document, its signature and its stamp.

import { bytes, equal, field, H, need, readLP } from './encoding.js';
import { openEnvelope } from './envelope.js';
import { ascending, different, generation as checkGeneration, printable, read, record, url } from './fields.js';
import { decodeG1, decodeG2 } from './groups.js';
import { schedule } from './epochs.js';
import { domainID, identityPoint, parseDomainName, serviceID } from './identity.js';
import { checkPolynomial, verifyShare } from './shares.js';
import type { Schedule } from './epochs.js';

const SCHEDULED = ['channel', 'decrypt', 'permit'];

export interface DocumentAuthority {
  index: number;
  name: string;
  url: string;
  /** Ed25519 */
  key: Uint8Array;
  /** 1216 bytes */
  hpke: Uint8Array;
  /** 96 bytes */
  Y: Uint8Array;
}

export interface DocumentService {
  name: string;
  /** 48 bytes */
  X: Uint8Array;
  /** 40 bytes */
  generation: Uint8Array;
  origin: string;
  /** of its login server, Ed25519 */
  key: Uint8Array;
  /** 48 bytes each, by authority */
  shares: Uint8Array[];
  serviceID: Uint8Array;
}

/** What a domain document says. */
export interface Document {
  domain: string;
  domainID: Uint8Array;
  mpk: Uint8Array;
  revision: bigint;
  predecessor: Uint8Array | null;
  t: number;
  /** 40 bytes */
  generation: Uint8Array;
  /** by index */
  authorities: DocumentAuthority[];
  schedules: (Schedule & { purpose: string })[];
  suites: Uint8Array;
  services: DocumentService[];
  flags: string[];
  hash: Uint8Array;
}

const point = (decode: (b: Uint8Array, what: string) => unknown, n: number, what: string) => (p: Uint8Array): Uint8Array => {
  decode(bytes(p, what, n), what);
  return p;
};

function authority(p: Uint8Array): DocumentAuthority {
  const [index, name, where, key, hpke, Y] = record(p, [
    field.u32, printable('authority'), url, field.bytes(32, 'Ed25519 key'), field.bytes(1216, 'HPKE key'), point(decodeG2, 96, 'Y_i'),
  ], 'authority');
  return { index, name, url: where, key, hpke, Y };
}

function readSchedule(p: Uint8Array): Schedule & { purpose: string } {
  const [purpose, length, previousLength, lastStart] = record(p, [field.text(16, 'purpose'), field.u32, field.u32, field.u64], 'schedule');
  need(SCHEDULED.includes(purpose), `schedule: of purpose "${purpose}"`);
  need(previousLength !== 0 || lastStart === 0n, 'schedule: a last start without a previous length');
  return { purpose, ...schedule(length, previousLength === 0 ? undefined : { length: previousLength, lastStart }) };
}

function service(p: Uint8Array): Omit<DocumentService, 'serviceID'> {
  const [name, X, generation, origin, key, shares] = record(p, [
    read.service, point(decodeG1, 48, 'X'), read.generation, read.origin, field.bytes(32, "login server's key"),
    field.list(point(decodeG1, 48, 'X_i')),
  ], 'service');
  return { name, X, generation, origin, key, shares };
}

function checkAuthorities(d: Pick<Document, 'authorities' | 't' | 'mpk'>): void {
  const n = d.authorities.length;
  need(n >= 2 && n <= 16 && d.t >= 2 && d.t <= n, 'document: not 2 ≤ t ≤ n ≤ 16');
  d.authorities.forEach((a, i) => need(a.index === i + 1, 'document: authorities out of order'));
  for (const f of ['name', 'url', 'key', 'hpke', 'Y'] as const) different(d.authorities.map((a) => a[f]), `authority's ${f}`);
  checkPolynomial(decodeG2(d.mpk), d.authorities.map((a) => decodeG2(a.Y)), d.t, 'document');
}

function checkServices(d: Pick<Document, 'services' | 'schedules' | 'authorities' | 't'>): void {
  ascending(d.services.map((s) => s.name), 'services');
  different(d.services.map((s) => s.X), "service's X");
  const known = d.schedules.some((s) => s.purpose === 'permit');
  need(d.services.length === 0 || known, 'document: a service without a schedule of permit');
  for (const s of d.services) {
    need(s.shares.length === d.authorities.length, `service: ${s.shares.length} public shares`);
    checkPolynomial(decodeG1(s.X), s.shares.map((x) => decodeG1(x)), d.t, 'service');
  }
}

/** Reads a document: all that can be told from its bytes alone. */
export function decodeDocument(b: Uint8Array): Document {
  const [domain, mpk, revision, predecessor, t, generation, authorities, schedules, suites, listed, flags] = readLP(
    b, 'milagro/v1 domain document', [
      (p) => parseDomainName(field.text(253, 'domain name')(p)), point(decodeG2, 96, 'mpk'), field.u64,
      field.optional(read.id('predecessor')), field.u32, read.generation, field.list(authority), field.list(readSchedule),
      field.upTo(255, 'suites'), field.list(service), field.list(printable('flag')),
    ],
  );
  const id = domainID(domain, mpk);
  const services = listed.map((s) => ({ ...s, serviceID: serviceID(id, s.name, s.X) }));
  const d = { domain, domainID: id, mpk, revision, predecessor, t, generation, authorities, schedules, suites, services, flags, hash: H(b) };
  need(revision >= 1n && (revision === 1n) === (predecessor === null), 'document: revision and predecessor do not agree');
  checkAuthorities(d);
  ascending(schedules.map((s) => s.purpose), 'schedules');
  need(schedules.some((s) => s.purpose === 'channel'), 'document: no schedule of channel');
  need(suites.length > 0, 'document: no suite');
  ascending([...suites], 'suites');
  ascending(flags, 'flags');
  checkServices(d);
  return d;
}

/** @param id serviceID */
export function findService(d: Document, id: Uint8Array): DocumentService {
  const found = d.services.find((s) => equal(s.serviceID, id));
  need(found, 'document: lists no such service');
  return found;
}

/**
 * Reads a stamp and verifies it.
 * @returns its day
 */
export function verifyStamp(d: Document, stamp: Uint8Array): number {
  const [revision, hash, day, signature] = readLP(stamp, 'milagro/v1 stamp', [
    field.u64, read.id('H(document)'), field.u32, field.bytes(48, 'stamp'),
  ]);
  need(revision === d.revision && equal(hash, d.hash), 'stamp: of another document');
  const A = identityPoint('fresh', { domainID: d.domainID, revision, documentHash: hash, day });
  need(verifyShare(signature, A, d.mpk), 'stamp: does not verify');
  return day;
}

/** A document as it is published. */
export interface Publication {
  document: Uint8Array;
  /** 48 bytes */
  signature: Uint8Array;
  stamp?: Uint8Array | null;
}

/**
 * Loads a published document. That the revision does not go back is for the caller, who keeps the highest.
 * @param pinned domainID
 * @returns with day when there is a stamp
 */
export function loadDocument({ document, signature, stamp = null }: Publication, pinned: Uint8Array): Document & { day?: number } {
  const d = decodeDocument(document);
  need(equal(d.domainID, bytes(pinned, 'domainID', 32)), 'document: of another domain');
  const A = identityPoint('document', { domainID: d.domainID, revision: d.revision, documentHash: d.hash });
  need(verifyShare(signature, A, d.mpk), 'document: its signature does not verify');
  return stamp ? { ...d, day: verifyStamp(d, stamp) } : d;
}

/**
 * @param day of a stamp
 * @param now unix seconds
 */
export function isFresh(day: number, now: number | bigint): boolean {
  const today = Math.floor(Number(now) / 86400);
  return today - 7 <= day && day <= today + 1;
}

/**
 * The body of an approval of a document.
 * @param index of the authority that signed
 */
export function openDocumentApproval(d: Document, envelope: Uint8Array, index: number): { index: number, revision: bigint } {
  const by = d.authorities.find((a) => a.index === index);
  need(by, `approval: there is no authority ${index}`);
  const [id, generation, own, revision, hash] = readLP(openEnvelope(envelope, by.key, 'approval'), 'milagro/v1 approval', [
    read.id('domainID'), read.generation, field.u32, field.u64, read.id('H(document)'),
  ]);
  need(equal(id, d.domainID) && equal(checkGeneration(generation), d.generation), 'approval: of another domain or generation');
  need(own === index && revision === d.revision && equal(hash, d.hash), 'approval: of another authority or document');
  return { index, revision };
}

/**
 * What rows and statements of one service are checked against.
 * @param id serviceID
 */
export function serviceView(d: Document, id: Uint8Array) {
  const s = findService(d, id);
  return {
    domain: d.domain, domainID: d.domainID, serviceID: id, origin: s.origin, generation: s.generation, t: d.t,
    authorities: d.authorities.map((a) => a.key), loginServerKey: s.key, service: s.name,
  };
}
