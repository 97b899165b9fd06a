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
//	logins/HASH/login                    a person at a login service: which keys are in use
//	logins/HASH/KEY/device.pem           the device key of a login, unless a TPM has it
//	logins/HASH/KEY/token                salt, token and statements of its enrolment
//	logins/HASH/KEY/permit-START-LENGTH  the permit of one epoch
//	logins/HASH/KEY/statement            what the login server said of the last login
//	evidence/DOMAIN/…                    what convicts authorities that lied
//
// Of channel keys and permits those of the previous, the current and the next epoch
// are kept. Every change is atomic and durable: what the wallet said it did is on the
// disk. What does not read back as it was written is named in an error and left
// alone, for somebody to look at.
//
// # What stays secret
//
// Secret are the device keys, the identity keys, tokens and permits. A one-time code
// is secret until it was used. A PIN is nowhere in a wallet, and nothing in it tells
// whether one is right: that takes the login server, which counts.
//
// Several processes may share one directory: each writes under a lock, and a
// Source picks up what another has renewed.
//
// # For keys
//
// Begin with Open, then Pin a domain by its fingerprint, Enrol a name with one
// code from each authority, give its Source to package idtls and run Keep
// beside it.
//
// # For people
//
// Register a name at a login service with one code from each authority and a PIN,
// then Login with the PIN (spec/mpin.md). An application checks what the login server
// states with VerifyStatement.
package wallet
