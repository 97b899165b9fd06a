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

const ABSENT = new Uint8Array(0);

/**
 * @typedef {object} Application what is asked of every authority for one key of a login service
 * @property {import('./document.js').Document} document
 * @property {import('./document.js').DocumentService} service
 * @property {'mpin'|'permit'} purpose
 * @property {string} name
 * @property {Uint8Array|null} epoch 12 bytes; null for mpin
 * @property {Uint8Array} spki 91 bytes
 * @property {import('./device.js').Signer} sign by the device key
 */

/**
 * What one request leaves until its reply comes. It is for memory alone: box opens the reply.
 * @typedef {object} Pending
 * @property {Uint8Array} sealed to be sent, and sent again as it is
 * @property {Uint8Array} requestHash
 * @property {Uint8Array} box
 * @property {Application} application
 * @property {number} index
 */

const sealInfo = (domainID, index, what, rest) => lp('milagro/v1 seal', domainID, u32(index), text(what), rest);

/**
 * Makes the request to one authority.
 * @param {Application} a
 * @param {number} index of the authority
 * @param {number|bigint} time unix seconds
 * @param {(bare: Uint8Array) => Uint8Array|Promise<Uint8Array>} [evidence] makes the evidence, from the hash of the request
 *   without any; none is a renewal
 * @returns {Promise<Pending>}
 */
export async function makeRequest(a, index, time, evidence = () => ABSENT) {
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

/**
 * @typedef {object} Share one authority's verified share of a key
 * @property {number} index
 * @property {Uint8Array} D 48 bytes
 * @property {Uint8Array} generation
 * @property {Uint8Array|null} statement of enrolment, of a first issuance
 */

/**
 * Opens the reply to a request and accepts it as the page says: signed by that authority, of this request in every field,
 * and its share proved, which a point outside the subgroup never is.
 * @param {Pending} p
 * @param {Uint8Array} sealed
 * @returns {Promise<Share>}
 */
export async function openReply({ application: a, index, requestHash, box }, sealed) {
  const { document: d, service } = a;
  const from = d.authorities[index - 1];
  const envelope = await open(box, sealInfo(d.domainID, index, 'reply', requestHash), sealed);
  const reply = decodeReply(openEnvelope(envelope, from.key, 'reply'));
  const own = {
    domainID: d.domainID, generation: service.generation, index, purpose: a.purpose, serviceID: service.serviceID, name: a.name,
    device: deviceHash(a.spki), epoch: a.epoch && epochBytes(a.epoch), requestHash,
  };
  for (const [what, value] of Object.entries(own)) {
    const got = reply[what];
    need(value instanceof Uint8Array ? got instanceof Uint8Array && equal(got, value) : got === value, `reply: another ${what} than was asked for`);
  }
  const { device } = own;
  const subject = { serviceID: own.serviceID, name: a.name, device };
  const point = a.purpose === 'mpin' ? identityPoint('mpin', subject) : identityPoint('permit', { ...subject, epoch: own.epoch });
  const A = encodePoint(point);
  const proved = verifyProof({ ...own, A, X: service.shares[index - 1], D: reply.share }, reply.proof);
  need(proved, `reply: the share of authority ${index} is false`);
  if (reply.statement) checkStatement(reply.statement, from.key, own);
  need(a.purpose !== 'mpin' || reply.statement, 'reply: an enrolment without its statement');
  return { index, D: reply.share, generation: own.generation, statement: reply.statement };
}

function checkStatement(statement, key, own) {
  const e = openEnrolment(statement, key);
  need(
    equal(e.domainID, own.domainID) && equal(e.generation, own.generation) && e.index === own.index && e.purpose === own.purpose &&
      e.serviceID !== null && equal(e.serviceID, own.serviceID) && e.name === own.name && equal(e.device, own.device) && e.channelKind === 0,
    'reply: its statement is about something else',
  );
}

/**
 * @param {Uint8Array} body of a reply of an M-Pin master
 * @returns {{domainID: Uint8Array, generation: Uint8Array, index: number, purpose: string, serviceID: Uint8Array|null, name: string,
 *   device: Uint8Array, epoch: Uint8Array|null, requestHash: Uint8Array, share: Uint8Array, proof: Uint8Array, statement: Uint8Array|null}}
 */
export function decodeReply(body) {
  const [domainID, generation, index, purpose, serviceID, name, device, epoch, requestHash, share, proof, statement] = readLP(
    body, 'milagro/v1 reply', [
      read.id('domainID'), read.generation, read.index, field.text(16, 'purpose'), field.optional(read.id('serviceID')), read.name,
      read.device('device'), field.optional(read.epoch), read.id('request hash'), field.bytes(48, 'share'), field.bytes(64, 'proof'),
      field.optional(field.upTo(8192, 'statement')),
    ],
  );
  return { domainID, generation, index, purpose, serviceID, name, device, epoch, requestHash, share, proof, statement };
}
