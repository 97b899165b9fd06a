package dta

import (
	"context"
	"encoding/hex"
	"fmt"
)

// TestShare is one authority's share of a ceremony's trial key: public.
type TestShare struct {
	Index uint32 `json:"index"`
	Share []byte `json:"share"`           // 48 bytes
	Proof []byte `json:"proof,omitempty"` // 64 bytes for an M-Pin master
}

// StampShare is one authority's share of a day's stamp: public.
type StampShare struct {
	Revision uint64 `json:"revision"`
	Hash     []byte `json:"hash"` // 32 bytes
	Day      uint32 `json:"day"`
	Index    uint32 `json:"index"`
	Share    []byte `json:"share"` // 48 bytes
}

// CeremonyState is what an authority says of its part in a plan.
type CeremonyState struct {
	// State is signed, running, confirmed, certified, tried, active or aborted.
	State string `json:"state"`
	// ID is the ceremony's id in hexadecimal, once there is one.
	ID string `json:"id,omitempty"`
	// Confirm is the authority's own confirm message, once it exists.
	Confirm []byte `json:"confirm,omitempty"`
	// Certificate is the certificate, once the authority has seen it.
	Certificate []byte `json:"certificate,omitempty"`
}

type message struct {
	Message []byte `json:"message"`
}

type planRequest struct {
	Plan string `json:"plan"`
	Step string `json:"step,omitempty"`
	ID   string `json:"id,omitempty"`
}

// The calls below are the ceremony's (spec/ceremony.md "Carrying the
// messages"): plan is the plan's hash. What they return is signed, or proved
// by what the caller verifies next.

// StartCeremony has the authority begin a run of a plan that its operator
// signed, and returns its contribution.
func (c *Client) StartCeremony(ctx context.Context, url string, plan [32]byte) ([]byte, error) {
	return c.ceremonyMessage(ctx, url, "start", planRequest{Plan: hex.EncodeToString(plan[:])})
}

// Deliver hands the authority another one's signed message of any round.
func (c *Client) Deliver(ctx context.Context, url string, plan [32]byte, signed []byte) error {
	in := struct {
		Plan    string `json:"plan"`
		Message []byte `json:"message"`
	}{hex.EncodeToString(plan[:]), signed}
	return c.post(ctx, url, "/v1/ceremony/message", in, &struct{}{})
}

// NextMessage asks for the authority's own message of a step: commit, reveal
// or confirm.
func (c *Client) NextMessage(ctx context.Context, url string, plan [32]byte, step string) ([]byte, error) {
	return c.ceremonyMessage(ctx, url, "next", planRequest{Plan: hex.EncodeToString(plan[:]), Step: step})
}

// AbortCeremony asks the authority to sign that it will never confirm the run.
func (c *Client) AbortCeremony(ctx context.Context, url string, plan, id [32]byte) ([]byte, error) {
	in := planRequest{Plan: hex.EncodeToString(plan[:]), ID: hex.EncodeToString(id[:])}
	return c.ceremonyMessage(ctx, url, "abort", in)
}

// ReleaseCeremony shows the authority t aborts, which prove that a run that it
// confirmed can have no certificate.
func (c *Client) ReleaseCeremony(ctx context.Context, url string, plan, id [32]byte, aborts [][]byte) error {
	in := struct {
		Plan     string   `json:"plan"`
		ID       string   `json:"id"`
		Messages [][]byte `json:"messages"`
	}{hex.EncodeToString(plan[:]), hex.EncodeToString(id[:]), aborts}
	return c.post(ctx, url, "/v1/ceremony/aborts", in, &struct{}{})
}

// DeliverCertificate hands the authority the certificate, which makes its
// share available, and returns its share of the trial key.
func (c *Client) DeliverCertificate(ctx context.Context, url string, plan [32]byte, certificate []byte) (TestShare, error) {
	in := struct {
		Plan        string `json:"plan"`
		Certificate []byte `json:"certificate"`
	}{hex.EncodeToString(plan[:]), certificate}
	var share TestShare
	err := c.post(ctx, url, "/v1/ceremony/certificate", in, &share)
	return share, err
}

// DeliverTrial hands the authority all n test shares, which it verifies.
func (c *Client) DeliverTrial(ctx context.Context, url string, plan [32]byte, shares []TestShare) error {
	in := struct {
		Plan   string      `json:"plan"`
		Shares []TestShare `json:"shares"`
	}{hex.EncodeToString(plan[:]), shares}
	return c.post(ctx, url, "/v1/ceremony/trial", in, &struct{}{})
}

// Ceremony asks how far the authority is with a plan.
func (c *Client) Ceremony(ctx context.Context, url string, plan [32]byte) (CeremonyState, error) {
	var state CeremonyState
	err := c.get(ctx, url, "/v1/ceremony/"+hex.EncodeToString(plan[:]), &state)
	return state, err
}

// Approve asks for the authority's approval of a document.
func (c *Client) Approve(ctx context.Context, url string, d *Document) ([]byte, error) {
	var answer struct {
		Approval []byte `json:"approval"`
	}
	in := map[string][]byte{"document": d.bytes}
	err := c.post(ctx, url, "/v1/domain/approve", in, &answer)
	return answer.Approval, err
}

// DocumentShare asks for the authority's share, 48 bytes, of a document's
// signature, in return for a quorum of approvals.
func (c *Client) DocumentShare(ctx context.Context, url string, d *Document, approvals [][]byte) ([]byte, error) {
	in := struct {
		Document  []byte   `json:"document"`
		Approvals [][]byte `json:"approvals"`
	}{d.bytes, approvals}
	var answer struct {
		Share []byte `json:"share"`
	}
	err := c.post(ctx, url, "/v1/domain/share", in, &answer)
	return answer.Share, err
}

// DeliverDocument hands the authority a signed document, which makes it serve.
func (c *Client) DeliverDocument(ctx context.Context, url string, d *Document, signature []byte) error {
	in := map[string][]byte{"document": d.bytes, "signature": signature}
	return c.post(ctx, url, "/v1/domain/document", in, &struct{}{})
}

// StampShare asks for the authority's share of the stamp for day.
func (c *Client) StampShare(ctx context.Context, url string, day uint32) (StampShare, error) {
	var share StampShare
	err := c.get(ctx, url, fmt.Sprintf("/v1/domain/share?day=%d", day), &share)
	return share, err
}

func (c *Client) ceremonyMessage(ctx context.Context, url, call string, in planRequest) ([]byte, error) {
	var out message
	err := c.post(ctx, url, "/v1/ceremony/"+call, in, &out)
	return out.Message, err
}
