package authoritytest

import (
	"context"
	"fmt"

	"milagro.dev/dta"
	"milagro.dev/identity"
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
