package oidc

import (
	"context"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// userinfo is what the scopes profile and email tell beside the sub. Whether the
// mailbox is the person's, the provider does not know: that is for the authorities.
type userinfo struct {
	Subject  string `json:"sub"`
	Name     string `json:"name,omitempty"`
	Username string `json:"preferred_username,omitempty"`
	Email    string `json:"email,omitempty"`
}

// UserInfo tells the bearer of an access token whose it is.
func (s *server) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	k, found, err := s.state.token(ctx, digestOf(r.Data.AccessToken), s.clock())
	if err != nil {
		return nil, s.fault(err)
	}
	if !found || k.kind != "access" {
		return nil, op.NewStatusError(&oidc.Error{ErrorType: "invalid_token", Description: "the access token is not good"}, http.StatusUnauthorized)
	}
	account, person := strings.CutPrefix(k.who.name, "acct:")
	u := userinfo{Subject: k.who.sub}
	if has(k.scopes, oidc.ScopeProfile) {
		u.Name, u.Username = account, account
	}
	if person && has(k.scopes, oidc.ScopeEmail) {
		u.Email = account
	}
	return op.NewResponse(u), nil
}

// introspection is RFC 7662, 2.2.
type introspection struct {
	Active   bool     `json:"active"`
	Scope    string   `json:"scope,omitempty"`
	Client   string   `json:"client_id,omitempty"`
	Type     string   `json:"token_type,omitempty"`
	Expires  int64    `json:"exp,omitempty"`
	IssuedAt int64    `json:"iat,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	Subject  string   `json:"sub,omitempty"`
	Audience []string `json:"aud,omitempty"`
	Issuer   string   `json:"iss,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
}

// Introspect tells a client that has a secret about its own tokens. Of any other
// token, as of none, it says that it is not active.
func (s *server) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	c, err := s.authenticate(ctx, r.Data.ClientCredentials)
	if err != nil {
		return nil, err
	}
	if c.Secret == nil {
		return nil, op.NewStatusError(oidc.ErrInvalidClient().WithDescription("a client with a secret may ask"), http.StatusUnauthorized)
	}
	k, found, err := s.state.token(ctx, digestOf(r.Data.Token), s.clock())
	if err != nil {
		return nil, s.fault(err)
	}
	if !found || k.client != c.ID {
		return op.NewResponse(introspection{}), nil
	}
	answer := introspection{Active: true, Scope: k.scopes, Client: k.client, Expires: k.expires.Unix(), IssuedAt: k.made.Unix(), AuthTime: k.who.authenticated.Unix(),
		Subject: k.who.sub, Audience: []string{k.client}, Issuer: s.issuer, ACR: acr, AMR: amr()}
	if k.kind == "access" {
		answer.Type = oidc.BearerToken
	}
	return op.NewResponse(answer), nil
}

// Revocation ends a token of the client that shows it; of others it ends none, and
// says the same (RFC 7009, 2.2).
func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	if err := s.state.revoke(ctx, r.Client.GetID(), digestOf(r.Data.Token)); err != nil {
		return nil, s.fault(err)
	}
	return op.NewResponse(nil), nil
}
