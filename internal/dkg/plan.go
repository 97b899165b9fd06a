package dkg

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

const (
	// MaxAuthorities is the greatest n.
	MaxAuthorities = 16
	// MaxPlan is the greatest length of a plan, in bytes.
	MaxPlan = 40 << 10

	planLabel = "milagro/v1 plan"
	maxText   = 512
	maxList   = 16
)

// ErrPlan is wrapped by every refusal of a plan.
var ErrPlan = errors.New("plan refused")

// Terms are what a plan fixes; spec/ceremony.md "Plan" has their order.
type Terms struct {
	Kind      Kind
	Domain    string
	Threshold uint32
	Schedules []Schedule // in order of purpose
	Flags     []string   // in order
	Cards     []*Card    // authority i is Cards[i−1]
	Service   *Service   // of an M-Pin master, else nil
}

// Schedule is the length, in seconds, of the epochs of one purpose.
type Schedule struct {
	Purpose identity.Purpose
	Length  uint32
}

// Service is the login service that an M-Pin master is for.
type Service struct {
	DomainID     identity.DomainID
	Name         string
	Origin       string
	LoginKey     []byte
	Revision     uint64 // of the domain document
	DocumentHash [32]byte
}

// Plan is what all authorities sign before a ceremony begins: it says who
// takes part and what is made. Its exact bytes are its identity.
type Plan struct {
	terms Terms
	bytes []byte
}

// NewPlan encodes terms and parses the result; an error wraps ErrPlan.
func NewPlan(t Terms) (*Plan, error) { return ParsePlan(t.encode()) }

// ParsePlan reads the exact bytes of a plan; an error wraps ErrPlan.
func ParsePlan(b []byte) (*Plan, error) {
	if len(b) > MaxPlan {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrPlan, MaxPlan)
	}
	t, err := decodeTerms(b)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	return &Plan{terms: t, bytes: slices.Clone(b)}, nil
}

// Bytes returns the exact bytes that were parsed.
func (p *Plan) Bytes() []byte { return slices.Clone(p.bytes) }

// Hash returns SHA-256 of the exact bytes.
func (p *Plan) Hash() [32]byte { return sha256.Sum256(p.bytes) }

// Kind returns what is made.
func (p *Plan) Kind() Kind { return p.terms.Kind }

// Domain returns the domain's name.
func (p *Plan) Domain() string { return p.terms.Domain }

// Threshold returns t.
func (p *Plan) Threshold() int { return int(p.terms.Threshold) }

// Size returns n.
func (p *Plan) Size() int { return len(p.terms.Cards) }

// Schedules returns the lengths of the epochs.
func (p *Plan) Schedules() []Schedule { return slices.Clone(p.terms.Schedules) }

// Flags returns what the domain will state of itself.
func (p *Plan) Flags() []string { return slices.Clone(p.terms.Flags) }

// Cards returns the authorities' cards; authority i has Cards()[i−1].
func (p *Plan) Cards() []*Card { return slices.Clone(p.terms.Cards) }

// Service returns the login service of an M-Pin master, else nil.
func (p *Plan) Service() *Service { return p.terms.Service }

// IndexOf returns the index of the authority with this card, or 0.
func (p *Plan) IndexOf(card *Card) uint32 {
	at := slices.IndexFunc(p.terms.Cards, func(c *Card) bool { return slices.Equal(c.bytes, card.bytes) })
	return uint32(at + 1)
}

// card returns the card of authority index, or nil.
func (p *Plan) card(index uint32) *Card {
	if index < 1 || int(index) > len(p.terms.Cards) {
		return nil
	}
	return p.terms.Cards[index-1]
}

// Warnings returns what an operator should think about before signing.
func (p *Plan) Warnings() []string {
	if p.Threshold() == p.Size() {
		return []string{fmt.Sprintf("t = n = %d: if one authority is lost for good, no key is ever issued again; keep backups", p.Size())}
	}
	return nil
}

func (t Terms) encode() []byte {
	var schedules, flags, cards [][]byte
	for _, s := range t.Schedules {
		schedules = append(schedules, encoding.List([]byte(s.Purpose), encoding.U32(s.Length)))
	}
	for _, f := range t.Flags {
		flags = append(flags, []byte(f))
	}
	for _, c := range t.Cards {
		cards = append(cards, c.bytes)
	}
	return encoding.LP(planLabel, []byte(t.Kind), []byte(t.Domain), t.Service.encode(), encoding.U32(t.Threshold),
		encoding.U32(uint32(len(t.Cards))), encoding.List(schedules...), encoding.List(flags...), encoding.List(cards...))
}

func (s *Service) encode() []byte {
	if s == nil {
		return nil
	}
	return encoding.List(s.DomainID[:], []byte(s.Name), []byte(s.Origin), s.LoginKey, encoding.U64(s.Revision), s.DocumentHash[:])
}

func decodeTerms(b []byte) (Terms, error) {
	r := encoding.Open(b, planLabel)
	t := Terms{Kind: Kind(r.String(maxText)), Domain: r.String(maxText)}
	t.Service = decodeService(r, r.Bytes(MaxCard))
	t.Threshold = r.U32()
	n := r.U32()
	for _, b := range r.List(maxList, maxText) {
		inner := encoding.OpenList(b)
		t.Schedules = append(t.Schedules, Schedule{identity.Purpose(inner.String(maxText)), inner.U32()})
		r.Fail(inner.Close())
	}
	for _, b := range r.List(maxList, maxName) {
		t.Flags = append(t.Flags, string(b))
	}
	for _, b := range r.List(MaxAuthorities, MaxCard) {
		card, err := ParseCard(b)
		r.Fail(err)
		t.Cards = append(t.Cards, card)
	}
	if int(n) != len(t.Cards) {
		r.Fail(fmt.Errorf("%d cards where n is %d", len(t.Cards), n))
	}
	return t, r.Close()
}

func decodeService(outer *encoding.Reader, b []byte) *Service {
	if len(b) == 0 {
		return nil
	}
	r := encoding.OpenList(b)
	s := &Service{DomainID: identity.DomainID(r.Fixed(32)), Name: r.String(maxText), Origin: r.String(maxText),
		LoginKey: r.Bytes(MaxCard), Revision: r.U64(), DocumentHash: [32]byte(r.Fixed(32))}
	outer.Fail(r.Close())
	return s
}

func (t Terms) check() error {
	if err := identity.CheckDomain(t.Domain); err != nil {
		return err
	}
	switch {
	case t.Kind != Public && t.Kind != Pin:
		return fmt.Errorf("kind %q is neither %q nor %q", t.Kind, Public, Pin)
	case (t.Kind == Pin) != (t.Service != nil):
		return errors.New("a service belongs to an M-Pin plan and to no other")
	case t.Threshold < 2:
		return fmt.Errorf("threshold %d: one authority alone would hold every key", t.Threshold)
	case int(t.Threshold) > len(t.Cards):
		return fmt.Errorf("threshold %d of %d authorities", t.Threshold, len(t.Cards))
	case slices.ContainsFunc(t.Flags, func(flag string) bool { return !readable(flag) }):
		return errors.New("a flag is not printable ASCII")
	case !slices.IsSorted(t.Flags) || len(slices.Compact(slices.Clone(t.Flags))) != len(t.Flags):
		return errors.New("flags are not in order")
	}
	if t.Service != nil {
		if err := errors.Join(identity.CheckService(t.Service.Name), identity.CheckOrigin(t.Service.Origin)); err != nil {
			return err
		}
	}
	if err := t.checkSchedules(); err != nil {
		return err
	}
	return t.checkCards()
}

// purposes returns those of the master's purposes that have epochs, the one
// that every plan of the kind needs first.
func (k Kind) purposes() []identity.Purpose {
	if k == Pin {
		return []identity.Purpose{identity.Permit}
	}
	return []identity.Purpose{identity.Channel, identity.Decrypt}
}

func (t Terms) checkSchedules() error {
	previous := identity.Purpose("")
	purposes := t.Kind.purposes()
	hasFirst := false
	for _, s := range t.Schedules {
		if !slices.Contains(purposes, s.Purpose) {
			return fmt.Errorf("a master of kind %s has no epochs for purpose %q", t.Kind, s.Purpose)
		}
		if err := (identity.Schedule{Length: s.Length}).Check(); err != nil {
			return err
		}
		if s.Purpose <= previous {
			return errors.New("schedules are not in order")
		}
		previous = s.Purpose
		hasFirst = hasFirst || s.Purpose == purposes[0]
	}
	if !hasFirst {
		return fmt.Errorf("no epochs for purpose %s", purposes[0])
	}
	return nil
}

func (t Terms) checkCards() error {
	seen := map[string]int{}
	for i, c := range t.Cards {
		for _, unique := range []string{"name " + c.Name, "URL " + c.URL, "signing key " + string(c.Ed25519), "HPKE key " + string(c.HPKE.Bytes())} {
			if first, twice := seen[unique]; twice {
				return fmt.Errorf("authorities %d and %d have the same name, URL or key", first, i+1)
			}
			seen[unique] = i + 1
		}
	}
	return nil
}
