// spec/README.md: everything of the pages that this package implements.

export * from './encoding.js';
export * from './groups.js';
export * from './epochs.js';
export * from './identity.js';
export {
  combine, decodeGeneration, decodeMasterShare, encodeGeneration, encodeMasterShare, keyShare, lagrange, prove, split,
  verifyKey, verifyProof, verifyShare, verifyShares,
} from './shares.js';
export type { Generation, Statement as ShareStatement } from './shares.js';
export { sign, verify, verifyBatch } from './ibs.js';
export type { Signer as ChannelSigner } from './ibs.js';
export * from './idtls.js';
export { openEnvelope, readEnvelope, signEnvelope } from './envelope.js';
export * from './device.js';
export * from './document.js';
export { newReplyKey, open, publicKeyOf, seal } from './hpke.js';
export * from './pin.js';
export * from './mpin.js';
export { Attempt, loginKey } from './mpin-client.js';
export type { Factors, Login } from './mpin-client.js';
export * from './mpin-server.js';
export * from './mpin-messages.js';
export * from './enrolment.js';
export * from './issuance.js';
export * from './reply.js';
export { openRequestAt, openSealedReply, openSealedRequest, sealReply, sealRequest, verifyTime } from './sealed-request.js';
export * from './registration.js';
export * from './code.js';
export * from './plan.js';
export * from './ceremony.js';
export * from './dealing.js';
export * from './blame.js';
export * from './first-document.js';
export * from './revocations.js';
export { gather, TooFewShares } from './applicant.js';
export type { Asking, Evidence, Outcome } from './applicant.js';
export { caller, Problem } from './problem.js';
export type { Answer, Call } from './problem.js';
export { Client, NotEnrolled } from './client.js';
export type { Asker, ChangingPIN, Device, Enrolling, Invitation, Options, SignedIn, Stretch } from './client-types.js';
export { memoryStore, openStore } from './store.js';
export type { Store } from './store.js';
export { workerStretcher } from './stretcher.js';
export { Bound, NotConfirmed } from './authenticator.js';
export type { Authenticator, Binding as AuthenticatorBinding } from './authenticator.js';
export { Damaged } from './vault.js';
export { platformAuthenticator } from './webauthn.js';
export * from './request.js';
export * from './server-key.js';
export * from './statement.js';
