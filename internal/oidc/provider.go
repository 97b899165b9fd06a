package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

// Where the provider is, below its issuer.
const (
	Discovery      = "/.well-known/openid-configuration"
	authorizePath  = "/oauth/authorize"
	tokenPath      = "/oauth/token"
	userinfoPath   = "/oauth/userinfo"
	introspectPath = "/oauth/introspect"
	revokePath     = "/oauth/revoke"
	logoutPath     = "/oauth/logout"
	keysPath       = "/oauth/keys"
	signinPath     = "/oauth/signin"
	signoutPath    = "/oauth/signout"
	// signinPage is our page that somebody signs in on.
	signinPage = "/signin"
)

// maxParameter bounds each parameter of a request, in bytes.
const maxParameter = 2 << 10

// Provider is the OpenID provider of one issuer. Its methods may be called by many
// goroutines.
type Provider struct {
	issuer  string
	state   *state
	keys    *Keyring
	auth    Authenticator
	clients map[string]Client
	most    int64 // requests that wait
	admit   func(*http.Request) error
	clock   func() time.Time
	log     *slog.Logger
	handler http.Handler
	waiting atomic.Int64 // requests that wait for somebody, about
}

// New returns a Provider whose keys are published. Errors are those of Config and of
// the database.
func New(ctx context.Context, cfg Config) (*Provider, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("OpenID provider: %w", err)
	}
	cfg = cfg.withDefaults()
	p := &Provider{issuer: cfg.Issuer, state: &state{cfg.DB}, keys: cfg.Keys, auth: cfg.Authenticator, clients: map[string]Client{},
		most: int64(cfg.Requests), admit: cfg.Admit, clock: cfg.Clock, log: cfg.Logger}
	for _, c := range cfg.Clients {
		p.clients[c.ID] = c
	}
	p.handler = p.routes()
	if err := p.Sweep(ctx); err != nil {
		return nil, fmt.Errorf("OpenID provider: %w", err)
	}
	return p, nil
}

// ServeHTTP serves Discovery and everything below /oauth/.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Sweep forgets what is past, takes the next signing key when it is time, and
// publishes it. Errors are those of the database and of the keyring's Save.
func (p *Provider) Sweep(ctx context.Context) error {
	now := p.clock()
	if err := p.keys.Rotate(now); err != nil {
		return err
	}
	if err := p.state.publish(ctx, p.keys.published(now)); err != nil {
		return err
	}
	waiting, err := p.state.sweep(ctx, now)
	if err == nil {
		p.waiting.Store(waiting)
	}
	return err
}

// Run is Sweep, every minute until ctx ends.
func (p *Provider) Run(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := p.Sweep(ctx); err != nil && ctx.Err() == nil {
			p.log.Error("OpenID state not swept", "error", err)
		}
	}
}

// patterns are what is served: the library sees what it is to parse, and only on the
// methods for it.
func (p *Provider) patterns() map[string]http.Handler {
	endpoints := op.Endpoints{Authorization: op.NewEndpoint(authorizePath), Token: op.NewEndpoint(tokenPath), Userinfo: op.NewEndpoint(userinfoPath),
		Introspection: op.NewEndpoint(introspectPath), Revocation: op.NewEndpoint(revokePath), EndSession: op.NewEndpoint(logoutPath), JwksURI: op.NewEndpoint(keysPath)}
	library := op.RegisterServer(&server{Provider: p}, endpoints, op.WithServerCORSOptions(nil), op.WithEncoder(issuing{oidc.NewEncoder(), p.issuer}))
	own := p.ownPages()
	return map[string]http.Handler{
		"GET " + Discovery:       once(library),
		"GET " + keysPath:        once(library),
		"GET " + authorizePath:   paged(p.unhurried(once(library))),
		"POST " + authorizePath:  paged(p.unhurried(once(library))),
		"GET " + logoutPath:      paged(once(library)),
		"POST " + logoutPath:     paged(once(library)),
		"POST " + tokenPath:      challenging("Basic", bare(once(library))),
		"POST " + introspectPath: challenging("Basic", bare(once(library))),
		"POST " + revokePath:     challenging("Basic", bare(once(library))),
		"GET " + userinfoPath:    challenging("Bearer", bare(once(library))),
		"POST " + userinfoPath:   challenging("Bearer", bare(once(library))),
		"POST " + signinPath:     own.Handler(http.HandlerFunc(p.signIn)),
		"POST " + signoutPath:    own.Handler(http.HandlerFunc(p.signOut)),
		"GET " + forwardPath:     http.HandlerFunc(p.forward),
		"GET " + forwardStart:    paged(p.unhurried(http.HandlerFunc(p.startForward))),
	}
}

func (p *Provider) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range p.patterns() {
		mux.Handle(pattern, handler)
	}
	return guarded(problem.Routes(mux))
}

// ownPages lets through what our own pages post, and programs that are no browsers.
func (p *Provider) ownPages() *http.CrossOriginProtection {
	own := http.NewCrossOriginProtection()
	if err := own.AddTrustedOrigin(p.issuer); err != nil {
		p.log.Error("the issuer is no origin", "error", err) // Config was checked
	}
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.refuse(w, r, problem.New(problem.Forbidden, "a page of another site sent this"))
	}))
	return own
}

// challenging says with every 401 how one authenticates (RFC 6749, 5.2; RFC 6750, 3).
func challenging(scheme string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(challenger{w, scheme}, r)
	})
}

type challenger struct {
	http.ResponseWriter
	scheme string
}

// WriteHeader adds WWW-Authenticate to a 401.
func (c challenger) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		c.Header().Set("WWW-Authenticate", c.scheme+` realm="milagro"`)
	}
	c.ResponseWriter.WriteHeader(status)
}

// unhurried keeps who asks too often from the places that are left.
func (p *Provider) unhurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.admit != nil && p.waiting.Load() >= p.most/2 && p.admit(r) != nil {
			w.Header().Set("Retry-After", "60")
			refused := oidc.ErrServerError().WithDescription("too many people are signing in from this network: try again in a minute")
			op.WriteError(w, r, op.NewStatusError(refused, http.StatusTooManyRequests), nil)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guarded bounds what comes in and says of every answer that it is neither framed,
// stored nor guessed at.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		r.Body = http.MaxBytesReader(w, r.Body, webserver.MaxBody)
		next.ServeHTTP(w, r)
	})
}

// bare refuses a query on what is posted: secrets do not belong in URLs.
func bare(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			op.WriteError(w, r, oidc.ErrInvalidRequest().WithDescription("parameters are in the body, not in the URL"), nil)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// once refuses a parameter that stands twice (RFC 6749, 3.1), or is too long.
func once(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := parseOnce(r); err != nil {
			status := http.StatusBadRequest
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
				status = http.StatusRequestEntityTooLarge
			}
			op.WriteError(w, r, op.NewStatusError(oidc.ErrInvalidRequest().WithDescription("%s", describe(err)), status), nil)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func parseOnce(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	for name, values := range r.Form {
		if len(values) > 1 {
			return fmt.Errorf("a parameter stands twice: %.40q", name)
		}
		limit := maxParameter
		if name == "id_token_hint" {
			limit = 2 * maxParameter
		}
		if len(values[0]) > limit {
			return fmt.Errorf("a parameter is too long: %.40q", name)
		}
		if strings.ContainsRune(values[0], 0) || !utf8.ValidString(values[0]) { // which a database may not take
			return fmt.Errorf("a parameter is no text: %.40q", name)
		}
	}
	return nil
}

// describe words why a form was refused; what a parser says of it stays here.
func describe(err error) string {
	if text := err.Error(); strings.HasPrefix(text, "a parameter ") {
		return text
	}
	return "the parameters do not parse"
}

type encoder interface {
	Encode(src any, dst map[string][]string) error
}

// issuing adds the issuer to error responses (RFC 9207).
type issuing struct {
	encoder
	issuer string
}

// Encode writes src into dst with the member iss.
func (i issuing) Encode(src any, dst map[string][]string) error {
	dst["iss"] = []string{i.issuer}
	return i.encoder.Encode(src, dst)
}

func signinURL(issuer, id string) string {
	return issuer + signinPage + "?request=" + url.QueryEscape(id)
}

// client returns an application by its ID, from the configuration or the database.
func (p *Provider) client(ctx context.Context, id string) (registered, error) {
	if c, ok := p.clients[id]; ok {
		return registered{c, p.issuer}, nil
	}
	if !clientID.MatchString(id) {
		return registered{}, errUnknownClient
	}
	c, found, err := p.state.client(ctx, id)
	if err == nil && !found {
		err = errUnknownClient
	}
	return registered{c, p.issuer}, err
}

var errUnknownClient = errors.New("unknown client")

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
