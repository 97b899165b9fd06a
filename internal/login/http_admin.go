package login

import (
	"context"
	"fmt"
	"net/http"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

// Admin returns the handler for the operator. It asks for no password: it is
// served on a socket that only the owner of the directory can reach.
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /admin/revoke", act(s, func(ctx context.Context, in devicesRequest) (Revoked, error) {
		which, err := selected(in.Name, in.Device)
		if err != nil {
			return Revoked{}, err
		}
		return s.registry.revoke(ctx, which)
	}))
	mux.Handle("GET /admin/list", get(s, func(r *http.Request) (Listing, error) {
		which, err := named(r)
		if err != nil {
			return Listing{}, err
		}
		l, err := s.state.list(r.Context(), which)
		return l, unavailable(err)
	}))
	mux.Handle("GET /admin/audit", get(s, func(r *http.Request) (Audit, error) {
		which, err := named(r)
		if err != nil {
			return Audit{}, err
		}
		limit, err := limited(r.URL.Query().Get("limit"))
		if err != nil {
			return Audit{}, err
		}
		a, err := s.state.audit(r.Context(), which, limit)
		return a, unavailable(err)
	}))
	s.routeCritical(mux)
	s.routeInvitations(mux)
	s.clientRoutes(mux)
	mux.Handle("GET /admin/status", get(s, func(r *http.Request) (Status, error) { return s.Status(r.Context()) }))
	return problem.Routes(mux)
}

type devicesRequest struct {
	Name   identity.Name `json:"name"`
	Device *HexHash      `json:"device,omitempty"`
}

// Status returns how the login server is.
func (s *Server) Status(ctx context.Context) (Status, error) {
	card := s.self.card
	status := Status{Service: card.Service, Origin: card.Origin, Card: card.Fingerprint(), Key: HexHash(card.Ed25519), Clock: s.clock().UTC(),
		Sessions: s.gate.open.Load(), Operators: s.council.operators}
	ready := s.ready(ctx)
	if status.Ready = ready == nil; ready != nil {
		status.Why = ready.Error()
	}
	if d := s.realm.now.Load().document; d != nil {
		status.Domain, status.Fingerprint, status.Revision = d.Domain(), d.ID(), d.Revision()
	}
	c, err := s.state.census(ctx)
	if err != nil {
		return Status{}, unavailable(err)
	}
	b, err := s.state.backlog(ctx)
	if err != nil {
		return Status{}, unavailable(err)
	}
	waiting, err := s.council.proposals(ctx)
	if err != nil {
		return Status{}, err
	}
	status.Proposals = len(waiting.Proposals)
	status.Devices, status.Locked, status.Notices, status.Mails = c.devices, c.locked, b.notices, b.mails
	return status, nil
}

// ready returns the first check that fails.
func (s *Server) ready(ctx context.Context) error {
	for _, check := range s.checks() {
		if err := check.Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", check.Name, err)
		}
	}
	return nil
}
