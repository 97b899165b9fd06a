package dta

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/keys"
)

// suiteIdentityKey is the only identity TLS suite of a first document.
const suiteIdentityKey = 1

// FirstDocument returns the document of revision 1 that follows, byte for
// byte, from a plan and the certificate of its ceremony: who signed the plan
// has agreed to it. An error wraps ErrDocument.
func FirstDocument(plan *dkg.Plan, certificate *dkg.Certificate) (*Document, error) {
	if plan.Kind() != dkg.Public {
		return nil, fmt.Errorf("%w: a ceremony of kind %s makes no domain", ErrDocument, plan.Kind())
	}
	master, err := keys.ParseMaster(certificate.MasterBytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	f := Fields{Domain: plan.Domain(), Master: master, Revision: 1, Threshold: uint32(plan.Threshold()),
		Generation: certificate.Generation(), Schedules: map[identity.Purpose]identity.Schedule{},
		Suites: []byte{suiteIdentityKey}, Flags: plan.Flags()}
	for _, s := range plan.Schedules() {
		f.Schedules[s.Purpose] = identity.Schedule{Length: s.Length}
	}
	public := certificate.Public()
	for i, card := range plan.Cards() {
		f.Authorities = append(f.Authorities, Authority{Index: uint32(i + 1), Name: card.Name, URL: card.URL,
			Ed25519: card.Ed25519, HPKE: card.HPKE, Public: public[i]})
	}
	return NewDocument(f)
}

// NextDocument returns the document that follows, byte for byte, from the current
// one, a plan for an M-Pin service and the certificate of its ceremony: the next
// revision, with the service added. Who signed the plan has agreed to it. An error
// wraps ErrDocument and says what does not fit.
func NextDocument(current *Document, plan *dkg.Plan, certificate *dkg.Certificate) (*Document, error) {
	card, err := FitsPlan(current, plan)
	if err != nil {
		return nil, err
	}
	master, err := keys.ParsePinMaster(certificate.MasterBytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	f := current.fields
	hash := current.Hash()
	f.Revision, f.Predecessor = f.Revision+1, hash[:]
	f.Services = append(slices.Clone(f.Services), Service{Name: card.Service, Master: master, Generation: certificate.Generation(),
		Origin: card.Origin, LoginKey: card.Ed25519, Public: certificate.PublicPin()})
	slices.SortFunc(f.Services, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	f.Schedules = maps.Clone(f.Schedules)
	f.Schedules[identity.Permit] = permits(current, plan)
	return NewDocument(f)
}

// permits returns the epochs of purpose permit that the domain has, or else the
// plan's.
func permits(current *Document, plan *dkg.Plan) identity.Schedule {
	if s, ok := current.Schedule(identity.Permit); ok {
		return s
	}
	return identity.Schedule{Length: plan.Schedules()[0].Length}
}

// FitsPlan returns an error that wraps ErrDocument unless plan makes the master
// of a new M-Pin service for the domain just as current describes it; and the card
// of the service's login server.
func FitsPlan(current *Document, plan *dkg.Plan) (*LoginCard, error) {
	s := plan.Service()
	if s == nil {
		return nil, fmt.Errorf("%w: a ceremony of kind %s makes no login service", ErrDocument, plan.Kind())
	}
	card, err := ParseLoginCard(s.LoginKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	_, exists := current.Service(s.Name)
	permit, has := current.Schedule(identity.Permit)
	switch {
	case s.DomainID != current.ID() || plan.Domain() != current.Domain():
		err = fmt.Errorf("the plan is for domain %v", s.DomainID)
	case s.Revision != current.Revision() || s.DocumentHash != current.Hash():
		err = fmt.Errorf("the plan is for the document of revision %d, served is %d", s.Revision, current.Revision())
	case exists:
		err = fmt.Errorf("the domain has a service %s", s.Name)
	case card.Service != s.Name || card.Origin != s.Origin:
		err = errors.New("the login server's card is for another service or origin")
	case plan.Threshold() != current.Threshold():
		err = fmt.Errorf("the plan's threshold is %d, the domain's %d", plan.Threshold(), current.Threshold())
	case len(plan.Flags()) > 0:
		err = errors.New("a plan for a service has no flags")
	case has && permit.Length != plan.Schedules()[0].Length:
		err = fmt.Errorf("the plan's epochs of purpose permit last %d s, the domain's %d s", plan.Schedules()[0].Length, permit.Length)
	default:
		err = sameAuthorities(current, plan)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return card, nil
}

func sameAuthorities(current *Document, plan *dkg.Plan) error {
	cards := plan.Cards()
	if len(cards) != len(current.fields.Authorities) {
		return fmt.Errorf("the plan has %d authorities, the domain %d", len(cards), len(current.fields.Authorities))
	}
	for i, a := range current.fields.Authorities {
		c := cards[i]
		if a.Name != c.Name || a.URL != c.URL || !a.Ed25519.Equal(c.Ed25519) || !bytes.Equal(a.HPKE.Bytes(), c.HPKE.Bytes()) {
			return fmt.Errorf("the plan's authority %d is not the domain's", i+1)
		}
	}
	return nil
}
