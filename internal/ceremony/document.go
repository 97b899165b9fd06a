package ceremony

import (
	"context"
	"errors"
	"fmt"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/pairing"
)

// document makes all authorities serve the master and returns the document that
// names it with today's stamp: the one that some serve already, else a new one.
func (c *Coordinator) document(ctx context.Context, certificate *dkg.Certificate) (*dta.Published, error) {
	published, err := c.served(ctx, certificate)
	if err == nil && published == nil {
		published, err = c.make(ctx, certificate)
	}
	if err != nil {
		return nil, err
	}
	c.begin("activate the domain")
	err = c.each(ctx, "activate", func(_ uint32, url string) error {
		return c.Client.DeliverDocument(ctx, url, published.Document, published.Signature)
	})
	if err != nil {
		return nil, err
	}
	c.begin("stamp the domain document")
	if published.Stamp, err = c.stamp(ctx, published.Document); err != nil {
		return nil, err
	}
	return published, published.Verify(published.Document.ID())
}

// make has the document signed that follows from plan and certificate: the first,
// or for a service the one after that which is served.
func (c *Coordinator) make(ctx context.Context, certificate *dkg.Certificate) (*dta.Published, error) {
	if c.Plan.Kind() == dkg.Public {
		first, err := dta.FirstDocument(c.Plan, certificate)
		if err != nil {
			return nil, err
		}
		return c.sign(ctx, first)
	}
	current, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	next, err := dta.NextDocument(current.Document, c.Plan, certificate)
	if err != nil {
		return nil, &Outdated{err}
	}
	return c.sign(ctx, next)
}

// current returns the highest genuine document that an authority of the plan for a
// service serves.
func (c *Coordinator) current(ctx context.Context) (*dta.Published, error) {
	c.begin("fetch the domain document")
	id := c.Plan.Service().DomainID
	all, absent := gather(ctx, c, "domain", func(_ uint32, url string) (*dta.Published, error) {
		p, err := c.Client.Domain(ctx, url)
		if err != nil {
			return nil, err
		}
		return p, p.Verify(id)
	})
	var highest *dta.Published
	for _, p := range all {
		if p != nil && (highest == nil || p.Document.Revision() > highest.Document.Revision()) {
			highest = p
		}
	}
	if highest == nil {
		return nil, absent
	}
	return highest, nil
}

// domain returns the identity of the domain that plan and certificate are about.
func (c *Coordinator) domain(certificate *dkg.Certificate) (identity.DomainID, error) {
	if s := c.Plan.Service(); s != nil {
		return s.DomainID, nil
	}
	first, err := dta.FirstDocument(c.Plan, certificate)
	if err != nil {
		return identity.DomainID{}, err
	}
	return first.ID(), nil
}

// served returns the highest document that names the master and that an authority
// serves already, or nil.
func (c *Coordinator) served(ctx context.Context, certificate *dkg.Certificate) (*dta.Published, error) {
	id, err := c.domain(certificate)
	if err != nil {
		return nil, err
	}
	states, err := c.states(ctx)
	if err != nil {
		return nil, err
	}
	var highest *dta.Published
	for i, s := range states {
		if s.State != "active" {
			continue
		}
		p, err := c.Client.Domain(ctx, c.Plan.Cards()[i].URL)
		if err == nil {
			err = p.Verify(id)
		}
		if err != nil {
			return nil, c.fault("domain", uint32(i+1), err)
		}
		if highest == nil || p.Document.Revision() > highest.Document.Revision() {
			highest = p
		}
	}
	return highest, nil
}

// sign has a document approved by a quorum and signed by t.
func (c *Coordinator) sign(ctx context.Context, doc *dta.Document) (*dta.Published, error) {
	c.begin("approve the domain document")
	approvals, absent := gather(ctx, c, "approve", func(_ uint32, url string) ([]byte, error) {
		return c.Client.Approve(ctx, url, doc)
	})
	if err := dta.VerifyApprovals(doc.Authorities(), doc, approvals); err != nil {
		return nil, errors.Join(err, absent)
	}
	c.begin("sign the domain document")
	shares, absent := gather(ctx, c, "sign", func(_ uint32, url string) ([]byte, error) {
		return c.Client.DocumentShare(ctx, url, doc, approvals)
	})
	signature, err := combine(doc, doc.Point(), shares)
	if err != nil {
		return nil, errors.Join(err, absent)
	}
	return &dta.Published{Document: doc, Signature: signature}, nil
}

// stamp has a document stamped by t: who is away stops nothing.
func (c *Coordinator) stamp(ctx context.Context, doc *dta.Document) (*dta.Stamp, error) {
	s := &dta.Stamp{Revision: doc.Revision(), Hash: doc.Hash(), Day: dta.Day(c.Now())}
	given, absent := gather(ctx, c, "stamp", func(_ uint32, url string) (dta.StampShare, error) {
		return c.Client.StampShare(ctx, url, s.Day)
	})
	shares := make([][]byte, len(given))
	for i, share := range given {
		shares[i] = share.Share
	}
	signature, err := combine(doc, doc.FreshPoint(s.Day), shares)
	if err != nil {
		return nil, errors.Join(err, absent)
	}
	s.Signature = signature
	return s, nil
}

// combine makes a signature of shares by index − 1, absent ones empty, and
// names who gave a false one.
func combine(doc *dta.Document, point pairing.G1, shares [][]byte) ([]byte, error) {
	given := map[uint32][]byte{}
	for i, s := range shares {
		if len(s) > 0 {
			given[uint32(i+1)] = s
		}
	}
	signature, bad, err := doc.CombineSignature(point, given)
	if err != nil && len(bad) > 0 {
		return nil, fmt.Errorf("authorities %s gave false shares: %w", list(bad), err)
	}
	return signature, err
}
