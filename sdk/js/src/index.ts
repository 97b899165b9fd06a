// spec/README.md: everything of the pages that this package implements.

export * from './encoding.js';
export * from './groups.js';
export * from './epochs.js';
export * from './identity.js';
export {
  combine, decodeGeneration, decodeMasterShare, encodeGeneration, encodeMasterShare, keyShare, lagrange, prove, split,
  verifyKey, verifyProof, verifyShare, verifyShares,
} from './shares.js';
export { sign, verify, verifyBatch } from './ibs.js';
export * from './idtls.js';
export { openEnvelope, readEnvelope, signEnvelope } from './envelope.js';
export * from './device.js';
export * from './document.js';
export { newReplyKey, open, seal } from './hpke.js';
export * from './pin.js';
export * from './mpin.js';
export { Attempt, loginKey } from './mpin-client.js';
export * from './mpin-server.js';
export * from './mpin-messages.js';
export * from './enrolment.js';
export * from './issuance.js';
export { gather, TooFewShares } from './applicant.js';
export { caller, Problem } from './problem.js';
export { Client, NotEnrolled } from './client.js';
export { memoryStore, openStore } from './store.js';
export { workerStretcher } from './stretcher.js';
export * from './request.js';
export * from './server-key.js';
export * from './statement.js';
