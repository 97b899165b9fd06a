package idtls

import (
	"crypto/tls"
	"fmt"
	"sync"

	"milagro.dev/identity"
	"milagro.dev/keys"
)

// SuiteIdentityKey is suite 1: the identity key itself signs the binding. It
// is the only suite so far.
const SuiteIdentityKey uint8 = 1

// Domain is what a verifier knows of its trust domain, taken from a verified
// domain document. It remembers which bindings it has verified: keep one *Domain
// for as long as the document stays the same, and change no field once a
// handshake has used it. A Domain is safe for concurrent use and not to be copied.
type Domain struct {
	// ID is the fingerprint that was pinned: that of Name and Master.
	ID identity.DomainID
	// Name is the domain name that every member's name lies in.
	Name string
	// Master is the public master key of the domain.
	Master keys.Master
	// Schedule is that of purpose channel.
	Schedule identity.Schedule
	// Suites are those that the document allows.
	Suites []uint8
	// Watermark is the highest epoch seen of purpose channel. It is raised by
	// the epochs of own credentials, never by what a peer shows. It may be nil.
	Watermark *identity.Watermark
	// Revoked reports whether a peer is on the deny list. It is called during
	// handshakes, so it must neither block nor change anything. It may be nil.
	Revoked func(Peer) bool

	once    sync.Once
	err     error
	proved  proved
	watches watches
}

// check returns an error if d contradicts itself, which no verified document does.
func (d *Domain) check() error {
	d.once.Do(func() { d.err = d.consistent() })
	return d.err
}

func (d *Domain) consistent() error {
	id, err := identity.NewDomainID(d.Name, d.Master.Point())
	if err != nil {
		return err
	}
	if id != d.ID {
		return fmt.Errorf("domain %s: its name and master give the fingerprint %v, not %v", d.Name, id, d.ID)
	}
	return d.Schedule.Check()
}

// Credential is a name's own key of one epoch and the domain in which it holds.
// The first handshake makes its leaf, which later ones share: hand out the same
// *Credential until another takes its place, do not copy it, and erase Key only
// after that.
type Credential struct {
	Name   identity.Name
	Device identity.DeviceHash
	Epoch  identity.Epoch
	Key    keys.Private
	Domain *Domain

	once sync.Once
	leaf *tls.Certificate
	err  error
}

// Source hands out the current Credential. It is called in every handshake,
// twice and from many goroutines, so it must not wait for the network; when
// epochs pass it hands out the next one.
type Source interface {
	Credential() (*Credential, error)
}

// Peer is who is at the other end of a connection.
type Peer struct {
	Name   identity.Name
	Device identity.DeviceHash
	Epoch  identity.Epoch
	Domain identity.DomainID
}
