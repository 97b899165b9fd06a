//go:build linux

package browser

import (
	"context"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"milagro.dev/internal/oidc"
)

const applicationSecret = "wiki-secret-of-no-little-length"

// application is a wiki on coreos/go-oidc, at an origin of its own, to which people
// sign in.
type application struct {
	origin   string
	issuer   *gooidc.Provider
	config   oauth2.Config
	mu       sync.Mutex // of what follows
	begun    map[string]begun
	sessions map[string]*oauth2.Token
}

// begun is a sign-in on its way, by its state.
type begun struct{ nonce, verifier string }

func newApplication(t *testing.T) *application {
	t.Helper()
	a := &application{begun: map[string]begun{}, sessions: map[string]*oauth2.Token{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Another host than the login server's, as in life.
	a.origin = fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /in", a.in)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("GET /refresh", a.refresh)
	mux.HandleFunc("GET /out", a.out)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener) // until the test ends
	t.Cleanup(func() { server.Close() })
	return a
}

func (a *application) client(t *testing.T) oidc.Client {
	t.Helper()
	secret, err := oidc.HashSecret(applicationSecret)
	if err != nil {
		t.Fatal(err)
	}
	return oidc.Client{ID: "wiki", Redirects: []string{a.origin + "/callback"}, PostLogouts: []string{a.origin + "/"}, Secret: secret}
}

// provider finds out about the login server.
func (a *application) provider(t *testing.T, issuer string) {
	t.Helper()
	var err error
	// Its client outlives the test's context.
	if a.issuer, err = gooidc.NewProvider(context.WithoutCancel(t.Context()), issuer); err != nil {
		t.Fatal(err)
	}
	a.config = oauth2.Config{ClientID: "wiki", ClientSecret: applicationSecret, Endpoint: a.issuer.Endpoint(), RedirectURL: a.origin + "/callback",
		Scopes: []string{"openid", "email", "offline_access"}}
}

func (a *application) page(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Wiki</title><link rel="icon" href="data:,">%s</html>`, body)
}

// session returns the tokens of who asks.
func (a *application) session(r *http.Request) (string, *oauth2.Token) {
	c, err := r.Cookie("wiki")
	if err != nil {
		return "", nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return c.Value, a.sessions[c.Value]
}

func (a *application) keep(id string, token *oauth2.Token) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions[id] = token
}

// home asks the login server each time who is there.
func (a *application) home(w http.ResponseWriter, r *http.Request) {
	_, token := a.session(r)
	if token == nil {
		a.page(w, `<h1>Wiki</h1><a href="/in">Sign in</a>`)
		return
	}
	info, err := a.issuer.UserInfo(r.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		a.page(w, `<h1>Signed out by the login server</h1><a href="/in">Sign in</a>`)
		return
	}
	a.page(w, "<h1>Wiki of "+html.EscapeString(info.Email)+`</h1><a href="/out">Sign out</a>`)
}

func (a *application) in(w http.ResponseWriter, r *http.Request) {
	state, b := oauth2.GenerateVerifier(), begun{nonce: oauth2.GenerateVerifier(), verifier: oauth2.GenerateVerifier()}
	a.mu.Lock()
	a.begun[state] = b
	a.mu.Unlock()
	http.Redirect(w, r, a.config.AuthCodeURL(state, gooidc.Nonce(b.nonce), oauth2.S256ChallengeOption(b.verifier)), http.StatusFound)
}

func (a *application) callback(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	b, known := a.begun[r.FormValue("state")]
	delete(a.begun, r.FormValue("state"))
	a.mu.Unlock()
	if !known || r.FormValue("code") == "" {
		a.page(w, "<h1>Not signed in: "+html.EscapeString(r.FormValue("error"))+"</h1>")
		return
	}
	token, err := a.redeem(r.Context(), r.FormValue("code"), b)
	if err != nil {
		a.page(w, "<h1>Not signed in: "+html.EscapeString(err.Error())+"</h1>")
		return
	}
	id := oauth2.GenerateVerifier()
	a.keep(id, token)
	http.SetCookie(w, &http.Cookie{Name: "wiki", Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusFound)
}

func (a *application) redeem(ctx context.Context, code string, b begun) (*oauth2.Token, error) {
	token, err := a.config.Exchange(ctx, code, oauth2.VerifierOption(b.verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := a.issuer.Verifier(&gooidc.Config{ClientID: "wiki"}).Verify(ctx, raw)
	if err == nil && id.Nonce != b.nonce {
		err = fmt.Errorf("nonce %q", id.Nonce)
	}
	return token, err
}

func (a *application) refresh(w http.ResponseWriter, r *http.Request) {
	id, token := a.session(r)
	if token == nil {
		a.page(w, "<h1>Nobody is signed in</h1>")
		return
	}
	next, err := a.config.TokenSource(r.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		a.page(w, "<h1>Not refreshed</h1>")
		return
	}
	a.keep(id, next)
	a.page(w, "<h1>Refreshed</h1>")
}

// out signs out here, and at the login server.
func (a *application) out(w http.ResponseWriter, r *http.Request) {
	id, token := a.session(r)
	a.keep(id, nil)
	var claims struct {
		End string `json:"end_session_endpoint"`
	}
	if err := a.issuer.Claims(&claims); err != nil || token == nil {
		a.page(w, "<h1>Nobody is signed in</h1>")
		return
	}
	hint, _ := token.Extra("id_token").(string)
	http.Redirect(w, r, claims.End+"?"+url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {a.origin + "/"}}.Encode(), http.StatusFound)
}
