package agent

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/systemd"
)

// Config of an agent. Dir is needed; the others have defaults.
type Config struct {
	// Dir is the wallet's directory.
	Dir string
	// Plan says what to keep; Apply changes it later.
	Plan Plan
	// Client speaks to the authorities; nil stands for the zero Client.
	Client *dta.Client
	// Clock tells the time; time.Now.
	Clock func() time.Time
	// Logger takes what changes, never a secret; without one it is dropped.
	Logger *slog.Logger
	// Notify is told how the agent is; nil stands for nobody.
	Notify *systemd.Notifier
	// Version of the program, for the metric milagro_build_info.
	Version Version
}

// Version is what a program was built from.
type Version struct {
	Version, Revision, Backend string
}

// Plan says what an agent keeps.
type Plan struct {
	// Domains are pinned if they are not.
	Domains []Domain
	// Names are enrolled if they are not, as far as they have means, and kept.
	Names []Name
	// Scope says whether names are kept that are in the wallet and not in Names.
	Scope Scope
}

// Scope says which names an agent keeps.
type Scope uint8

const (
	// Everything is all that is in the wallet, or will be, and all that is listed.
	Everything Scope = iota
	// Listed is what the plan names, and nothing else.
	Listed
)

// Domain is a trust domain to be pinned.
type Domain struct {
	URL         string // of one of its authorities
	Fingerprint identity.DomainID
}

// Name is a name to be kept.
type Name struct {
	Name identity.Name
	// Purposes to be enrolled for; without means, those that the wallet says.
	Purposes []identity.Purpose
	// Means of enrolment; nil if somebody else enrols it.
	Means Means
}

// check refuses a plan that contradicts itself.
func (p Plan) check() error {
	if p.Scope > Listed {
		return errors.New("scope is none of this package's")
	}
	seen := map[identity.Name]bool{}
	for _, n := range p.Names {
		if seen[n.Name] {
			return fmt.Errorf("%v is listed twice", n.Name)
		}
		seen[n.Name] = true
		if (n.Means == nil) != (len(n.Purposes) == 0) {
			return fmt.Errorf("%v: means of enrolment and purposes belong together", n.Name)
		}
		for _, purpose := range n.Purposes {
			if purpose != identity.Channel && purpose != identity.Decrypt {
				return fmt.Errorf("%v: %w: %q is not enrolled by an agent", n.Name, identity.ErrPurpose, purpose)
			}
		}
	}
	return nil
}

// Only returns the plan for these names alone, with what p says of them.
func (p Plan) Only(names []identity.Name) Plan {
	only := Plan{Domains: p.Domains, Scope: Listed}
	for _, name := range names {
		i := slices.IndexFunc(p.Names, func(n Name) bool { return n.Name == name })
		n := Name{Name: name}
		if i >= 0 {
			n = p.Names[i]
		}
		only.Names = append(only.Names, n)
	}
	return only
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	c.Notify = cmp.Or(c.Notify, &systemd.Notifier{})
	return c
}
