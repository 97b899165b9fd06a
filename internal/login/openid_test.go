package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/oidc"
	"milagro.dev/mpin"
)

const (
	wikiSecret = "wiki-secret-of-no-little-length"
	wikiURL    = "https://wiki.example.org/callback"
	wikiOut    = "https://wiki.example.org/bye"
)

// withOpenID makes a login server a provider, with one application.
func withOpenID(c *logintest.Config) {
	secret, err := oidc.HashSecret(wikiSecret)
	if err != nil {
		panic(err) // it is long enough
	}
	c.Login.OpenID = login.WithOpenID
	c.Login.Clients = []oidc.Client{{ID: "wiki", Redirects: []string{wikiURL}, PostLogouts: []string{wikiOut}, Secret: secret}}
}

// relyingParty is an application on coreos/go-oidc, with the browser of a person.
type relyingParty struct {
	*stage
	provider *gooidc.Provider
	config   oauth2.Config
	browser  *http.Client
	verifier string
}

func (s *stage) relyingParty() *relyingParty {
	s.t.Helper()
	provider, err := gooidc.NewProvider(s.t.Context(), s.URL())
	s.done(err)
	jar, err := cookiejar.New(nil)
	s.done(err)
	return &relyingParty{stage: s, provider: provider, verifier: oauth2.GenerateVerifier(),
		config:  oauth2.Config{ClientID: "wiki", ClientSecret: wikiSecret, Endpoint: provider.Endpoint(), RedirectURL: wikiURL, Scopes: []string{"openid", "email", "offline_access"}},
		browser: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// to asks for a URL and returns where it leads.
func (r *relyingParty) to(address string) *url.URL {
	r.t.Helper()
	response, err := r.browser.Get(address)
	r.done(err)
	defer response.Body.Close()
	to, err := response.Location()
	if err != nil {
		body, _ := io.ReadAll(response.Body)
		r.t.Fatalf("%s: %s %s", address, response.Status, body)
	}
	return to
}

// begins begins a sign-in and returns where it leads.
func (r *relyingParty) begins(options ...oauth2.AuthCodeOption) *url.URL {
	r.t.Helper()
	return r.to(r.config.AuthCodeURL("state", append(options, gooidc.Nonce("nonce"), oauth2.S256ChallengeOption(r.verifier))...))
}

// shows shows a statement, as the page does, and returns status and way back.
func (r *relyingParty) shows(request, statement string) (int, *url.URL) {
	r.t.Helper()
	body, err := json.Marshal(map[string]string{"request": request, "statement": statement})
	r.done(err)
	response, err := r.browser.Post(r.URL()+"/oauth/signin", "application/json", bytes.NewReader(body))
	r.done(err)
	defer response.Body.Close()
	var answer struct{ Redirect string }
	r.done(json.NewDecoder(response.Body).Decode(&answer))
	to, err := url.Parse(answer.Redirect)
	r.done(err)
	return response.StatusCode, to
}

// signsIn signs a person in and returns the tokens, verified.
func (r *relyingParty) signsIn(p *logintest.Person) (*oauth2.Token, *gooidc.IDToken) {
	r.t.Helper()
	page := r.begins()
	_, back := r.shows(page.Query().Get("request"), r.logsIn(p).Statement)
	return r.redeems(back)
}

func (r *relyingParty) redeems(back *url.URL) (*oauth2.Token, *gooidc.IDToken) {
	r.t.Helper()
	token, err := r.config.Exchange(r.t.Context(), back.Query().Get("code"), oauth2.VerifierOption(r.verifier))
	if err != nil {
		r.t.Fatalf("back at %v: %v", back, err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := r.provider.Verifier(&gooidc.Config{ClientID: "wiki", Now: r.clock.Now}).Verify(r.t.Context(), raw)
	r.done(err)
	return token, id
}

// userinfo asks for a token's person.
func (r *relyingParty) userinfo(token *oauth2.Token) (*gooidc.UserInfo, error) {
	return r.provider.UserInfo(r.t.Context(), oauth2.StaticTokenSource(token))
}

// refreshes gets new tokens.
func (r *relyingParty) refreshes(token *oauth2.Token) (*oauth2.Token, error) {
	return r.config.TokenSource(r.t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
}

// TestGoOIDCSignsInRefreshesAndSignsOut: an application that was not written here.
func TestGoOIDCSignsInRefreshesAndSignsOut(t *testing.T) {
	t.Parallel()
	s := newStage(t, withOpenID)
	p, r := s.Person(t, alice, right), s.relyingParty()
	token, id := r.signsIn(p)
	var claims struct {
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
		AuthTime int64    `json:"auth_time"`
	}
	s.done(id.Claims(&claims))
	if id.Nonce != "nonce" || claims.ACR == "" || strings.Join(claims.AMR, " ") != "pin pop mfa" || s.clock.Now().Unix()-claims.AuthTime > 60 {
		t.Errorf("ID token %+v, %+v", id, claims)
	}
	info, err := r.userinfo(token)
	if err != nil || info.Subject != id.Subject || info.Email != "alice@example.org" {
		t.Errorf("userinfo %+v, %v", info, err)
	}
	next, err := r.refreshes(token)
	s.done(err)
	if _, err := r.userinfo(next); err != nil || next.RefreshToken == token.RefreshToken {
		t.Errorf("after a refresh: %v", err)
	}
	if r.begins(oauth2.SetAuthURLParam("prompt", "none")).Query().Get("code") == "" {
		t.Error("who is signed in is asked again")
	}
	out := r.to(r.URL() + "/oauth/logout?" + url.Values{"id_token_hint": {token.Extra("id_token").(string)}, "post_logout_redirect_uri": {wikiOut}}.Encode())
	if out.String() != wikiOut || r.begins(oauth2.SetAuthURLParam("prompt", "none")).Query().Get("error") != "login_required" {
		t.Errorf("after a logout: %v", out)
	}
	if _, err := r.refreshes(next); err == nil {
		t.Error("a refresh token outlives the logout")
	}
}

func TestSubSurvivesANewDevice(t *testing.T) {
	t.Parallel()
	s := newStage(t, withOpenID)
	first, second, other := s.Person(t, alice, right), s.Person(t, alice, wrong), s.Person(t, bob, right)
	_, id := s.relyingParty().signsIn(first)
	page := s.relyingParty()
	begun := page.begins()
	answer, err := second.Login(t.Context(), wrong, mpin.Intent{})
	s.done(err)
	_, back := page.shows(begun.Query().Get("request"), answer.Statement)
	_, again := page.redeems(back)
	_, another := s.relyingParty().signsIn(other)
	if id.Subject != again.Subject || id.Subject == another.Subject || len(id.Subject) != 43 {
		t.Errorf("subjects %s, %s and %s", id.Subject, again.Subject, another.Subject)
	}
}

func TestRevokedDeviceIsSignedOutAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, withOpenID)
	lost, kept := s.Person(t, alice, right), s.Person(t, alice, right)
	theirs, mine := s.relyingParty(), s.relyingParty()
	stolen, _ := theirs.signsIn(lost)
	own, _ := mine.signsIn(kept)
	waiting, statement := theirs.begins(oauth2.SetAuthURLParam("prompt", "login")), s.logsIn(lost).Statement
	hash := lost.Device.Hash()
	_, err := s.Operator().Revoke(t.Context(), lost.Name, &hash)
	s.done(err)
	if _, err := theirs.userinfo(stolen); err == nil {
		t.Error("the access token is good")
	}
	if _, err := theirs.refreshes(stolen); err == nil {
		t.Error("the refresh token is good")
	}
	if theirs.begins(oauth2.SetAuthURLParam("prompt", "none")).Query().Get("error") != "login_required" {
		t.Error("the session is good")
	}
	if status, _ := theirs.shows(waiting.Query().Get("request"), statement); status != http.StatusForbidden {
		t.Errorf("a statement of before signs in: %d", status)
	}
	if _, err := mine.userinfo(own); err != nil {
		t.Errorf("another device of the same person: %v", err)
	}
}

func TestStatementsOfOthersSignNobodyIn(t *testing.T) {
	t.Parallel()
	s := newStage(t, withOpenID)
	p, r := s.Person(t, alice, right), s.relyingParty()
	good := s.logsIn(p).Statement
	parts := strings.Split(good, ".")
	for name, statement := range map[string]string{
		"nothing": "x", "no signature": parts[0] + "." + parts[1] + ".", "no algorithm": "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"another payload": parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2],
	} {
		if status, _ := r.shows(r.begins().Query().Get("request"), statement); status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
	}
	_, id := r.signsIn(p)
	raw, err := json.Marshal(id)
	s.done(err)
	if status, _ := r.shows(r.begins(oauth2.SetAuthURLParam("prompt", "login")).Query().Get("request"), string(raw)); status != http.StatusForbidden {
		t.Errorf("an ID token: %d", status)
	}
	waiting, late := r.begins(oauth2.SetAuthURLParam("prompt", "login")), s.logsIn(p).Statement
	s.clock.forward(6 * time.Minute)
	if status, _ := r.shows(waiting.Query().Get("request"), late); status != http.StatusForbidden {
		t.Errorf("late: %d", status)
	}
}

// TestSigningKeysOfOpenIDAreSealed: their files are of no use without the server's
// key, and a restart goes on with them.
func TestSigningKeysOfOpenIDAreSealed(t *testing.T) {
	t.Parallel()
	s := newStage(t, withOpenID)
	r := s.relyingParty()
	token, _ := r.signsIn(s.Person(t, alice, right))
	keys, err := filepath.Glob(filepath.Join(s.Dir, "openid-key-*"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	info, err := os.Stat(keys[0])
	s.done(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	before := s.jwks()
	s.done(s.Restart(t.Context()))
	if after := s.jwks(); after != before {
		t.Errorf("keys %s, were %s", after, before)
	}
	if _, err := r.userinfo(token); err != nil {
		t.Error("signed out by a restart:", err)
	}
	s.done(s.Stop())
	s.done(os.WriteFile(keys[0], []byte("x"), 0o600))
	if _, err := login.Open(context.WithoutCancel(t.Context()), s.settings()); err == nil {
		t.Error("a server opens with a damaged key")
	}
	s.done(errors.Join(os.Remove(keys[0]), s.Start(t.Context())))
}

func (s *stage) jwks() string {
	s.t.Helper()
	response, err := http.Get(s.URL() + "/oauth/keys")
	s.done(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	s.done(err)
	return string(body)
}

// settings returns how the server is opened.
func (s *stage) settings() (c login.Config) {
	s.Configure(func(now *login.Config) { c = *now })
	return c
}

// TestWithoutOpenIDThereIsNone: a login server for terminals serves no provider.
func TestWithoutOpenIDThereIsNone(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, path := range []string{oidc.Discovery, "/oauth/keys", "/oauth/forward"} {
		response, err := http.Get(s.URL() + path)
		s.done(err)
		response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
}

// TestOneAddressTakesNotAllPlacesOfSignIn: whoever begins sign-ins without end is
// refused when many wait, with a page, and others are not.
func TestOneAddressTakesNotAllPlacesOfSignIn(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *logintest.Config) {
		withOpenID(c)
		c.Login.Requests = 700
	})
	ask := func(from string) (int, string) {
		q := url.Values{"client_id": {"wiki"}, "redirect_uri": {wikiURL}, "response_type": {"code"}, "scope": {"openid"},
			"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/oauth/authorize?"+q.Encode(), nil)
		s.done(err)
		r.Header.Set("X-Forwarded-For", from)
		r.Header.Set("Accept", "text/html")
		response, err := http.DefaultTransport.RoundTrip(r)
		s.done(err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		s.done(err)
		return response.StatusCode, string(body)
	}
	counts := map[int]int{}
	page := ""
	for range 800 {
		status, body := ask("192.0.2.1")
		counts[status]++
		if status == http.StatusTooManyRequests {
			page = body
		}
	}
	if counts[http.StatusFound] < 600 || counts[http.StatusFound] > 660 || counts[http.StatusFound]+counts[http.StatusTooManyRequests] != 800 || !strings.Contains(page, "<h1>") {
		t.Errorf("%v, %s", counts, page)
	}
	if status, body := ask("192.0.2.2"); status != http.StatusFound {
		t.Errorf("another address: %d %s", status, body)
	}
}
