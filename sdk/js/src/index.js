// spec/README.md: everything of the pages that this package implements.

export * from './encoding.js';
export * from './groups.js';
export * from './identity.js';
export {
  combine, decodeGeneration, decodeMasterShare, encodeGeneration, encodeMasterShare, keyShare, lagrange, prove, split,
  verifyKey, verifyProof, verifyShare, verifyShares,
} from './shares.js';
export { sign, verify, verifyBatch } from './ibs.js';
