package idtls

import (
	"fmt"
	"slices"
	"strings"

	"milagro.dev/identity"
)

// Authorizer returns nil iff the peer is welcome. It is the last check of a
// handshake, after everything in the Peer was verified and before the peer has
// proved that it holds the key of its leaf: it decides and does nothing else.
// Its error is for the own log; the peer sees an alert.
type Authorizer func(Peer) error

// Exactly welcomes the peers with one of these names, and nobody if there are none.
func Exactly(names ...identity.Name) Authorizer {
	names = slices.Clone(names)
	return func(p Peer) error {
		if slices.Contains(names, p.Name) {
			return nil
		}
		return fmt.Errorf("%v is not welcome here, only %s", p.Name, list(names))
	}
}

// Member welcomes every peer whose name lies in the domain of this name.
func Member(domain string) Authorizer {
	return func(p Peer) error {
		if p.Name.Domain() == domain {
			return nil
		}
		return fmt.Errorf("%v is not welcome here, only names of %s", p.Name, domain)
	}
}

// Matching welcomes the peers whose name one of these patterns matches, and
// nobody if there are none.
func Matching(patterns ...identity.Pattern) Authorizer {
	patterns = slices.Clone(patterns)
	return func(p Peer) error {
		if matches(patterns, p.Name) {
			return nil
		}
		return fmt.Errorf("%v is not welcome here, only %s", p.Name, list(patterns))
	}
}

// AnyOf welcomes the peers that one of these authorizers welcomes, and nobody
// if there are none. It asks them in their order and no further than the first
// that does; one that is nil welcomes nobody.
func AnyOf(authorizers ...Authorizer) Authorizer {
	authorizers = slices.Clone(authorizers)
	return func(p Peer) error {
		var refused error
		for _, authorize := range authorizers {
			if authorize == nil {
				continue
			}
			switch err := authorize(p); {
			case err == nil:
				return nil
			case refused == nil:
				refused = err
			default:
				refused = fmt.Errorf("%w; %w", refused, err)
			}
		}
		if refused == nil {
			return fmt.Errorf("%v is not welcome here, only nobody", p.Name)
		}
		return refused
	}
}

func matches(patterns []identity.Pattern, n identity.Name) bool {
	return slices.ContainsFunc(patterns, func(p identity.Pattern) bool { return p.Match(n) })
}

func list[T fmt.Stringer](all []T) string {
	if len(all) == 0 {
		return "nobody"
	}
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = one.String()
	}
	return strings.Join(texts, ", ")
}
