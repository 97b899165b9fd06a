package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"milagro.dev/internal/problem"
)

// What ID tokens say of how somebody signed in.
const acr = "urn:milagro:acr:mpin"

func amr() []string { return []string{"pin", "pop", "mfa"} }

// scopes are those that mean something here; others are dropped.
var scopes = []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopeOfflineAccess}

// server is what the library asks when it has parsed a request.
type server struct {
	op.UnimplementedServer
	*Provider
}

var _ op.Server = (*server)(nil)

// discovery is the metadata of OpenID Connect Discovery 1.0 and RFC 9207.
type discovery struct {
	oidc.DiscoveryConfiguration
	IssParameter bool `json:"authorization_response_iss_parameter_supported"`
}

// Discovery describes what there is, and nothing that is not.
func (s *server) Discovery(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	secretMethods := []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost}
	d := discovery{IssParameter: true}
	d.Issuer = s.issuer
	d.AuthorizationEndpoint, d.TokenEndpoint = s.issuer+authorizePath, s.issuer+tokenPath
	d.UserinfoEndpoint, d.JwksURI = s.issuer+userinfoPath, s.issuer+keysPath
	d.IntrospectionEndpoint, d.RevocationEndpoint, d.EndSessionEndpoint = s.issuer+introspectPath, s.issuer+revokePath, s.issuer+logoutPath
	d.ScopesSupported = scopes
	d.ResponseTypesSupported, d.ResponseModesSupported = []string{string(oidc.ResponseTypeCode)}, []string{string(oidc.ResponseModeQuery)}
	d.GrantTypesSupported = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
	d.ACRValuesSupported, d.SubjectTypesSupported = []string{acr}, []string{"public"}
	d.IDTokenSigningAlgValuesSupported = []string{"ES256"}
	d.TokenEndpointAuthMethodsSupported = append(slices.Clone(secretMethods), oidc.AuthMethodNone)
	d.RevocationEndpointAuthMethodsSupported = d.TokenEndpointAuthMethodsSupported
	d.IntrospectionEndpointAuthMethodsSupported = secretMethods
	d.ClaimsSupported = []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "name", "preferred_username", "email"}
	d.CodeChallengeMethodsSupported = []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256}
	return op.NewResponse(d), nil
}

// Keys returns the public keys of every server of this database. Whoever verifies
// may keep them for an hour.
func (s *server) Keys(ctx context.Context, _ *op.Request[struct{}]) (*op.Response, error) {
	jwks, err := s.state.published(ctx, s.clock())
	if err != nil {
		return nil, s.fault(err)
	}
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, jwk := range jwks {
		set.Keys = append(set.Keys, json.RawMessage(jwk))
	}
	return op.NewResponse(set), nil
}

// fault logs what broke and words it for strangers.
func (s *server) fault(err error) error {
	s.log.Error("OpenID request failed", "error", err)
	return op.NewStatusError(oidc.ErrServerError().WithDescription("cannot answer now"), http.StatusServiceUnavailable)
}

// VerifyAuthRequest finds the client. What is refused here is told to whoever
// brought the request and to no redirect URL.
func (s *server) VerifyAuthRequest(ctx context.Context, r *op.Request[oidc.AuthRequest]) (*op.ClientRequest[oidc.AuthRequest], error) {
	q := r.Data
	for _, unsupported := range []string{"request", "request_uri", "registration", "claims"} {
		if r.Form.Has(unsupported) {
			return nil, oidc.ErrInvalidRequest().WithDescription("the parameter %s is not supported", unsupported)
		}
	}
	if q.ResponseMode != "" && q.ResponseMode != oidc.ResponseModeQuery {
		return nil, oidc.ErrInvalidRequest().WithDescription("response_mode is query")
	}
	c, err := s.client(ctx, q.ClientID)
	switch {
	case errors.Is(err, errUnknownClient):
		return nil, oidc.ErrInvalidRequest().WithDescription("unknown client_id")
	case err != nil:
		return nil, s.fault(err)
	}
	return &op.ClientRequest[oidc.AuthRequest]{Request: r, Client: c}, nil
}

var challengeS256 = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// Authorize answers a request whose redirect URL is the client's: with a code if
// somebody is signed in who will do, else with the way to our page. Errors go to the
// redirect URL.
func (s *server) Authorize(ctx context.Context, r *op.ClientRequest[oidc.AuthRequest]) (*op.Redirect, error) {
	q := r.Data
	if q.CodeChallengeMethod != oidc.CodeChallengeMethodS256 || !challengeS256.MatchString(q.CodeChallenge) {
		return nil, oidc.ErrInvalidRequest().WithDescription("PKCE is required: code_challenge_method S256 and its code_challenge")
	}
	if !slices.Contains(q.Scopes, oidc.ScopeOpenID) {
		return nil, oidc.ErrInvalidScope().WithDescription("the scope openid is required")
	}
	prompt, err := promptOf(q.Prompt)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	asked := request{client: q.ClientID, redirect: q.RedirectURI, scopes: keptScopes(q.Scopes), state: q.State, nonce: q.Nonce, challenge: q.CodeChallenge, made: now}
	if q.IDTokenHint != "" {
		hint, err := s.verifyHint(ctx, q.IDTokenHint)
		if err != nil {
			return nil, oidc.ErrInvalidRequest().WithDescription("id_token_hint is none of this issuer's")
		}
		asked.hint = hint.Subject
	}
	who, found, err := s.present(ctx, r.Header)
	if err != nil {
		return nil, s.fault(err)
	}
	if found && prompt != promptLogin && fresh(who, q.MaxAge, now) && (asked.hint == "" || asked.hint == who.sub) {
		target, err := s.grant(ctx, who.digest, asked)
		if err != nil {
			return nil, s.fault(err)
		}
		return op.NewRedirect(target), nil
	}
	if prompt == promptNone {
		return nil, oidc.ErrLoginRequired()
	}
	return s.wait(ctx, r.Header, asked)
}

// prompt is what an application wants of the person.
type prompt int

const (
	promptAsNeeded prompt = iota
	promptNone
	promptLogin
)

// promptOf reads the parameter prompt. Consent is the operator's, who added the
// client; choosing an account is signing in.
func promptOf(values []string) (prompt, error) {
	result := promptAsNeeded
	for _, v := range values {
		switch v {
		case oidc.PromptNone: // the library has refused it beside others
			result = promptNone
		case oidc.PromptLogin, oidc.PromptSelectAccount:
			result = promptLogin
		case oidc.PromptConsent:
		default:
			return 0, oidc.ErrInvalidRequest().WithDescription("prompt is none, login, select_account or consent")
		}
	}
	return result, nil
}

// fresh reports whether a session is as young as an application wants it.
func fresh(who session, maxAge *uint, now time.Time) bool {
	return maxAge == nil || now.Sub(who.authenticated) <= min(time.Duration(*maxAge), SessionLife/time.Second)*time.Second && *maxAge > 0
}

func keptScopes(asked []string) string {
	var kept []string
	for _, scope := range scopes {
		if slices.Contains(asked, scope) {
			kept = append(kept, scope)
		}
	}
	return strings.Join(kept, " ")
}

// wait keeps a request for the browser that brought it and returns the way to our
// page.
func (p *Provider) wait(ctx context.Context, h http.Header, asked request) (*op.Redirect, error) {
	if p.waiting.Add(1) > p.most {
		p.waiting.Add(-1)
		return nil, op.NewStatusError(oidc.ErrServerError().WithDescription("too many people are signing in"), http.StatusServiceUnavailable)
	}
	browser, cookie := p.browser(h)
	id := newSecret()
	if err := p.state.ask(ctx, id, digestOf(browser), asked); err != nil {
		p.waiting.Add(-1)
		p.log.Error("OpenID request failed", "error", err)
		return nil, op.NewStatusError(oidc.ErrServerError().WithDescription("cannot answer now"), http.StatusServiceUnavailable)
	}
	to := op.NewRedirect(signinURL(p.issuer, id.String()))
	to.Header.Add("Set-Cookie", cookie.String())
	return to, nil
}

// grant returns the redirect URL with a code for a session, or just the page if
// there is no client.
func (p *Provider) grant(ctx context.Context, of digest, asked request) (string, error) {
	if asked.client == "" {
		return asked.redirect, nil
	}
	code := newSecret()
	if err := p.state.issue(ctx, issue{code: code.digest(), session: of, asked: asked, now: p.clock()}); err != nil {
		return "", err
	}
	return p.answer(asked, url.Values{"code": {code.String()}}), nil
}

// answer returns the redirect URL with a response, which names its issuer (RFC 9207).
func (p *Provider) answer(asked request, response url.Values) string {
	u, err := url.Parse(asked.redirect)
	if err != nil {
		return p.issuer // a registered URL parses
	}
	response.Set("iss", p.issuer)
	if asked.state != "" {
		response.Set("state", asked.state)
	}
	q := u.Query()
	for name, values := range response {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// VerifyClient returns the client that a request at the token or the revocation
// endpoint proves to come from. A code that comes with no such proof is burnt.
func (s *server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	c, err := s.authenticate(ctx, r.Data)
	if err == nil {
		return c, nil
	}
	if code := r.Form.Get("code"); code != "" {
		if err := s.state.burn(ctx, digestOf(code)); err != nil {
			return nil, s.fault(err)
		}
	}
	return nil, err
}

// authenticate has one refusal for unknown clients and wrong secrets.
func (s *server) authenticate(ctx context.Context, shown *op.ClientCredentials) (registered, error) {
	c, err := s.client(ctx, shown.ClientID)
	if err != nil && !errors.Is(err, errUnknownClient) {
		return registered{}, s.fault(err)
	}
	if err != nil || shown.ClientAssertion != "" || !c.opened(shown.ClientSecret) {
		return registered{}, op.NewStatusError(oidc.ErrInvalidClient().WithDescription("unknown client, or wrong secret"), http.StatusUnauthorized)
	}
	return c, nil
}

// unavailable words a fault of storage as a problem.
func unavailable(err error) error {
	if p := (*problem.Problem)(nil); err == nil || errors.As(err, &p) {
		return err
	}
	return errors.Join(problem.New(problem.Unavailable, ""), err)
}
