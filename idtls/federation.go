package idtls

import (
	"errors"
	"fmt"

	"milagro.dev/identity"
)

// Foreign is a domain beside the own one whose members may be peers.
type Foreign struct {
	// Domain is what is known of it, from its verified document.
	Domain *Domain
	// Names are those that the domain may vouch for: it can make a key of any name
	// that it likes, but peers with other names are refused. With none, all are.
	Names []identity.Pattern
}

// Federate returns a Source that shows own's credentials and accepts the peers
// of own's domain, with any of its names, and those of the foreign domains.
// Foreign is called in every handshake and from many goroutines: it must not
// wait for the network, and keep handing out the same *Domain while a document
// stays the same. A foreign domain whose name is that of the own one, or of
// another foreign one with another fingerprint, vouches for nobody: authorizers
// go by names. Of one listed twice the first entry counts. Use the Source as it
// is: wrapped into another type it knows the own domain alone.
func Federate(own Source, foreign func() []Foreign) Source {
	return &federation{own: own, foreign: foreign}
}

type federation struct {
	own     Source
	foreign func() []Foreign
}

func (f *federation) Credential() (*Credential, error) {
	if f.own == nil {
		return nil, errors.New("federation without an own source")
	}
	return f.own.Credential()
}

// realm is a domain as one source knows it.
type realm struct {
	domain *Domain
	own    bool
	names  []identity.Pattern // unless own
	err    error              // why it vouches for nobody
}

// realmOf returns the domain with this fingerprint among those that source
// knows, whose own domain is own. It returns the zero realm if there is none.
func realmOf(source Source, own *Domain, id identity.DomainID) realm {
	if own.ID == id {
		return realm{domain: own, own: true}
	}
	f, ok := source.(*federation)
	if !ok || f.foreign == nil {
		return realm{}
	}
	var found realm
	all := f.foreign()
	for _, x := range all {
		if x.Domain != nil && x.Domain.ID == id {
			found = realm{domain: x.Domain, names: x.Names, err: x.Domain.check()}
			break
		}
	}
	if found.domain == nil || found.err != nil {
		return found
	}
	if found.domain.Name == own.Name {
		found.err = errors.New("a foreign domain bears the name of the own one")
	}
	for _, x := range all {
		if x.Domain != nil && x.Domain.Name == found.domain.Name && x.Domain.ID != id {
			found.err = fmt.Errorf("two foreign domains bear the name %s", x.Domain.Name)
		}
	}
	return found
}

// vouches returns nil iff r may say who bears the name n.
func (r realm) vouches(n identity.Name) error {
	switch {
	case r.err != nil:
		return r.err
	case n.Domain() != r.domain.Name:
		return fmt.Errorf("%v does not lie in %s", n, r.domain.Name)
	case !r.own && !matches(r.names, n):
		return fmt.Errorf("domain %s may vouch here for %s only, not for %v", r.domain.Name, list(r.names), n)
	}
	return nil
}
