// Package wallet is the Crypto App: it asks a domain's authorities for the keys
// of a name, keeps them and renews them ahead of time.
//
// A wallet is a directory that only its owner reads. In it lie the domains that
// were pinned, each with the highest document ever verified; for each name its
// device key (unless that lives in a TPM), its enrolment, and the keys of the
// previous, the current and the next epoch; and evidence against authorities
// that lied. Any file may be lost to a crash only before it was of use: what
// the wallet said it did is on the disk. What does not read back as it was
// written is named in an error and left alone, for somebody to look at.
//
// Secret are the device key and the identity keys. A one-time code is secret
// until it was used.
//
// Several processes may share one directory: each writes under a lock, and a
// Source picks up what another has renewed.
//
// Begin with Open, then Pin a domain by its fingerprint, Enrol a name with one
// code from each authority, give its Source to package idtls and run Keep
// beside it.
package wallet
