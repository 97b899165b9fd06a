// Package wallet is the Crypto App: it asks a domain's authorities for the keys
// of a name, keeps them and renews them ahead of time.
//
// # On the disk
//
// A wallet is a directory that only its owner reads:
//
//	domains/DOMAIN/pin                   why it is trusted: its fingerprint
//	domains/DOMAIN/document              the highest document ever verified
//	domains/DOMAIN/watermark             the highest epoch that was in use
//	names/HASH/enrolment                 which name, which device, what for
//	names/HASH/device.pem                the device key, unless a TPM has it
//	names/HASH/PURPOSE-START-LENGTH      the key of one epoch
//	names/HASH/statement_…               what each authority signed on enrolment
//	evidence/DOMAIN/…                    what convicts authorities that lied
//
// Of channel keys those of the previous, the current and the next epoch are
// kept. Every change is atomic and durable: what the wallet said it did is on the
// disk. What does not read back as it was written is named in an error and left
// alone, for somebody to look at.
//
// # What stays secret
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
