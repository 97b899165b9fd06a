// Package idtls is TLS 1.3 between names: both ends prove who they are with
// keys of their trust domain, and no certificate authority, chain or bundle is
// involved (spec/idtls.md).
//
// # How it works
//
// crypto/tls runs unchanged. Each process makes a self-signed P-256 leaf whose
// one extension of ours, the binding, says which name, device and epoch the
// leaf speaks for, signed with the identity key of that name. Whoever knows the
// domain's public master verifies it; nothing else is asked for. Connections are
// watched: one whose peer is revoked, or whose peer's epoch has passed, is cut off.
//
// # What the caller brings
//
// A Source that hands out the current Credential: the wallet is one. An
// Authorizer that says which peers are welcome: it has no default, because a
// proof of a name is not yet a permission.
//
// # What stays secret
//
// Credential.Key, the identity key of the epoch. The key of the leaf never
// leaves the process that made it.
//
// Begin with Dial and Listen, with Transport and Server for HTTP, or with
// ClientConfig and ServerConfig for everything else that takes a *tls.Config.
package idtls
