// Package keys holds the keys of a trust domain and their proofs
// (spec/shares.md): the public Master, the MasterShare that one authority
// keeps, the Share of an applicant's key that it gives, and the Private key
// that any t verified shares combine to.
//
// A MasterShare never leaves its authority and a Private key never leaves its
// applicant. Both print as [redacted], do not compare with == and do not
// marshal; Expose is for sealing them, and for nothing else.
//
// Begin, as an applicant, with Share.Verify and Combine; as an authority, with
// MasterShare.Issue.
package keys
