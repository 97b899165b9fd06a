package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"milagro.dev/identity"
	trust "milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/oidc"
	pages "milagro.dev/web"
)

// signinTown is a domain whose login server enrols people by invitation and serves
// the pages, and an application that signs them in.
type signinTown struct {
	domain *authoritytest.Domain
	server *logintest.Server
	app    *httptest.Server
}

func newSigninTown() (*signinTown, error) {
	s := &signinTown{}
	if err := s.open(context.Background()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *signinTown) open(ctx context.Context) (err error) {
	var roots []trust.RegistrationRoot
	s.domain, err = authoritytest.Make(ctx, authoritytest.Config{Domain: "bench.example", Threshold: 2, Authorities: 2, Limits: unlimited(), Flags: []string{"shared-root"},
		Registrations: func(uint32) []trust.RegistrationRoot { return roots }})
	if err != nil {
		return err
	}
	handler, err := pages.Handler(pages.Config{})
	if err != nil {
		return err
	}
	s.server, err = logintest.Make(ctx, logintest.Config{Domain: s.domain, Published: s.domain.Published, Login: login.Config{Pages: handler, OpenID: login.WithOpenID}})
	if err != nil {
		return err
	}
	everybody, err := identity.ParsePattern("acct:*@bench.example")
	if err != nil {
		return err
	}
	roots = []trust.RegistrationRoot{{Name: "login", Key: s.server.Card.Ed25519, Allow: []identity.Pattern{everybody}}}
	for _, m := range s.domain.Members {
		if err := m.Restart(ctx); err != nil {
			return err
		}
	}
	return s.addApplication(ctx)
}

// addApplication starts an application on coreos/go-oidc. Everybody who comes to it
// signs in with a PIN.
func (s *signinTown) addApplication(ctx context.Context) error {
	provider, err := gooidc.NewProvider(ctx, s.server.URL())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	s.app = httptest.NewServer(mux)
	secret := oidc.NewSecret()
	hash, err := oidc.HashSecret(secret)
	if err != nil {
		return err
	}
	config := &oauth2.Config{ClientID: "app", ClientSecret: secret, RedirectURL: s.app.URL + "/callback", Endpoint: provider.Endpoint(),
		Scopes: []string{"openid", "email", "offline_access"}}
	verifier, state := oauth2.GenerateVerifier(), oauth2.GenerateVerifier() // for one person these will do
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("prompt", "login")), http.StatusFound)
	})
	tokens := provider.Verifier(&gooidc.Config{ClientID: config.ClientID, SupportedSigningAlgs: []string{"ES256"}})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		if err := redeem(r, config, tokens, verifier, state); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		http.Redirect(w, r, "/page", http.StatusFound)
	})
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>Application</title><h1>You are at the application</h1>")
	})
	_, err = s.server.Operator().AddClient(ctx, login.Application{Client: config.ClientID, Redirects: []string{config.RedirectURL}, SecretHash: (*login.HexHash)(hash)})
	return err
}

// redeem is what an application does when somebody comes back.
func redeem(r *http.Request, config *oauth2.Config, tokens *gooidc.IDTokenVerifier, verifier, state string) error {
	if r.FormValue("state") != state {
		return errors.New("another state")
	}
	token, err := config.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return err
	}
	id, _ := token.Extra("id_token").(string)
	_, err = tokens.Verify(r.Context(), id)
	return err
}

func (s *signinTown) invite(name string) (link string, err error) {
	n, err := identity.ParseName(name)
	if err != nil {
		return "", err
	}
	i, err := s.server.Operator().Invite(context.Background(), n, time.Time{})
	return i.Link, err
}

func (s *signinTown) close() error {
	var errs []error
	if s.app != nil {
		s.app.Close()
	}
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	if s.domain != nil {
		errs = append(errs, s.domain.Close())
	}
	return errors.Join(errs...)
}
