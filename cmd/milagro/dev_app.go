package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"milagro.dev/internal/custody"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
)

// appPatience bounds each call of the login server.
const appPatience = 10 * time.Second

// app is the application of 'milagro dev' to which people sign in: a relying party of
// OpenID Connect that knows nothing else of Milagro.
type app struct {
	site     *devSite
	issuer   string
	provider *oidc.Provider
	config   oauth2.Config
	end      string // where people are signed out
	client   *http.Client
	visits   *appVisits
}

// devAppCommand is a role of 'milagro dev' in a process of its own.
func devAppCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "app", Hidden: true, Short: "be the application of 'milagro dev'", Args: exactly(),
		Long: "Sign people in by OpenID Connect and show what the login server says of them.", Example: "  (started by 'milagro dev')",
	}
	listen := cmd.Flags().String("listen", "", "address to serve on")
	issuer := cmd.Flags().String("issuer", "", "the login server")
	client := cmd.Flags().String("client", "", "client ID there")
	file := cmd.Flags().String("secret-file", "", "file with the client's secret")
	supervised := addSupervised(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		secret, err := custody.ReadSecretFile(*file)
		if err != nil {
			return err
		}
		log := telemetry.NewLogger(cmd.ErrOrStderr(), slog.LevelInfo)
		ctx := supervised(cmd)
		a, err := newApp(ctx, *listen, *issuer, log)
		if err != nil {
			return err
		}
		a.config.ClientID, a.config.ClientSecret = *client, string(bytes.TrimRight(secret, "\r\n"))
		listener, err := net.Listen("tcp", *listen)
		if err != nil {
			return err
		}
		log.Info("serving", "address", *listen, "issuer", *issuer)
		return webserver.Run(ctx, listener, webserver.Config{Handler: a.site, Logger: log})
	}
	return cmd
}

// newApp finds out about the issuer. Its keys are fetched as long as ctx lives.
func newApp(ctx context.Context, host, issuer string, log *slog.Logger) (*app, error) {
	site, err := newDevSite(host, issuer, log)
	if err != nil {
		return nil, err
	}
	a := &app{site: site, issuer: issuer, client: &http.Client{Timeout: appPatience}, visits: newAppVisits()}
	if a.provider, err = oidc.NewProvider(oidc.ClientContext(ctx, a.client), issuer); err != nil {
		return nil, fmt.Errorf("issuer %s: %w", issuer, err)
	}
	var more struct {
		End string `json:"end_session_endpoint"`
	}
	if err := a.provider.Claims(&more); err != nil {
		return nil, err
	}
	a.end = more.End
	a.config = oauth2.Config{Endpoint: a.provider.Endpoint(), RedirectURL: site.url() + "callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess}}
	a.routes()
	return a, nil
}

// appSession is one browser that is signed in.
type appSession struct {
	mu    sync.Mutex // of what follows: a refresh token is used once
	token *oauth2.Token
	hint  string // the ID token as it came
	id    appIdentity
}

// appIdentity is what the login server says of a person.
type appIdentity struct {
	Subject  string   `json:"sub"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	AuthTime int64    `json:"auth_time"` // unix seconds
	Issued   int64    `json:"iat"`
	Nonce    string   `json:"nonce"`

	Name  string `json:"-"` // of the userinfo
	Email string `json:"-"`
}

// redeem takes a code to the login server, which the person's browser has brought, and
// returns who it is.
func (a *app) redeem(ctx context.Context, code string, b appBegun) (*appSession, error) {
	ctx = oidc.ClientContext(ctx, a.client)
	token, err := a.config.Exchange(ctx, code, oauth2.VerifierOption(b.verifier))
	if err != nil {
		return nil, err
	}
	s := new(appSession)
	if err := a.take(ctx, s, token); err != nil {
		return nil, err
	}
	if s.id.Nonce != b.nonce {
		return nil, errors.New("the ID token has the nonce of another sign-in")
	}
	return s, nil
}

// take verifies the ID token that came with a token and asks for the rest.
func (a *app) take(ctx context.Context, s *appSession, token *oauth2.Token) error {
	hint, _ := token.Extra("id_token").(string)
	verified, err := a.provider.Verifier(&oidc.Config{ClientID: a.config.ClientID}).Verify(ctx, hint)
	if err != nil {
		return fmt.Errorf("the ID token is not good: %w", err)
	}
	var id appIdentity
	if err := verified.Claims(&id); err != nil {
		return fmt.Errorf("the ID token is not good: %w", err)
	}
	if s.id.Subject != "" && s.id.Subject != id.Subject {
		return errors.New("the ID token is another person's")
	}
	s.token, s.hint, s.id = token, hint, id
	return a.ask(ctx, s)
}

// ask asks the login server who is there: who is signed out, or revoked, is nobody.
func (a *app) ask(ctx context.Context, s *appSession) error {
	info, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(s.token))
	if err != nil {
		return err
	}
	var more struct {
		Name string `json:"name"`
	}
	if err := info.Claims(&more); err != nil {
		return err
	}
	if info.Subject != s.id.Subject {
		return errors.New("the userinfo is another person's")
	}
	s.id.Name, s.id.Email = more.Name, info.Email
	return nil
}

// refresh has new tokens given for the session's.
func (a *app) refresh(ctx context.Context, s *appSession) error {
	ctx = oidc.ClientContext(ctx, a.client)
	token, err := a.config.TokenSource(ctx, &oauth2.Token{RefreshToken: s.token.RefreshToken}).Token()
	if err != nil {
		return err
	}
	return a.take(ctx, s, token)
}

// current returns who is signed in, as the login server says now.
func (a *app) current(ctx context.Context, s *appSession) (appIdentity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := error(nil)
	if s.token.Valid() { // it is for minutes
		err = a.ask(oidc.ClientContext(ctx, a.client), s)
	} else {
		err = a.refresh(ctx, s)
	}
	return s.id, err
}

// logout is where the browser goes to be signed out at the login server too.
func (a *app) logout(s *appSession) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.end + "?" + url.Values{"id_token_hint": {s.hint}, "client_id": {a.config.ClientID}, "post_logout_redirect_uri": {a.site.url()}}.Encode()
}

// claims returns what the page shows of a person.
func (i appIdentity) claims() []appClaim {
	amr, err := json.Marshal(i.AMR)
	if err != nil {
		panic(err) // strings
	}
	at := func(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
	return []appClaim{{"sub", i.Subject}, {"name", i.Name}, {"email", i.Email}, {"acr", i.ACR}, {"amr", string(amr)},
		{"auth_time", at(i.AuthTime)}, {"iat", at(i.Issued)}}
}
