// Package bridge serves programs that speak only X.509: short-lived X.509-SVIDs
// (SPIFFE) for the hop between a program and its own sidecar, over the SPIFFE
// Workload API on a unix socket (doc/bridge.md).
//
// # How it works
//
// A Bridge has one certificate authority for each trust domain. Its key is made
// in memory, never leaves it, and is trusted on this hop by who fetched this
// bridge's bundle and by nobody else. An SVID for a name is made only while the
// name's identity key holds, and ends no later than that.
//
// # What stays secret
//
// The authority's key is in no API, log or file. The key of an SVID belongs to
// the program that fetched it; the bridge keeps no copy.
//
// Begin with New and Serve in the sidecar, ServerTLS and ClientTLS for its side of
// the hop, and Fetch or Watch in a program that wants files.
//
// This is the only package that imports grpc and go-spiffe (doc/adr/0006).
package bridge
