package authoritytest

import (
	"context"
	"fmt"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
)

// activate makes the master and has the first document signed, served and
// stamped.
func (d *Domain) activate(ctx context.Context) error {
	if err := d.Certify(ctx); err != nil {
		return fmt.Errorf("ceremony: %w", err)
	}
	if err := d.Try(ctx); err != nil {
		return fmt.Errorf("trial: %w", err)
	}
	document, err := dta.FirstDocument(d.Plan, d.Certificate)
	if err != nil {
		return err
	}
	if err := d.Publish(ctx, document); err != nil {
		return fmt.Errorf("first document: %w", err)
	}
	return d.AwaitStamp(ctx)
}

// Certify runs the ceremony as far as its certificate.
func (d *Domain) Certify(ctx context.Context) error {
	if err := d.Start(ctx); err != nil {
		return err
	}
	for _, step := range []dkg.Step{dkg.Commit, dkg.Reveal} {
		messages, err := d.Step(ctx, step)
		if err != nil {
			return err
		}
		if err := d.Deliver(ctx, messages); err != nil {
			return err
		}
	}
	confirms, err := d.Step(ctx, dkg.Confirm)
	if err != nil {
		return err
	}
	d.Certificate, err = dkg.Assemble(d.Plan, confirms)
	return err
}

// Start begins a run at every authority and delivers the contributions.
func (d *Domain) Start(ctx context.Context) error {
	client, contributions := &dta.Client{}, [][]byte(nil)
	for _, m := range d.Members {
		contribution, err := client.StartCeremony(ctx, m.URL(), d.Plan.Hash())
		if err != nil {
			return err
		}
		contributions = append(contributions, contribution)
	}
	return d.Deliver(ctx, contributions)
}

// Step asks every authority for its message of a step.
func (d *Domain) Step(ctx context.Context, step dkg.Step) ([][]byte, error) {
	client, messages := &dta.Client{}, [][]byte(nil)
	for _, m := range d.Members {
		message, err := client.NextMessage(ctx, m.URL(), d.Plan.Hash(), string(step))
		if err != nil {
			return nil, err
		}
		messages = append(messages, message)
	}
	return messages, nil
}

// Deliver hands every message to every authority.
func (d *Domain) Deliver(ctx context.Context, messages [][]byte) error {
	client := &dta.Client{}
	for _, m := range d.Members {
		for _, message := range messages {
			if err := client.Deliver(ctx, m.URL(), d.Plan.Hash(), message); err != nil {
				return err
			}
		}
	}
	return nil
}

// Try delivers the certificate and the trial to every authority.
func (d *Domain) Try(ctx context.Context) error {
	client, shares := &dta.Client{}, []dta.TestShare(nil)
	for _, m := range d.Members {
		share, err := client.DeliverCertificate(ctx, m.URL(), d.Plan.Hash(), d.Certificate.Bytes())
		if err != nil {
			return err
		}
		shares = append(shares, share)
	}
	for _, m := range d.Members {
		if err := client.DeliverTrial(ctx, m.URL(), d.Plan.Hash(), shares); err != nil {
			return err
		}
	}
	return nil
}

// Sign obtains the domain's signature of a document, as far as its authorities
// give it.
func (d *Domain) Sign(ctx context.Context, document *dta.Document) ([]byte, error) {
	client, approvals := &dta.Client{}, [][]byte(nil)
	for _, m := range d.Members {
		approval, err := client.Approve(ctx, m.URL(), document)
		if err != nil {
			return nil, err
		}
		approvals = append(approvals, approval)
	}
	shares := map[uint32][]byte{}
	for i, m := range d.Members {
		share, err := client.DocumentShare(ctx, m.URL(), document, approvals)
		if err != nil {
			return nil, err
		}
		shares[uint32(i+1)] = share
	}
	signature, _, err := document.CombineSignature(document.Point(), shares)
	return signature, err
}

// Publish signs a document and delivers it to every authority.
func (d *Domain) Publish(ctx context.Context, document *dta.Document) error {
	signature, err := d.Sign(ctx, document)
	if err != nil {
		return err
	}
	for _, m := range d.Members {
		if err := (&dta.Client{}).DeliverDocument(ctx, m.URL(), document, signature); err != nil {
			return err
		}
	}
	d.Published = &dta.Published{Document: document, Signature: signature}
	return nil
}

// AwaitStamp waits until every authority that runs serves a fresh document, and
// takes it over.
func (d *Domain) AwaitStamp(ctx context.Context) error {
	for _, m := range d.Members {
		for m.cancel != nil {
			p, err := (&dta.Client{}).Domain(ctx, m.URL())
			if err != nil {
				return err
			}
			if p.Fresh(d.Now()) == nil {
				d.Published = p
				break
			}
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("no stamp at %s: %w", m.Card.Name, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}
