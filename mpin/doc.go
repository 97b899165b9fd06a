// Package mpin is login by a PIN and a device, with nothing to steal at the
// server (spec/mpin.md).
//
// A person's key sA is split when it is issued: α comes from the PIN and is kept
// nowhere, the token T = sA − αA is kept on the device. A login proves, in two
// passes, that whoever is there has both: the client commits to U = xB, the server
// draws a nonce, the client answers V = −(x+y)(T + αA + P_e). The server checks it
// with its key S = s·P2 and learns one bit.
//
// # The client
//
// Stretch makes α of a PIN, Factor.Split the token of verified shares. Begin and
// Attempt.Finish are the two passes of one login.
//
// # The server
//
// ParseCommitment takes U; NewChallenge comes after it; Login.Transcript binds all that
// both sides know; VerifyDevice, and only then Verify or VerifyBatch, judge the
// proof. Counting attempts between the two is the server's duty.
//
// # What stays secret
//
// On the device: PIN, α and the attempt, which live for one login in memory; the
// token and the permits, which lie on its disk; the device key. At the server: S.
//
// The package is a pair of machines: it knows no clock, network or disk.
package mpin
