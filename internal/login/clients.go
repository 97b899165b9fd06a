package login

import (
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
}

// clientRoutes serves the operator's calls about applications.
func (s *Server) clientRoutes(mux *http.ServeMux) {
	mux.Handle("GET /admin/clients", get(s, func(r *http.Request) (Applications, error) { return s.applications(r.Context()) }))
	mux.Handle("POST /admin/clients", act(s, s.addApplication))
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

func (s *Server) addApplication(ctx context.Context, a Application) (Applications, error) {
	p, err := s.openID()
	if err != nil {
		return Applications{}, err
	}
	c := oidc.Client{ID: a.Client, Redirects: a.Redirects, PostLogouts: a.PostLogouts, Secret: (*[32]byte)(a.SecretHash)}
	if err := c.Check(); err != nil {
		return Applications{}, problem.New(problem.Malformed, "%v", err)
	}
	if a.Public != (c.Secret == nil) {
		return Applications{}, problem.New(problem.Malformed, "an application has a secret or is public")
	}
	err = p.AddClient(ctx, c)
	if errors.Is(err, fs.ErrExist) {
		return Applications{}, problem.New(problem.Forbidden, "there is an application %s already", c.ID).WithAdvice("remove it first, or choose another name")
	}
	return Applications{Issuer: s.self.card.Origin, Applications: []Application{{Client: a.Client, Redirects: a.Redirects, PostLogouts: a.PostLogouts, Public: a.Public}}},
		unavailable(err)
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

// AddClient lets an application sign people in, from now on.
func (o *Operator) AddClient(ctx context.Context, a Application) (added Applications, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/clients", a, &added)
	return added, err
}

// RemoveClient ends an application that AddClient added, and its tokens.
func (o *Operator) RemoveClient(ctx context.Context, id string) error {
	var none nothing
	return o.call(ctx, http.MethodDelete, "/admin/clients/"+url.PathEscape(id), nil, &none)
}
