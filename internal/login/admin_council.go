package login

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"

	"milagro.dev/internal/encoding"
)

// Proposals returns the critical acts that wait for operators.
func (o *Operator) Proposals(ctx context.Context) (p Proposals, err error) {
	err = o.call(ctx, http.MethodGet, "/admin/proposals", nil, &p)
	return p, err
}

// Approve approves, as the operator who has this key, exactly what a proposal says:
// show it to him before. The second approval does it.
func (o *Operator) Approve(ctx context.Context, key ed25519.PrivateKey, p Proposal) (a Approved, err error) {
	if len(key) != ed25519.PrivateKeySize {
		return a, errors.New("login server's operator: not an Ed25519 key")
	}
	status, err := o.Status(ctx)
	if err != nil {
		return a, err
	}
	signed := encoding.Sign(key, p.Act.body(status.Key[:], p.ID, unixSeconds(status.Clock)))
	err = o.call(ctx, http.MethodPost, "/admin/approve", approvalRequest{p.ID, signed}, &a)
	return a, err
}

// Drop ends a proposal that waits. It needs no key: what is not done harms nobody.
func (o *Operator) Drop(ctx context.Context, p ProposalID) error {
	var none nothing
	return o.call(ctx, http.MethodPost, "/admin/drop", proposalRequest{p}, &none)
}
