package authority

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
)

// Public returns the handler for everybody: applicants, the other authorities,
// login servers, whoever carries a ceremony's messages (spec/issuance.md, spec/document.md,
// spec/mpin.md, spec/ceremony.md), and probes.
func (a *Authority) Public() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/card", get(a, func(*http.Request) (cardAnswer, error) { return cardAnswer{a.self.card.Bytes()}, nil }))
	mux.HandleFunc("POST /v1/issue", a.issue)
	a.routeDomain(mux)
	a.routeCeremony(mux)
	a.routeLogin(mux)
	a.routeRevocations(mux)
	mux.Handle("GET /healthz", telemetry.Alive())
	mux.Handle("GET /readyz", telemetry.Ready(a.checks()...))
	mux.Handle("GET /metrics", a.metrics.Handler())
	return a.metrics.Observe(problem.Routes(mux))
}

type cardAnswer struct {
	Card []byte `json:"card"`
}

type issueRequest struct {
	Request []byte `json:"request"`
}

type issueAnswer struct {
	Reply []byte `json:"reply"`
}

// issue is a handler of its own because it counts by address. A proxy in front
// counts as one address: it brings limits of its own.
func (a *Authority) issue(w http.ResponseWriter, r *http.Request) {
	in, err := problem.Decode[issueRequest](w, r, webserver.MaxBody)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero address is one address
	sealed, err := a.issuer.issue(r.Context(), in.Request, from.Addr())
	reply(a, w, r, issueAnswer{sealed}, err)
}

type keyRequest struct {
	Request []byte `json:"request"`
}

type noticeRequest struct {
	Notice []byte `json:"notice"`
}

func (a *Authority) routeLogin(mux *http.ServeMux) {
	mux.Handle("POST /v1/login/key", post(a, func(ctx context.Context, in keyRequest) (issueAnswer, error) {
		sealed, err := a.logins.deliver(ctx, in.Request)
		return issueAnswer{sealed}, err
	}))
	mux.Handle("POST /v1/login/notice", post(a, func(ctx context.Context, in noticeRequest) (nothing, error) {
		return nothing{}, a.logins.notice(ctx, in.Notice)
	}))
}

type documentRequest struct {
	Document  []byte   `json:"document"`
	Approvals [][]byte `json:"approvals,omitempty"`
	Signature []byte   `json:"signature,omitempty"`
}

type approvalAnswer struct {
	Approval []byte `json:"approval"`
}

type shareAnswer struct {
	Share []byte `json:"share"`
}

func (a *Authority) routeDomain(mux *http.ServeMux) {
	mux.Handle("GET /v1/domain", get(a, func(*http.Request) (*dta.Published, error) {
		s, err := a.documents.published()
		if err != nil {
			return nil, err
		}
		return s.Published, s.refused()
	}))
	mux.Handle("POST /v1/domain/approve", post(a, func(ctx context.Context, in documentRequest) (approvalAnswer, error) {
		approval, err := a.documents.approve(ctx, in.Document)
		return approvalAnswer{approval}, err
	}))
	mux.Handle("POST /v1/domain/share", post(a, func(ctx context.Context, in documentRequest) (shareAnswer, error) {
		share, err := a.documents.giveShare(ctx, in.Document, in.Approvals)
		return shareAnswer{share}, err
	}))
	mux.Handle("POST /v1/domain/document", post(a, func(ctx context.Context, in documentRequest) (nothing, error) {
		return nothing{}, a.documents.activate(ctx, in.Document, in.Signature)
	}))
	mux.Handle("GET /v1/domain/share", get(a, func(r *http.Request) (dta.StampShare, error) {
		day, err := strconv.ParseUint(r.URL.Query().Get("day"), 10, 32)
		if err != nil {
			return dta.StampShare{}, problem.New(problem.Malformed, "day is a number: unix time divided by 86,400")
		}
		return a.documents.stampShare(r.Context(), uint32(day))
	}))
}

// ceremonyRequest is the body of every ceremony call; each uses some members.
type ceremonyRequest struct {
	Plan        HexHash         `json:"plan"`
	ID          HexHash         `json:"id,omitzero"`
	Step        dkg.Step        `json:"step,omitempty"`
	Message     []byte          `json:"message,omitempty"`
	Messages    [][]byte        `json:"messages,omitempty"`
	Certificate []byte          `json:"certificate,omitempty"`
	Shares      []dta.TestShare `json:"shares,omitempty"`
}

type messageAnswer struct {
	Message []byte `json:"message"`
}

func (a *Authority) routeCeremony(mux *http.ServeMux) {
	speak := func(say func(context.Context, ceremonyRequest) ([]byte, error)) http.HandlerFunc {
		return post(a, func(ctx context.Context, in ceremonyRequest) (messageAnswer, error) {
			message, err := say(ctx, in)
			return messageAnswer{message}, err
		})
	}
	take := func(hear func(context.Context, ceremonyRequest) error) http.HandlerFunc {
		return post(a, func(ctx context.Context, in ceremonyRequest) (nothing, error) { return nothing{}, hear(ctx, in) })
	}
	c := a.ceremonies
	mux.Handle("POST /v1/ceremony/start", speak(func(ctx context.Context, in ceremonyRequest) ([]byte, error) {
		return c.start(ctx, in.Plan)
	}))
	mux.Handle("POST /v1/ceremony/message", take(func(ctx context.Context, in ceremonyRequest) error {
		return c.message(ctx, in.Plan, in.Message)
	}))
	mux.Handle("POST /v1/ceremony/next", speak(func(ctx context.Context, in ceremonyRequest) ([]byte, error) {
		return c.next(ctx, in.Plan, in.Step)
	}))
	mux.Handle("POST /v1/ceremony/abort", speak(func(ctx context.Context, in ceremonyRequest) ([]byte, error) {
		return c.abort(ctx, in.Plan, in.ID)
	}))
	mux.Handle("POST /v1/ceremony/aborts", take(func(ctx context.Context, in ceremonyRequest) error {
		return c.release(ctx, in.Plan, in.ID, in.Messages)
	}))
	mux.Handle("POST /v1/ceremony/certificate", post(a, func(ctx context.Context, in ceremonyRequest) (dta.TestShare, error) {
		return c.certificate(ctx, in.Plan, in.Certificate)
	}))
	mux.Handle("POST /v1/ceremony/trial", take(func(ctx context.Context, in ceremonyRequest) error {
		return c.trial(ctx, in.Plan, in.Shares)
	}))
	mux.Handle("GET /v1/ceremony/{plan}", get(a, func(r *http.Request) (dta.CeremonyState, error) {
		var plan HexHash
		if err := plan.UnmarshalText([]byte(r.PathValue("plan"))); err != nil {
			return dta.CeremonyState{}, problem.New(problem.Malformed, "%s", err)
		}
		return c.report(r.Context(), plan, a.documents.served.Load())
	}))
}
