// Package dta is the public face of a trust domain: its signed Domain document
// (spec/document.md), and how an applicant asks the Distributed Trust
// Authorities for shares of a key (spec/issuance.md).
//
// Begin with Client.Domain, verify what it returns with the fingerprint that
// you have pinned (Published.Verify), then Client.Apply, which asks every
// authority at once, checks each share, names an authority that lies and
// combines the rest. What comes back holds a private key: keep it as package
// wallet does, or use that package.
package dta
