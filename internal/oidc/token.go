package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// idClaims is the payload of an ID token.
type idClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience []string `json:"aud"`
	Party    string   `json:"azp"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	AuthTime int64    `json:"auth_time"`
	Nonce    string   `json:"nonce,omitempty"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
}

// CodeExchange gives tokens for a code. Whatever is wrong, the code is burnt.
func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	g := newGiving(r.Client.GetID(), s.clock())
	found, err := s.state.exchange(ctx, g, exchange{code: digestOf(r.Data.Code), redirect: r.Data.RedirectURI, verifier: r.Data.CodeVerifier})
	if err != nil {
		return nil, s.fault(err)
	}
	if !found {
		return nil, oidc.ErrInvalidGrant().WithDescription("the code is not good, or was used, or is not this client's, or the verifier is not that of its challenge")
	}
	return s.give(g)
}

// RefreshToken gives new tokens for a refresh token, once. Shown again it revokes
// all that came of its code: one of two who have it stole it.
func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	g := newGiving(r.Client.GetID(), s.clock())
	found, err := s.state.refresh(ctx, g, digestOf(r.Data.RefreshToken), r.Data.Scopes)
	switch {
	case errors.Is(err, errScope):
		return nil, oidc.ErrInvalidScope().WithDescription("a scope that was not given")
	case err != nil:
		return nil, s.fault(err)
	}
	if !found {
		return nil, oidc.ErrInvalidGrant().WithDescription("the refresh token is not good, or was used, or is not this client's")
	}
	return s.give(g)
}

// errScope undoes a refresh.
var errScope = errors.New("a scope that was not given")

func has(scopes, scope string) bool {
	for s := range strings.FieldsSeq(scopes) {
		if s == scope {
			return true
		}
	}
	return false
}

// giving is what a client gets for a code or a refresh token.
type giving struct {
	client          string
	now             time.Time
	access, refresh secret

	// What the database says:
	family        digest
	who           session
	scopes, nonce string
	until         time.Time // the family's end
}

func newGiving(client string, now time.Time) *giving {
	return &giving{client: client, now: now, access: newSecret(), refresh: newSecret()}
}

// give answers with tokens that are durable.
func (s *server) give(g *giving) (*op.Response, error) {
	id, err := s.sign(g)
	if err != nil {
		return nil, s.fault(err)
	}
	answer := oidc.AccessTokenResponse{AccessToken: g.access.String(), TokenType: oidc.BearerToken, ExpiresIn: uint64(AccessLife / time.Second), IDToken: id,
		Scope: strings.Fields(g.scopes)}
	if has(g.scopes, oidc.ScopeOfflineAccess) {
		answer.RefreshToken = g.refresh.String()
	}
	response := op.NewResponse(answer)
	response.Header = http.Header{"Pragma": {"no-cache"}}
	return response, nil
}

func (s *server) sign(g *giving) (string, error) {
	payload, err := json.Marshal(idClaims{Issuer: s.issuer, Subject: g.who.sub, Audience: []string{g.client}, Party: g.client, IssuedAt: g.now.Unix(),
		Expires: g.now.Add(AccessLife).Unix(), AuthTime: g.who.authenticated.Unix(), Nonce: g.nonce, ACR: acr, AMR: amr()})
	if err != nil {
		return "", err
	}
	signer, err := s.keys.signer(g.now)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
