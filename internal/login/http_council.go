package login

import (
	"context"
	"net/http"
)

type proposalRequest struct {
	Proposal ProposalID `json:"proposal"`
}

type approvalRequest struct {
	Proposal ProposalID `json:"proposal"`
	Approval []byte     `json:"approval"`
}

// routeCritical adds the operator's calls that two operators decide where there are
// some, and how they do.
func (s *Server) routeCritical(mux *http.ServeMux) {
	mux.Handle("POST /admin/invite", act(s, func(ctx context.Context, in inviteRequest) (Invitation, error) {
		if !s.council.sits() {
			return s.desk.inviter.invite(ctx, in)
		}
		a, _, err := s.desk.inviter.meant(in, s.clock())
		if err != nil {
			return Invitation{}, err
		}
		waits, err := s.council.propose(ctx, Act{Invite: &a})
		return Invitation{Name: a.Name, Expires: a.Expires, Proposal: waits}, err
	}))
	mux.Handle("POST /admin/unlock", act(s, func(ctx context.Context, in devicesRequest) (Unlocked, error) {
		which, err := selected(in.Name, in.Device)
		if err != nil {
			return Unlocked{}, err
		}
		if !s.council.sits() {
			return s.registry.unlock(ctx, which)
		}
		waits, err := s.council.propose(ctx, Act{Unlock: &UnlockAct{Name: in.Name, Device: in.Device}})
		return Unlocked{Proposal: waits}, err
	}))
	mux.Handle("POST /admin/clients", act(s, s.proposeApplication))
	mux.Handle("GET /admin/proposals", get(s, func(r *http.Request) (Proposals, error) { return s.council.proposals(r.Context()) }))
	mux.Handle("POST /admin/approve", act(s, func(ctx context.Context, in approvalRequest) (Approved, error) {
		return s.council.approve(ctx, in.Proposal, in.Approval)
	}))
	mux.Handle("POST /admin/drop", act(s, func(ctx context.Context, in proposalRequest) (nothing, error) {
		return nothing{}, unavailable(s.state.drop(ctx, in.Proposal, s.clock()))
	}))
}
