// spec/issuance.md "Reply": what an authority answers, when it is accepted, and when it convicts.

import { equal, field, need, readLP } from './encoding.js';
import { decodeDocument, findService, loadDocument } from './document.js';
import { openEnrolment } from './enrolment.js';
import { openEnvelope, readEnvelope } from './envelope.js';
import { epochBytes, read } from './fields.js';
import { encodePoint } from './groups.js';
import { deviceHash, identityPoint } from './identity.js';
import { verifyProof, verifyShare } from './shares.js';
import type { Document } from './document.js';
import type { G1 } from './groups.js';
import type { Request } from './request.js';

/** What an authority answers. */
export interface Reply {
  domainID: Uint8Array;
  /** 40 bytes */
  generation: Uint8Array;
  index: number;
  purpose: string;
  serviceID: Uint8Array | null;
  name: string;
  device: Uint8Array;
  /** 12 bytes; null for mpin */
  epoch: Uint8Array | null;
  requestHash: Uint8Array;
  /** 48 bytes */
  share: Uint8Array;
  /** 64 bytes of an M-Pin master, else none */
  proof: Uint8Array;
  /** of a first issuance */
  statement: Uint8Array | null;
}

/** Of a request, what its reply must repeat. */
export type Asked = Pick<Request, 'domainID' | 'generation' | 'index' | 'purpose' | 'serviceID' | 'name' | 'epoch' | 'spki'>;

/** @param body of a reply */
export function decodeReply(body: Uint8Array): Reply {
  const [domainID, generation, index, purpose, serviceID, name, device, epoch, requestHash, share, proof, statement] = readLP(
    body, 'milagro/v1 reply', [
      read.id('domainID'), read.generation, read.index, field.text(16, 'purpose'), field.optional(read.id('serviceID')), read.name,
      read.device('device'), field.optional(read.epoch), read.id('request hash'), field.bytes(48, 'share'), field.upTo(64, 'proof'),
      field.optional(field.upTo(8192, 'statement')),
    ],
  );
  return { domainID, generation, index, purpose, serviceID, name, device, epoch, requestHash, share, proof, statement };
}

// The identity point that a reply is about.
function pointOf({ domainID, purpose, serviceID, name, device, epoch }: Reply): G1 {
  if (purpose === 'mpin' && serviceID) return identityPoint('mpin', { serviceID, name, device });
  need(epoch, `purpose ${purpose}: without an epoch`);
  if (purpose === 'permit' && serviceID) return identityPoint('permit', { serviceID, name, device, epoch });
  if (purpose === 'channel') return identityPoint('channel', { domainID, name, device, epoch });
  need(purpose === 'decrypt', `purpose "${purpose}": not issued`);
  return identityPoint('decrypt', { domainID, name, epoch });
}

// Whether the share is true under the document. The proof of an M-Pin master refuses a share that is no point, as pairing does.
function shareIsTrue(d: Document, r: Reply): boolean {
  const A = pointOf(r);
  const { serviceID } = r;
  if (!serviceID) return verifyShare(r.share, A, d.authorities[r.index - 1].Y);
  const X = findService(d, serviceID).shares[r.index - 1];
  return verifyProof({ ...r, serviceID, A: encodePoint(A), X, D: r.share }, r.proof);
}

const generationIn = (d: Document, serviceID: Uint8Array | null): Uint8Array => (serviceID ? findService(d, serviceID).generation : d.generation);

/**
 * Accepts a reply as the page says: signed by that authority, of this request in every field, and its share proved, which a point
 * outside the subgroup never is.
 * @param envelope opened with the reply key
 */
export function acceptReply(d: Document, asked: Asked, requestHash: Uint8Array, envelope: Uint8Array): Reply {
  const from = d.authorities[asked.index - 1];
  need(from, `reply: there is no authority ${asked.index}`);
  const reply = decodeReply(openEnvelope(envelope, from.key, 'reply'));
  const { domainID, generation, index, purpose, serviceID, name } = asked;
  const own = { domainID, generation, index, purpose, serviceID, name, device: deviceHash(asked.spki), epoch: asked.epoch && epochBytes(asked.epoch), requestHash };
  for (const [what, value] of Object.entries(own)) {
    const got = reply[what as keyof typeof own];
    need(value instanceof Uint8Array ? got instanceof Uint8Array && equal(got, value) : got === value, `reply: another ${what} than was asked for`);
  }
  need(reply.proof.length === (serviceID ? 64 : 0), 'reply: a proof of another kind of master');
  need(shareIsTrue(d, reply), `reply: the share of authority ${index} is false`);
  if (reply.statement) checkStatement(reply.statement, from.key, reply);
  need(purpose !== 'mpin' || reply.statement, 'reply: an enrolment without its statement');
  return reply;
}

function checkStatement(statement: Uint8Array, key: Uint8Array, own: Reply): void {
  const e = openEnrolment(statement, key);
  const service = own.serviceID ? e.serviceID !== null && equal(e.serviceID, own.serviceID) : e.serviceID === null;
  need(
    service && equal(e.domainID, own.domainID) && equal(e.generation, own.generation) && e.index === own.index && e.purpose === own.purpose &&
      e.name === own.name && equal(e.device, own.device) && e.channelKind === 0,
    'reply: its statement is about something else',
  );
}

/**
 * Judges a false share: the evidence convicts an authority from itself alone, or is refused.
 * @returns the index of the authority
 */
export function judgeFalseShare(evidence: Uint8Array): number {
  const [document, signature, signed] = readLP(evidence, 'milagro/v1 false share', [(p) => p, field.bytes(48, 'signature'), (p) => p]);
  const d = loadDocument({ document, signature }, decodeDocument(document).domainID);
  const { index } = decodeReply(readEnvelope(signed).body);
  const by = d.authorities[index - 1];
  need(by, `false share: there is no authority ${index}`);
  const reply = decodeReply(openEnvelope(signed, by.key, 'reply'));
  need(equal(reply.domainID, d.domainID) && equal(reply.generation, generationIn(d, reply.serviceID)), 'false share: under another master');
  need(!shareIsTrue(d, reply), 'false share: the share is good');
  return index;
}
