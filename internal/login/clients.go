package login

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"

	"milagro.dev/internal/oidc"
	"milagro.dev/internal/problem"
)

// Application is a client of the OpenID provider, as its operator sees it. The
// hash of its secret goes in and never comes out.
type Application struct {
	Client      string   `json:"client"`
	Redirects   []string `json:"redirects"`
	PostLogouts []string `json:"post_logouts,omitempty"`
	// Public says that it has no secret.
	Public     bool     `json:"public,omitempty"`
	SecretHash *HexHash `json:"secret_hash,omitempty"`
}

// Applications are the clients of the OpenID provider at Issuer.
type Applications struct {
	Issuer       string        `json:"issuer"`
	Applications []Application `json:"applications"`
	// Proposal waits for operators, and the application is not added yet.
	Proposal *Proposal `json:"proposal,omitempty"`
}

// clientRoutes serves the operator's calls about applications.
func (s *Server) clientRoutes(mux *http.ServeMux) {
	mux.Handle("GET /admin/clients", get(s, func(r *http.Request) (Applications, error) { return s.applications(r.Context()) }))
	mux.Handle("DELETE /admin/clients/{client}", get(s, func(r *http.Request) (nothing, error) {
		return nothing{}, s.removeApplication(r.Context(), r.PathValue("client"))
	}))
}

// openID returns the provider, or a problem if there is none.
func (s *Server) openID() (*oidc.Provider, error) {
	if s.provider == nil {
		return nil, problem.New(problem.Forbidden, "this login server is no OpenID provider").WithAdvice(`set openid = "on" in the settings of 'milagro login serve'`)
	}
	return s.provider, nil
}

func (s *Server) applications(ctx context.Context) (Applications, error) {
	p, err := s.openID()
	if err != nil {
		return Applications{}, err
	}
	clients, err := p.Clients(ctx)
	if err != nil {
		return Applications{}, unavailable(err)
	}
	all := Applications{Issuer: s.self.card.Origin, Applications: []Application{}}
	for _, c := range clients {
		all.Applications = append(all.Applications, Application{Client: c.ID, Redirects: c.Redirects, PostLogouts: c.PostLogouts, Public: c.Secret == nil})
	}
	return all, nil
}

// proposeApplication adds an application, or proposes it where two operators decide.
func (s *Server) proposeApplication(ctx context.Context, a Application) (Applications, error) {
	p, err := s.openID()
	if err != nil {
		return Applications{}, err
	}
	if _, err := a.client(); err != nil {
		return Applications{}, err
	}
	if s.council.sits() {
		if _, err := p.Client(ctx, a.Client); !errors.Is(err, fs.ErrNotExist) {
			return Applications{}, refusedClient(a, cmp.Or(err, error(fs.ErrExist)))
		}
		waits, err := s.council.propose(ctx, Act{Client: &a})
		return Applications{Issuer: s.self.card.Origin, Applications: []Application{}, Proposal: waits}, err
	}
	var added Applications
	err = s.state.write(ctx, func(ctx context.Context, tx transaction) error {
		added, err = s.addApplication(ctx, tx, a)
		return err
	})
	if err == nil {
		s.log.Info("client added", "client", a.Client)
	}
	return added, unavailable(err)
}

// client returns the application as the provider keeps it.
func (a Application) client() (oidc.Client, error) {
	c := oidc.Client{ID: a.Client, Redirects: a.Redirects, PostLogouts: a.PostLogouts, Secret: (*[32]byte)(a.SecretHash)}
	if err := c.Check(); err != nil {
		return c, problem.New(problem.Malformed, "%v", err)
	}
	if a.Public != (c.Secret == nil) {
		return c, problem.New(problem.Malformed, "an application has a secret or is public")
	}
	return c, nil
}

// addApplication adds an application in a transaction that may do more.
func (s *Server) addApplication(ctx context.Context, tx transaction, a Application) (Applications, error) {
	p, err := s.openID()
	if err != nil {
		return Applications{}, err
	}
	c, err := a.client()
	if err != nil {
		return Applications{}, err
	}
	if err := p.AddClient(ctx, tx.Tx, c); err != nil {
		return Applications{}, refusedClient(a, err)
	}
	now := s.clock()
	a.SecretHash = nil
	return Applications{Issuer: s.self.card.Origin, Applications: []Application{a}},
		tx.record(ctx, decision{id: tx.numbers.next(now), event: eventClientAdded, reason: a.Client})
}

// refusedClient words that there is such a client.
func refusedClient(a Application, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return problem.New(problem.Forbidden, "there is an application %s already", a.Client).WithAdvice("remove it first, or choose another name")
	}
	return unavailable(err)
}

func (s *Server) removeApplication(ctx context.Context, id string) error {
	p, err := s.openID()
	if err != nil {
		return err
	}
	err = p.RemoveClient(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.NotFound, "no application %.80q in the database", id).WithAdvice("'milagro login client list' lists them; those of the settings are removed there")
	}
	return unavailable(err)
}

// Clients returns the applications of the OpenID provider.
func (o *Operator) Clients(ctx context.Context) (a Applications, err error) {
	err = o.call(ctx, http.MethodGet, "/admin/clients", nil, &a)
	return a, err
}

// AddClient lets an application sign people in, from now on; where operators decide it
// makes a proposal.
func (o *Operator) AddClient(ctx context.Context, a Application) (added Applications, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/clients", a, &added)
	return added, err
}

// RemoveClient ends an application that AddClient added, and its tokens.
func (o *Operator) RemoveClient(ctx context.Context, id string) error {
	var none nothing
	return o.call(ctx, http.MethodDelete, "/admin/clients/"+url.PathEscape(id), nil, &none)
}
