// spec/issuance.md "Request" and "Reply": the side of the applicant.

import { randomBytes } from '@noble/hashes/utils.js';
import { bytes, H, lp, need } from './encoding.js';
import { newReplyKey } from './hpke.js';
import { acceptReply } from './reply.js';
import { bareHash, encodeRequest } from './request.js';
import { openSealedReply, sealRequest } from './sealed-request.js';
import type { Document, DocumentService } from './document.js';
import type { Signer } from './device.js';

const ABSENT = new Uint8Array(0);

/** What is asked of every authority for one key of a login service. */
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
  const sealed = await sealRequest({ domainID, index, time }, to.hpke, lp('milagro/v1 signed request', body, shown, signature));
  return { sealed, requestHash: H(body), box, application: a, index };
}

/** One authority's verified share of a key. */
export interface Share {
  index: number;
  /** 48 bytes */
  D: Uint8Array;
  generation: Uint8Array;
  /** of enrolment, of a first issuance */
  statement: Uint8Array | null;
}

/** Opens the reply to a request, and accepts it as acceptReply does. */
export async function openReply({ application: a, index, requestHash, box }: Pending, sealed: Uint8Array): Promise<Share> {
  const { document: d, service } = a;
  const envelope = await openSealedReply({ domainID: d.domainID, index }, requestHash, box, sealed);
  const asked = { ...a, domainID: d.domainID, generation: service.generation, index, serviceID: service.serviceID };
  const { share, statement } = acceptReply(d, asked, requestHash, envelope);
  return { index, D: share, generation: service.generation, statement };
}
