package authority

import (
	"context"
	"net/http"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
)

// Admin returns the handler for the operator. It asks for no password: it is
// served on a socket that only the owner of the directory can reach.
func (a *Authority) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /admin/sign-plan", post(a, a.signPlan))
	mux.Handle("POST /admin/agree", post(a, a.agree))
	mux.Handle("POST /admin/register", post(a, a.register))
	mux.Handle("POST /admin/revoke", post(a, a.revoke))
	mux.Handle("POST /admin/operator", post(a, a.operators.enter))
	mux.Handle("POST /admin/approve", post(a, func(ctx context.Context, in approveRequest) (Approved, error) {
		return a.operators.approve(ctx, in.Approval)
	}))
	mux.Handle("GET /admin/list", get(a, func(r *http.Request) (Listing, error) {
		listing, err := a.state.list(r.Context(), r.URL.Query().Get("name"), a.documents.served.Load().called)
		return listing, unavailable(problem.Unavailable, err)
	}))
	mux.Handle("GET /admin/status", get(a, func(r *http.Request) (Status, error) { return a.Status(r.Context()) }))
	return problem.Routes(mux)
}

type planRequest struct {
	Plan []byte `json:"plan"`
}

type registerRequest struct {
	Names   []identity.Name  `json:"names"`
	Purpose identity.Purpose `json:"purpose"`
	Service string           `json:"service,omitempty"` // name of the login service, for purpose mpin
	Expires time.Time        `json:"expires"`           // RFC 3339
}

type registerAnswer struct {
	Codes []Registration `json:"codes"`
}

type revokeRequest struct {
	Name   identity.Name `json:"name"`
	Device *HexHash      `json:"device,omitempty"`
}

type operatorRequest struct {
	Name      string   `json:"name"`
	Key       HexHash  `json:"key"`
	Approvals [][]byte `json:"approvals,omitempty"`
}

type approveRequest struct {
	Approval []byte `json:"approval"`
}

func (a *Authority) signPlan(ctx context.Context, in planRequest) (Agreed, error) {
	p, err := a.ceremonies.signPlan(ctx, in.Plan)
	if err != nil {
		return Agreed{}, err
	}
	return Agreed{Hash: p.plan.Hash(), Index: p.index}, nil
}

func (a *Authority) agree(ctx context.Context, in documentRequest) (Agreed, error) {
	document, err := a.documents.agree(ctx, in.Document)
	if err != nil {
		return Agreed{}, err
	}
	return Agreed{Hash: document.Hash(), Revision: document.Revision()}, nil
}

func (a *Authority) register(ctx context.Context, in registerRequest) (registerAnswer, error) {
	codes, err := a.registrar.register(ctx, in)
	return registerAnswer{codes}, err
}

func (a *Authority) revoke(ctx context.Context, in revokeRequest) (Revoked, error) {
	if in.Name.IsZero() {
		return Revoked{}, problem.New(problem.Malformed, "name is missing")
	}
	return a.registrar.revoke(ctx, in.Name, (*identity.DeviceHash)(in.Device))
}

// Status returns how the authority is.
func (a *Authority) Status(ctx context.Context) (Status, error) {
	status := Status{Name: a.self.card.Name, URL: a.self.card.URL, Clock: a.clock().UTC(), Plans: []PlanStatus{},
		Key: HexHash(a.self.card.Ed25519)}
	ready := a.ready(ctx)
	if status.Ready = ready == nil; ready != nil {
		status.Why = ready.Error()
	}
	var err error
	if status.Issued, err = a.state.issued(ctx, a.clock()); err != nil && status.Issued == 0 {
		return Status{}, unavailable(problem.Unavailable, err)
	}
	plans, err := a.state.plans(ctx)
	if err != nil {
		return Status{}, unavailable(problem.Unavailable, err)
	}
	for _, p := range plans {
		report, err := a.ceremonies.report(ctx, p.plan.Hash(), a.documents.served.Load())
		if err != nil {
			return Status{}, err
		}
		status.Plans = append(status.Plans, planStatus(p, report.State))
	}
	if err := a.operators.describe(ctx, &status); err != nil {
		return Status{}, unavailable(problem.Unavailable, err)
	}
	if s, err := a.documents.published(); err == nil {
		status.Domain = s.state(unixSeconds(a.clock()))
		status.Services, err = a.operators.services(ctx, s)
		return status, unavailable(problem.Unavailable, err)
	}
	return status, nil
}

func planStatus(p signedPlan, state string) PlanStatus {
	domain := p.plan.Domain()
	if p.plan.Kind() == dkg.Pin {
		domain = p.plan.Service().Name + " at " + domain
	}
	return PlanStatus{Plan: p.plan.Hash(), Domain: domain, Index: p.index, State: state}
}

func (s *served) state(now uint64) *DomainState {
	d := s.Document
	state := &DomainState{Domain: d.Domain(), Fingerprint: d.ID(), Index: s.self.Index, Revision: d.Revision(),
		Threshold: d.Threshold(), Authorities: len(d.Authorities()), Fresh: s.Fresh(now) == nil}
	if s.Stamp != nil {
		state.StampDay = s.Stamp.Day
	}
	return state
}
