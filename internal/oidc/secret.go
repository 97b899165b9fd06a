package oidc

import (
	"crypto/rand"
	"crypto/sha256"
)

// secret is what a client or a browser shows: 256 random bits. The database has its
// digest.
type secret [32]byte

type digest [sha256.Size]byte

func newSecret() (s secret) {
	rand.Read(s[:])
	return s
}

// String returns the secret in base64url.
func (s secret) String() string { return encode(s[:]) }

func (s secret) digest() digest { return digestOf(s.String()) }

// digestOf returns the digest of what was shown, whatever it is.
func digestOf(shown string) digest { return sha256.Sum256([]byte(shown)) }
