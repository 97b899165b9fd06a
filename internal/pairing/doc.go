// Package pairing is the arithmetic of BLS12-381 that Milagro stands on, and the
// only package that imports a curve library (spec/groups.md).
//
// # Two backends
//
// With cgo the package runs on blst: C and assembly, fast, constant time. Without
// it runs on circl: pure Go, constant time, slower. The build tag cgo chooses and
// Backend tells which; both give the same bytes for every operation, which one
// committed digest shows. Whoever writes a main function calls Check first.
//
// # The wall between secret and public
//
// Scalar, G1 and G2 are public values. Secret and SecretG1 are secret ones: a
// master, a share, a nonce, a key. The operations that are fast because their
// time depends on their input take public types only, so handing them a secret
// does not compile. Secrets do not compare with ==, print as [redacted] even
// inside another struct, and refuse to be marshalled. They leave by two doors
// with names that a reviewer can search for: Expose gives the bytes to be sealed,
// Publish says that the value is secret no longer.
//
// # Points from outside
//
// ParseG1, ParseG2 and ParseSecretG1 are the only decoders. What they return is
// in the subgroup of order r and not the identity, so nothing behind them checks
// again. The zero value of a point is the identity and that of a scalar is 0.
package pairing
