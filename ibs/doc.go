// Package ibs signs with a name's channel key and verifies with nothing but
// the name and the domain's public master: identity-based signatures after Cha
// and Cheon (spec/ibs.md).
//
// The private key stays with its owner; a signature tells nothing of it.
// Begin with Sign and Verify. VerifyBatch checks many signatures for little
// more than the price of two.
package ibs
