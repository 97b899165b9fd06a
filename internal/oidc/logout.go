package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var errHint = errors.New("no ID token of this issuer")

// verifyHint returns the claims of an ID token that this provider signed, however
// old.
func (s *server) verifyHint(ctx context.Context, token string) (c idClaims, err error) {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return c, errHint
	}
	jwks, err := s.state.published(ctx, s.clock())
	if err != nil {
		return c, err
	}
	for _, jwk := range jwks {
		var key jose.JSONWebKey
		if json.Unmarshal([]byte(jwk), &key) != nil {
			continue
		}
		payload, err := signed.Verify(key)
		if err != nil {
			continue
		}
		if json.Unmarshal(payload, &c) != nil || c.Issuer != s.issuer || len(c.Audience) != 1 || c.Subject == "" {
			return idClaims{}, errHint
		}
		return c, nil
	}
	return c, errHint
}

// EndSession ends the session of this browser, and all that was given in it, when an
// application shows an ID token of whoever is signed in. Without one anybody's link
// could sign people out. The way back is one of the URLs of the token's client, byte
// for byte, or our own page.
func (s *server) EndSession(ctx context.Context, r *op.Request[oidc.EndSessionRequest]) (*op.Redirect, error) {
	q := r.Data
	hint, err := s.verifyHint(ctx, q.IdTokenHint)
	switch {
	case errors.Is(err, errHint):
		return nil, oidc.ErrInvalidRequest().WithDescription("id_token_hint is needed: an ID token of this issuer")
	case err != nil:
		return nil, s.fault(err)
	case q.ClientID != "" && q.ClientID != hint.Audience[0]:
		return nil, oidc.ErrInvalidRequest().WithDescription("id_token_hint is of another client")
	}
	back, err := s.wayBack(ctx, hint.Audience[0], q)
	if err != nil {
		return nil, err
	}
	to := op.NewRedirect(back)
	who, found, err := s.present(ctx, r.Header)
	if err != nil {
		return nil, s.fault(err)
	}
	if !found || who.sub != hint.Subject {
		return to, nil
	}
	if err := s.state.end(ctx, who.digest); err != nil {
		return nil, s.fault(err)
	}
	to.Header = http.Header{"Set-Cookie": {s.cookie(sessionCookie, "", 0).String()}}
	return to, nil
}

func (s *server) wayBack(ctx context.Context, client string, q *oidc.EndSessionRequest) (string, error) {
	if q.PostLogoutRedirectURI == "" {
		return s.issuer + signinPage, nil
	}
	c, err := s.client(ctx, client)
	if err != nil && !errors.Is(err, errUnknownClient) {
		return "", s.fault(err)
	}
	if err != nil || !slices.Contains(c.PostLogouts, q.PostLogoutRedirectURI) {
		return "", oidc.ErrInvalidRequest().WithDescription("post_logout_redirect_uri is none of the client's")
	}
	u, err := url.Parse(q.PostLogoutRedirectURI)
	if err != nil {
		return "", s.fault(err)
	}
	if q.State != "" {
		values := u.Query()
		values.Set("state", q.State)
		u.RawQuery = values.Encode()
	}
	return u.String(), nil
}
