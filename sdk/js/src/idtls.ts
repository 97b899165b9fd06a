// spec/idtls.md: bindings, leaves, and the checks of them. TLS itself, and which checks concern a connection (1, 2, 13, 14,
// 16), are for the caller.

import { bytes, concat, equal, H, lp, need, readText, Refused, text, toBigInt, u64 } from './encoding.js';
import { extensionsOf, readCertificate } from './certificate.js';
import type { Certificate, Extension } from './certificate.js';
import { acceptedAt, admits, decodeEpoch, encodeEpoch } from './epochs.js';
import { verify } from './ibs.js';
import { parseDevice, parseName } from './identity.js';
import type { Epoch, Schedule } from './epochs.js';
import type { Signer } from './ibs.js';

const HEAD = 97;
const MAX_TIME = 253402300799n;
const ROLES = { client: 1, server: 2 };

// DER contents of object identifiers.
const OID = { binding: '88374d494c01', keyUsage: '551d0f', subjectAltName: '551d11', extKeyUsage: '551d25' };
const CLIENT_AUTH = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
const SERVER_AUTH = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

export interface Binding {
  suite: number;
  /** 32 bytes */
  domainID: Uint8Array;
  epoch: Epoch;
  /** unix seconds */
  notBefore: bigint;
  notAfter: bigint;
  /** 1 client, 2 server, 3 both */
  usage: number;
  /** 32 bytes */
  device: Uint8Array;
  name: string;
  /** 96 bytes */
  signature: Uint8Array;
}

/** Thrown when a leaf is refused; `check` names the check of the page. */
export class LeafRefused extends Refused {
  readonly check: string;

  constructor(check: string, message: string) {
    super(`${check}: ${message}`);
    this.name = 'LeafRefused';
    this.check = check;
  }
}

/** Reads exactly the bytes of a binding. */
export function readBinding(b: Uint8Array): Binding {
  bytes(b, 'binding');
  need(b.length >= HEAD + 96, 'binding: truncated');
  need(b[0] === 1, `binding: version ${b[0]}, not 1`);
  const end = HEAD + Number(toBigInt(b.subarray(95, 97)));
  need(b.length === end + 96, `binding: ${b.length} bytes, not ${end + 96}`);
  const binding = {
    suite: b[1],
    domainID: b.slice(2, 34),
    epoch: decodeEpoch(b.slice(34, 46)),
    notBefore: toBigInt(b.subarray(46, 54)),
    notAfter: toBigInt(b.subarray(54, 62)),
    usage: b[62],
    device: b.slice(63, 95),
    name: parseName(readText(b.slice(HEAD, end), 'binding: name')).name,
    signature: b.slice(end),
  };
  need(binding.notBefore <= binding.notAfter && binding.notAfter <= MAX_TIME, 'binding: times out of order or range');
  need(binding.usage >= 1 && binding.usage <= 3, `binding: usage ${binding.usage}`);
  return binding;
}

/** The fields that are signed: the binding without its signature. */
function tbs({ suite, domainID, epoch, notBefore, notAfter, usage, device, name }: Binding): Uint8Array {
  const n = text(name);
  return concat(
    Uint8Array.of(1, suite), bytes(domainID, 'domainID', 32), encodeEpoch(epoch), u64(notBefore), u64(notAfter),
    Uint8Array.of(usage), bytes(device, 'device', 32), Uint8Array.of(n.length >> 8, n.length & 255), n,
  );
}

/** @returns what readBinding reads */
export const encodeBinding = (binding: Binding): Uint8Array => concat(tbs(binding), bytes(binding.signature, 'signature', 96));

/**
 * What the signature of a binding is over.
 * @param spki of the leaf
 */
export const bindingMessage = (binding: Binding, spki: Uint8Array): Uint8Array => lp('milagro/v1 tls binding', tbs(binding), H(spki));

/** Who signs a binding. */
export const bindingSigner = ({ domainID, name, device, epoch }: Binding): Signer => ({ domainID, name, device, epoch: encodeEpoch(epoch) });

/**
 * Check 15.
 * @param spki of the leaf
 * @param mpk 96 bytes
 */
export const verifyBinding = (binding: Binding, spki: Uint8Array, mpk: Uint8Array): boolean =>
  verify(bindingSigner(binding), mpk, bindingMessage(binding, spki), binding.signature);

// Runs a check: what it refuses is refused in its name.
function check<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (e) {
    if (e instanceof Refused) throw new LeafRefused(name, e.message);
    throw e;
  }
}

const hex = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');

function tlv(tag: number, content: Uint8Array): Uint8Array {
  const n = content.length;
  const head = n < 128 ? [tag, n] : n < 256 ? [tag, 0x81, n] : [tag, 0x82, n >> 8, n & 255];
  return concat(Uint8Array.from(head), content);
}

function checkProfile(cert: Certificate, extensions: Extension[], b: Binding): void {
  need(cert.version === 3, `X.509 version ${cert.version}`);
  need(cert.subject.length === 0 && cert.issuer.length === 0, 'subject or issuer is not empty');
  for (const e of extensions) {
    const must = e.id === OID.keyUsage || e.id === OID.subjectAltName;
    need(e.critical === must, `extension ${e.id} is ${must ? 'not ' : ''}critical`);
  }
  const one = (id: string): string => extensions.filter((e) => e.id === id).map((e) => hex(e.content)).join();
  need(one(OID.keyUsage) === '03020780', 'key usage is not digitalSignature alone');
  const roles = [...(b.usage & 1 ? CLIENT_AUTH : []), ...(b.usage & 2 ? SERVER_AUTH : [])];
  need(one(OID.extKeyUsage) === hex(tlv(0x30, Uint8Array.from(roles))), 'extended key usage is not that of the binding');
  const end = b.epoch.start + b.epoch.length;
  need(cert.notBefore === b.notBefore && cert.notAfter === (b.notAfter < end ? b.notAfter : end), 'validity is not that of the binding');
}

function checkName(extensions: Extension[], name: string): void {
  const want = tlv(0x30, tlv(0x86, text(name)));
  const names = extensions.filter((e) => e.id === OID.subjectAltName);
  need(names.length === 1 && equal(names[0].content, want), `subjectAltName is not exactly ${name}`);
}

/** What is known of the domain of a peer. */
export interface PinnedDomain {
  domainID: Uint8Array;
  domain: string;
  /** 96 bytes */
  mpk: Uint8Array;
  /** of channel */
  schedule: Schedule;
  suites?: number[];
}

/**
 * Checks 3 to 12 and 15 of a leaf; throws LeafRefused with the first that fails. The peer has proved nothing until TLS has verified
 * its CertificateVerify.
 * @param certificate DER
 * @param role of the peer
 * @param now unix seconds
 */
export function verifyLeaf(certificate: Uint8Array, pinned: PinnedDomain, role: 'client' | 'server', now: number | bigint): Binding {
  need(Object.hasOwn(ROLES, role), 'role: neither client nor server');
  const cert = check('certificate', () => readCertificate(certificate));
  check('key', () => parseDevice(cert.spki));
  const { extensions, content } = check('extension', () => {
    const all = extensionsOf(cert);
    const own = all.filter((e) => e.id === OID.binding);
    need(own.length === 1, `${own.length} extensions with a binding, not 1`);
    need(!own[0].critical, 'the binding is critical');
    return { extensions: all, content: own[0].content };
  });
  const b = check('binding', () => readBinding(content));
  check('suite', () => need(b.suite === 1 && (pinned.suites ?? [1]).includes(1), `suite ${b.suite}`));
  check('profile', () => checkProfile(cert, extensions, b));
  check('name', () => checkName(extensions, b.name));
  check('domain', () => {
    need(equal(b.domainID, bytes(pinned.domainID, 'domainID', 32)), 'another domain');
    need(parseName(b.name).domain === pinned.domain, `${b.name} does not lie in ${pinned.domain}`);
  });
  check('epoch', () => need(admits(pinned.schedule, b.epoch) && acceptedAt(b.epoch, now), 'not accepted now'));
  check('time', () => {
    const skew = b.epoch.length < 300n ? b.epoch.length : 300n;
    need(b.notBefore - skew <= BigInt(now) && BigInt(now) <= b.notAfter + skew, 'not valid now');
  });
  check('usage', () => need((b.usage & ROLES[role]) !== 0, `the binding is not for a ${role}`));
  check('signature', () => need(verifyBinding(b, cert.spki, pinned.mpk), 'does not verify'));
  return b;
}
