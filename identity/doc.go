// Package identity says who a key is for: a name, a device, an epoch, a
// purpose, each with one spelling and one canonical encoding, and the point
// of the curve that they hash to (spec/identity.md).
//
// Nothing in it is secret and nothing in it knows the time: an Epoch is a
// number, and who has a clock passes the time as unix seconds.
//
// Begin with ParseName and ParseDomainID; a Key with all its fields gives its
// identity point by Key.Point.
package identity
