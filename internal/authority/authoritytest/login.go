package authoritytest

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/dkg"
)

// AddService has the authorities make the master of the login service whose login
// server has this card, and serve the document that names it; Published is that
// document then, stamped.
func (d *Domain) AddService(ctx context.Context, card *dta.LoginCard) error {
	plan, err := d.PlanService(card)
	if err != nil {
		return err
	}
	// The same domain with the service's own ceremony.
	c := &Domain{Plan: plan, Published: d.Published, Members: d.Members, config: d.config}
	if err := c.SignPlan(ctx); err != nil {
		return err
	}
	if err := c.Certify(ctx); err != nil {
		return fmt.Errorf("ceremony of %s: %w", card.Service, err)
	}
	if err := c.Try(ctx); err != nil {
		return fmt.Errorf("trial of %s: %w", card.Service, err)
	}
	next, err := dta.NextDocument(d.Published.Document, plan, c.Certificate)
	if err != nil {
		return err
	}
	if err := d.Publish(ctx, next); err != nil {
		return fmt.Errorf("document with %s: %w", card.Service, err)
	}
	return d.AwaitStamp(ctx)
}

// PlanService returns the plan that adds a login service to the domain as it is
// served.
func (d *Domain) PlanService(card *dta.LoginCard) (*dkg.Plan, error) {
	document := d.Published.Document
	permits := d.config.Permits
	if schedule, ok := document.Schedule(identity.Permit); ok {
		permits = schedule.Length
	}
	return dkg.NewPlan(dkg.Terms{Kind: dkg.Pin, Domain: document.Domain(), Threshold: uint32(document.Threshold()), Cards: d.Plan.Cards(),
		Schedules: []dkg.Schedule{{Purpose: identity.Permit, Length: permits}},
		Service: &dkg.Service{DomainID: document.ID(), Name: card.Service, Origin: card.Origin, LoginKey: card.Bytes(),
			Revision: document.Revision(), DocumentHash: document.Hash()}})
}

// ApproveLogin has two operators of every authority approve that the login server
// of a service fetches its share of the server key, once.
func (d *Domain) ApproveLogin(ctx context.Context, service string) error {
	for _, m := range d.Members {
		if err := m.ApproveLogin(ctx, service); err != nil {
			return fmt.Errorf("%s: %w", m.Card.Name, err)
		}
	}
	return nil
}

// ApproveLogin has the member's two operators approve one delivery.
func (m *Member) ApproveLogin(ctx context.Context, service string) error {
	operators, err := m.Operators(ctx)
	if err != nil {
		return err
	}
	state, err := m.Service(ctx, service)
	if err != nil {
		return err
	}
	for _, key := range operators {
		if _, err := m.Operator().Approve(ctx, key, state); err != nil {
			return err
		}
	}
	return nil
}

// Service returns what the member says of a login service.
func (m *Member) Service(ctx context.Context, name string) (authority.ServiceState, error) {
	status, err := m.Operator().Status(ctx)
	if err != nil {
		return authority.ServiceState{}, err
	}
	for _, s := range status.Services {
		if s.Name == name {
			return s, nil
		}
	}
	return authority.ServiceState{}, fmt.Errorf("no service %s is served", name)
}

// Operators returns the keys of the member's first two operators, who are entered
// when they are first asked for.
func (m *Member) Operators(ctx context.Context) ([]ed25519.PrivateKey, error) {
	for n := len(m.operators) + 1; n <= 2; n++ {
		public, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		if _, err := m.Operator().Enter(ctx, fmt.Sprintf("person %d", n), public); err != nil {
			return nil, err
		}
		m.operators = append(m.operators, key)
	}
	return m.operators, nil
}
