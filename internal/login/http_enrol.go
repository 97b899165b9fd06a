package login

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

// What an address may ask for in a minute.
const (
	relaysAMinute   = 240
	vouchersAMinute = 60
	mailsAMinute    = 10
	requestsAMinute = 300 // once many wait
)

// desk is the enrolment of people, as everybody sees it (spec/enrolment.md).
type desk struct {
	inviter *inviter
	relay   *relay
	relays  *crowd
	opens   *crowd
	mails   *crowd
	// requests are those of applications, of which the provider has others counted.
	requests *crowd
}

func newDesk(i *inviter, r *relay, proxies []netip.Prefix) *desk {
	return &desk{inviter: i, relay: r, relays: &crowd{limit: relaysAMinute, proxies: proxies},
		opens: &crowd{limit: vouchersAMinute, proxies: proxies}, mails: &crowd{limit: mailsAMinute, proxies: proxies},
		requests: &crowd{limit: requestsAMinute, proxies: proxies}}
}

type relayRequest struct {
	Request []byte `json:"request"`
}

type openRequest struct {
	Token string `json:"token"`
}

type openAnswer struct {
	Name        string   `json:"name"`
	Service     string   `json:"service"`
	Expires     uint64   `json:"expires"` // unix seconds
	Authorities []uint32 `json:"authorities"`
}

type vouchersRequest struct {
	Token     string `json:"token"`
	SPKI      []byte `json:"spki"`
	Signature []byte `json:"signature"`
}

type vouchersAnswer struct {
	Vouchers [][]byte `json:"vouchers"` // by index
}

type mailRequest struct {
	Name identity.Name `json:"name"`
}

func (s *Server) routeEnrolment(mux *http.ServeMux) {
	d := s.desk
	mux.Handle("GET /v1/domain", get(s, func(*http.Request) (*dta.Published, error) {
		now := s.realm.now.Load()
		if now.published == nil {
			return nil, now.refused()
		}
		return now.published, nil
	}))
	mux.Handle("POST /v1/enrol/open", post(s, bounded(s, d.opens, d.inviter.open)))
	mux.Handle("POST /v1/enrol/vouchers", post(s, bounded(s, d.opens, d.inviter.vouch)))
	mux.HandleFunc("POST /v1/enrol/mail", s.askMail)
	mux.HandleFunc("POST /v1/relay/{index}", s.relayed)
}

// bounded is a call that is bounded by address.
func bounded[In, Out any](s *Server, c *crowd, do func(context.Context, In) (Out, error)) func(*http.Request, In) (Out, error) {
	return func(r *http.Request, in In) (out Out, err error) {
		if err := c.admit(r, s.clock()); err != nil {
			return out, err
		}
		return do(r.Context(), in)
	}
}

// askMail answers 202 to everybody who is not too fast.
func (s *Server) askMail(w http.ResponseWriter, r *http.Request) {
	in, err := problem.Decode[mailRequest](w, r, webserver.MaxBody)
	if err == nil && in.Name.IsZero() {
		err = problem.New(problem.Malformed, "name is missing")
	}
	if err == nil {
		err = s.desk.mails.admit(r, s.clock())
	}
	if err == nil {
		err = s.desk.inviter.ask(in.Name)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	relayed{status: http.StatusAccepted, media: "application/json", body: []byte("{}\n")}.write(w)
}

// relayed passes on what an authority answers, whatever it is.
func (s *Server) relayed(w http.ResponseWriter, r *http.Request) {
	in, err := problem.Decode[relayRequest](w, r, webserver.MaxBody)
	if err == nil && len(in.Request) == 0 {
		err = problem.New(problem.Malformed, "request is missing")
	}
	if err == nil {
		err = s.desk.relays.admit(r, s.clock())
	}
	var answer relayed
	if err == nil {
		answer, err = s.desk.relay.forward(r.Context(), r.PathValue("index"), in)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer.write(w)
}

// routeInvitations adds the operator's calls.
func (s *Server) routeInvitations(mux *http.ServeMux) {
	mux.Handle("POST /admin/withdraw", act(s, func(ctx context.Context, in withdrawRequest) (Withdrawn, error) {
		return s.desk.inviter.withdraw(ctx, in.Name)
	}))
	mux.Handle("GET /admin/invitations", get(s, func(r *http.Request) (Invitations, error) {
		which, err := named(r)
		if err != nil {
			return Invitations{}, err
		}
		l, err := s.state.invitations(r.Context(), which, s.clock())
		return l, unavailable(err)
	}))
}

type inviteRequest struct {
	Name    identity.Name `json:"name"`
	Expires time.Time     `json:"expires,omitzero"`
}

type withdrawRequest struct {
	Name identity.Name `json:"name"`
}
