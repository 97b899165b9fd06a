package ceremony

import (
	"context"
	"fmt"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/pairing"
)

// document has the first document approved, signed, delivered and stamped.
func (c *Coordinator) document(ctx context.Context, certificate *dkg.Certificate) (*dta.Published, error) {
	doc, err := dta.FirstDocument(c.Plan, certificate)
	if err != nil {
		return nil, err
	}
	c.begin("approve the domain document")
	var approvals [][]byte
	err = c.each("approve", func(_ uint32, url string) error {
		a, err := c.Client.Approve(ctx, url, doc)
		approvals = append(approvals, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.begin("sign the domain document")
	signature, err := c.sign(ctx, doc, approvals)
	if err != nil {
		return nil, err
	}
	err = c.each("deliver", func(_ uint32, url string) error { return c.Client.DeliverDocument(ctx, url, doc, signature) })
	if err != nil {
		return nil, err
	}
	c.begin("stamp the domain document")
	stamp, err := c.stamp(ctx, doc)
	if err != nil {
		return nil, err
	}
	published := &dta.Published{Document: doc, Signature: signature, Stamp: stamp}
	return published, published.Verify(doc.ID())
}

func (c *Coordinator) sign(ctx context.Context, doc *dta.Document, approvals [][]byte) ([]byte, error) {
	shares := map[uint32][]byte{}
	err := c.each("sign", func(index uint32, url string) error {
		b, err := c.Client.DocumentShare(ctx, url, doc, approvals)
		shares[index] = b
		return err
	})
	if err != nil {
		return nil, err
	}
	return combine(doc, doc.Point(), shares)
}

func (c *Coordinator) stamp(ctx context.Context, doc *dta.Document) (*dta.Stamp, error) {
	s := &dta.Stamp{Revision: doc.Revision(), Hash: doc.Hash(), Day: dta.Day(c.Now())}
	shares := map[uint32][]byte{}
	err := c.each("stamp", func(index uint32, url string) error {
		given, err := c.Client.StampShare(ctx, url, s.Day)
		shares[index] = given.Share
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Signature, err = combine(doc, doc.FreshPoint(s.Day), shares)
	return s, err
}

// combine makes the signature and names who gave a false share of it.
func combine(doc *dta.Document, point pairing.G1, shares map[uint32][]byte) ([]byte, error) {
	signature, bad, err := doc.CombineSignature(point, shares)
	if err != nil {
		return nil, fmt.Errorf("authorities %v gave false shares: %w", bad, err)
	}
	return signature, nil
}
