package identity

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcutil/bech32"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
)

// fingerprintPrefix is the human-readable part of a DomainID in bech32m.
const fingerprintPrefix = "milagro"

// ErrFingerprint is wrapped by every refusal of a domain's fingerprint.
var ErrFingerprint = errors.New("not a domain fingerprint")

// DomainID is what a client pins: the hash of a domain's name and public
// master, 32 bytes (spec/identity.md "Domains and services"). It never changes
// while the domain lives and compares with ==, always whole.
type DomainID [32]byte

// NewDomainID returns the identity of the domain with this name and this
// public master. The error wraps ErrName.
func NewDomainID(domain string, master pairing.G2) (DomainID, error) {
	if err := checkDomain(domain); err != nil {
		return DomainID{}, err
	}
	return sha256.Sum256(encoding.LP("milagro/v1 domain", []byte(domain), master.Bytes())), nil
}

// ParseDomainID reads the bech32m text of String; an error wraps
// ErrFingerprint and says what to check.
func ParseDomainID(s string) (DomainID, error) {
	prefix, words, version, err := bech32.DecodeGeneric(s)
	if err != nil || version != bech32.VersionM {
		return DomainID{}, fmt.Errorf("%w: %q is mistyped or cut", ErrFingerprint, s)
	}
	if prefix != fingerprintPrefix {
		return DomainID{}, fmt.Errorf("%w: begins with %q, not %q", ErrFingerprint, prefix, fingerprintPrefix)
	}
	b, err := bech32.ConvertBits(words, 5, 8, false)
	if err != nil || len(b) != 32 {
		return DomainID{}, fmt.Errorf("%w: does not hold 32 bytes", ErrFingerprint)
	}
	id := DomainID(b)
	if id.String() != s {
		return DomainID{}, fmt.Errorf("%w: is not written in lower case", ErrFingerprint)
	}
	return id, nil
}

// String returns the fingerprint as people see it: bech32m with the prefix
// milagro, 66 characters.
func (id DomainID) String() string {
	words, err := bech32.ConvertBits(id[:], 8, 5, true)
	if err != nil {
		panic("identity: bech32 of 32 bytes: " + err.Error())
	}
	s, err := bech32.EncodeM(fingerprintPrefix, words)
	if err != nil {
		panic("identity: bech32 of 32 bytes: " + err.Error())
	}
	return s
}

// MarshalText returns the text of String.
func (id DomainID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseDomainID.
func (id *DomainID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseDomainID(string(b))
	return err
}

// ServiceID identifies an M-Pin service of a domain: 32 bytes; the zero value
// is no service.
type ServiceID [32]byte

// NewServiceID returns the identity of the M-Pin service with this name and
// this M-Pin master in the domain.
func NewServiceID(domain DomainID, service string, master pairing.G1) ServiceID {
	return sha256.Sum256(encoding.LP("milagro/v1 mpin service", domain[:], []byte(service), master.Bytes()))
}
