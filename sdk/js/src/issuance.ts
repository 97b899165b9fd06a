// spec/issuance.md "Request" and "Reply": the side of the applicant.

import { randomBytes } from '@noble/hashes/utils.js';
import { bytes, equal, field, H, lp, need, readLP, text, u32, u64 } from './encoding.js';
import { openEnvelope } from './envelope.js';
import { epochBytes, read } from './fields.js';
import { encodePoint } from './groups.js';
import { newReplyKey, open, seal } from './hpke.js';
import { deviceHash, identityPoint } from './identity.js';
import { bareHash, encodeRequest } from './request.js';
import { openEnrolment } from './enrolment.js';
import { verifyProof } from './shares.js';
import type { Document, DocumentService } from './document.js';
import type { Signer } from './device.js';

const ABSENT = new Uint8Array(0);

/** what is asked of every authority for one key of a login service */
export interface Application {
  document: Document;
  service: DocumentService;
  purpose: 'mpin' | 'permit';
  name: string;
  /** 12 bytes; null for mpin */
  epoch: Uint8Array | null;
  /** 91 bytes */
  spki: Uint8Array;
  /** by the device key */
  sign: Signer;
}

/** What one request leaves until its reply comes. It is for memory alone: box opens the reply. */
export interface Pending {
  /** to be sent, and sent again as it is */
  sealed: Uint8Array;
  requestHash: Uint8Array;
  box: Uint8Array;
  application: Application;
  index: number;
}

const sealInfo = (domainID: Uint8Array, index: number, what: string, rest: Uint8Array): Uint8Array =>
  lp('milagro/v1 seal', domainID, u32(index), text(what), rest);

/** Makes the evidence for one request, from the hash of the request without any. */
export type OwnEvidence = (bare: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/**
 * Makes the request to one authority.
 * @param index of the authority
 * @param time unix seconds
 * @param evidence none is a renewal
 */
export async function makeRequest(a: Application, index: number, time: number | bigint, evidence: OwnEvidence = () => ABSENT): Promise<Pending> {
  const to = a.document.authorities[index - 1];
  need(to, `request: there is no authority ${index}`);
  const { box, publicKey } = newReplyKey();
  const { domainID } = a.document;
  const request = {
    domainID, generation: a.service.generation, index, purpose: a.purpose, serviceID: a.service.serviceID, name: a.name,
    epoch: a.epoch, channelKind: 0, spki: a.spki, replyKey: publicKey, time, nonce: randomBytes(32), evidenceHash: H(ABSENT),
  };
  const shown = await evidence(bareHash(encodeRequest(request)));
  const body = encodeRequest({ ...request, evidenceHash: H(shown) });
  const signature = bytes(await a.sign(body), 'device signature', 64);
  const plaintext = lp('milagro/v1 signed request', body, shown, signature);
  const inner = await seal(to.hpke, sealInfo(domainID, index, 'request', u64(time)), plaintext);
  const sealed = lp('milagro/v1 sealed request', domainID, u32(index), u64(time), inner);
  return { sealed, requestHash: H(body), box, application: a, index };
}

/** one authority's verified share of a key */
export interface Share {
  index: number;
  /** 48 bytes */
  D: Uint8Array;
  generation: Uint8Array;
  /** of enrolment, of a first issuance */
  statement: Uint8Array | null;
}

// What a reply must repeat of its request.
type Own = Omit<Reply, 'serviceID' | 'share' | 'proof' | 'statement'> & { serviceID: Uint8Array };

/**
 * Opens the reply to a request and accepts it as the page says: signed by that authority, of this request in every field,
 * and its share proved, which a point outside the subgroup never is.
 */
export async function openReply({ application: a, index, requestHash, box }: Pending, sealed: Uint8Array): Promise<Share> {
  const { document: d, service } = a;
  const from = d.authorities[index - 1];
  const envelope = await open(box, sealInfo(d.domainID, index, 'reply', requestHash), sealed);
  const reply = decodeReply(openEnvelope(envelope, from.key, 'reply'));
  const own: Own = {
    domainID: d.domainID, generation: service.generation, index, purpose: a.purpose, serviceID: service.serviceID, name: a.name,
    device: deviceHash(a.spki), epoch: a.epoch && epochBytes(a.epoch), requestHash,
  };
  for (const [what, value] of Object.entries(own)) {
    const got = reply[what as keyof typeof own];
    need(value instanceof Uint8Array ? got instanceof Uint8Array && equal(got, value) : got === value, `reply: another ${what} than was asked for`);
  }
  const subject = { serviceID: own.serviceID, name: a.name, device: own.device };
  const A = encodePoint(own.epoch ? identityPoint('permit', { ...subject, epoch: own.epoch }) : identityPoint('mpin', subject));
  const proved = verifyProof({ ...own, A, X: service.shares[index - 1], D: reply.share }, reply.proof);
  need(proved, `reply: the share of authority ${index} is false`);
  if (reply.statement) checkStatement(reply.statement, from.key, own);
  need(a.purpose !== 'mpin' || reply.statement, 'reply: an enrolment without its statement');
  return { index, D: reply.share, generation: own.generation, statement: reply.statement };
}

function checkStatement(statement: Uint8Array, key: Uint8Array, own: Own): void {
  const e = openEnrolment(statement, key);
  need(
    equal(e.domainID, own.domainID) && equal(e.generation, own.generation) && e.index === own.index && e.purpose === own.purpose &&
      e.serviceID !== null && equal(e.serviceID, own.serviceID) && e.name === own.name && equal(e.device, own.device) && e.channelKind === 0,
    'reply: its statement is about something else',
  );
}

/** What an authority answers of an M-Pin master. */
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
  /** 64 bytes */
  proof: Uint8Array;
  /** of enrolment */
  statement: Uint8Array | null;
}

/** @param body of a reply of an M-Pin master */
export function decodeReply(body: Uint8Array): Reply {
  const [domainID, generation, index, purpose, serviceID, name, device, epoch, requestHash, share, proof, statement] = readLP(
    body, 'milagro/v1 reply', [
      read.id('domainID'), read.generation, read.index, field.text(16, 'purpose'), field.optional(read.id('serviceID')), read.name,
      read.device('device'), field.optional(read.epoch), read.id('request hash'), field.bytes(48, 'share'), field.bytes(64, 'proof'),
      field.optional(field.upTo(8192, 'statement')),
    ],
  );
  return { domainID, generation, index, purpose, serviceID, name, device, epoch, requestHash, share, proof, statement };
}
