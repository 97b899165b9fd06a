package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCodeIsBurntByItsFirstTry(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	b.code(alice, asks())
	for name, try := range map[string]func(code string) answer{
		"another verifier": func(code string) answer { return s.redeem(code, "code_verifier", strings.Repeat("x", 43)) },
		"no verifier":      func(code string) answer { return s.redeem(code, "code_verifier", "") },
		"the challenge":    func(code string) answer { return s.redeem(code, "code_verifier", challenge(verifier)) },
		"another redirect": func(code string) answer { return s.redeem(code, "redirect_uri", blogURL) },
		"another client": func(code string) answer {
			return s.post("/oauth/token", "blog", wikiSecret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {wikiURL}, "code_verifier": {verifier}})
		},
		"a public client": func(code string) answer {
			return s.post("/oauth/token", "", "", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {wikiURL}, "code_verifier": {verifier}, "client_id": {"app"}})
		},
		"a wrong secret": func(code string) answer {
			return s.post("/oauth/token", "wiki", "wrong", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {wikiURL}, "code_verifier": {verifier}})
		},
	} {
		code := b.get("/oauth/authorize", asks()).to.Query().Get("code")
		if a := try(code); a.status == http.StatusOK {
			t.Errorf("%s: %v", name, a)
		}
		if a := s.redeem(code); a.status != http.StatusBadRequest || a.member("error") != "invalid_grant" {
			t.Errorf("after %s the code is good: %v", name, a)
		}
	}
	late := b.get("/oauth/authorize", asks()).to.Query().Get("code")
	s.clock.forward(61 * time.Second)
	s.is(s.redeem(late), http.StatusBadRequest, "invalid_grant")
}

func TestCodeShownTwiceEndsItsTokens(t *testing.T) {
	s := newStage(t)
	code := s.browser().code(alice, asks())
	got := s.redeem(code)
	s.is(s.redeem(code), http.StatusBadRequest, "invalid_grant")
	if s.active(got.member("access_token")) || s.userinfo(got.member("access_token")).status != http.StatusUnauthorized {
		t.Error("the tokens are good")
	}
	s.is(s.refresh(got.member("refresh_token")), http.StatusBadRequest, "invalid_grant")
}

func TestOneOfManyGetsTheTokensOfACode(t *testing.T) {
	s := newStage(t)
	code := s.browser().code(alice, asks())
	var wins sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if a := s.redeem(code); a.status == http.StatusOK {
				wins.Store(i, a.member("access_token"))
			}
		})
	}
	all.Wait()
	n := 0
	wins.Range(func(_, token any) bool {
		n++
		if s.active(token.(string)) {
			t.Error("tokens of a code that was shown eight times are good")
		}
		return true
	})
	if n != 1 {
		t.Errorf("%d got tokens", n)
	}
}

func TestRefreshTokenShownTwiceRevokesItsFamily(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	first, other := b.tokens(alice), b.s.redeem(b.get("/oauth/authorize", asks()).to.Query().Get("code"))
	second := s.refresh(first.member("refresh_token"))
	if second.status != http.StatusOK {
		t.Fatal(second)
	}
	s.is(s.refresh(first.member("refresh_token")), http.StatusBadRequest, "invalid_grant")
	s.is(s.refresh(second.member("refresh_token")), http.StatusBadRequest, "invalid_grant")
	if s.active(second.member("access_token")) {
		t.Error("an access token of the family is good")
	}
	if !s.active(other.member("access_token")) {
		t.Error("another family is revoked too")
	}
}

func TestRefreshTokenIsItsClients(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	got := b.tokens(alice)
	s.is(s.post("/oauth/token", "blog", wikiSecret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.member("refresh_token")}}), http.StatusBadRequest, "invalid_grant")
	s.is(s.refresh(got.member("refresh_token")), http.StatusBadRequest, "invalid_grant")
	if s.active(got.member("access_token")) {
		t.Error("a token that somebody else showed has not revoked its family")
	}
	again := s.redeem(b.get("/oauth/authorize", asks("scope", "openid offline_access")).to.Query().Get("code"))
	s.is(s.post("/oauth/token", "wiki", wikiSecret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {again.member("refresh_token")}, "scope": {"openid profile"}}),
		http.StatusBadRequest, "invalid_scope")
	if s.refresh(again.member("refresh_token")).status != http.StatusOK {
		t.Error("a refused scope has spent the token")
	}
	s.is(s.refresh(again.member("access_token")), http.StatusBadRequest, "invalid_grant")
	s.clock.forward(31 * 24 * time.Hour)
	s.is(s.refresh(got.member("refresh_token")), http.StatusBadRequest, "invalid_grant")
}

func TestClientsProveThemselves(t *testing.T) {
	s := newStage(t)
	form := func() url.Values {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"whatever"}, "token": {"whatever"}}
	}
	for name, a := range map[string]answer{
		"wrong secret":             s.post("/oauth/token", "wiki", "wrong", form()),
		"no secret":                s.post("/oauth/token", "", "", change(form(), "client_id", "wiki")),
		"nobody":                   s.post("/oauth/token", "nobody", wikiSecret, form()),
		"a secret it has not":      s.post("/oauth/token", "app", wikiSecret, form()),
		"introspection, wrong":     s.post("/oauth/introspect", "wiki", "wrong", form()),
		"introspection, unknown":   s.post("/oauth/introspect", "nobody", wikiSecret, form()),
		"introspection, public":    s.post("/oauth/introspect", "app", "", form()),
		"revocation, wrong secret": s.post("/oauth/revoke", "wiki", "wrong", form()),
	} {
		if a.member("error") != "invalid_client" || a.status != http.StatusUnauthorized && name != "introspection, public" {
			t.Errorf("%s: %v", name, a)
		}
		if a.status == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", name)
		}
	}
	s.is(s.post("/oauth/token", "wiki", wikiSecret, change(form(), "client_id", "wiki", "client_secret", wikiSecret)), http.StatusBadRequest, "invalid_request")
	if a := s.post("/oauth/token?client_secret=x", "wiki", wikiSecret, form()); a.member("error") != "invalid_request" {
		t.Errorf("a secret in the URL: %v", a)
	}
	for _, grant := range []string{"password", "client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code", ""} {
		if a := s.post("/oauth/token", "wiki", wikiSecret, change(form(), "grant_type", grant)); a.status != http.StatusBadRequest {
			t.Errorf("grant %q: %v", grant, a)
		}
	}
}

func TestTokensAreToldOnlyToTheirClient(t *testing.T) {
	s := newStage(t)
	got := s.browser().tokens(alice)
	token := url.Values{"token": {got.member("access_token")}}
	if a := s.post("/oauth/introspect", "blog", wikiSecret, token); string(a.body) != "{\"active\":false}\n" {
		t.Errorf("another client is told %v", a)
	}
	if a := s.post("/oauth/revoke", "blog", wikiSecret, token); a.status != http.StatusOK || !s.active(token.Get("token")) {
		t.Errorf("another client revokes: %v", a)
	}
	if a := s.post("/oauth/revoke", "wiki", wikiSecret, token); a.status != http.StatusOK || s.active(token.Get("token")) {
		t.Errorf("its client does not revoke: %v", a)
	}
	if !s.active(got.member("refresh_token")) {
		t.Error("the end of an access token ended its family")
	}
	if s.userinfo(got.member("refresh_token")).status != http.StatusUnauthorized || s.userinfo("nothing").status != http.StatusUnauthorized {
		t.Error("userinfo takes what is no access token")
	}
	next := s.refresh(got.member("refresh_token"))
	s.post("/oauth/revoke", "wiki", wikiSecret, url.Values{"token": {next.member("refresh_token")}, "token_type_hint": {"access_token"}})
	if s.active(next.member("access_token")) || s.active(next.member("refresh_token")) {
		t.Error("the end of a refresh token has not ended its family")
	}
	late := s.browser().tokens(alice)
	s.clock.forward(11 * time.Minute)
	if s.active(late.member("access_token")) {
		t.Error("an access token outlives its time")
	}
}

func TestRevokedDeviceEndsEverythingAtOnce(t *testing.T) {
	s := newStage(t)
	b, other := s.browser(), s.browser()
	got, theirs := b.tokens(alice), other.tokens(bob)
	code := b.get("/oauth/authorize", asks()).to.Query().Get("code")
	waiting := b.waits(asks("prompt", "login"))
	s.revoke(alice)
	if s.active(got.member("access_token")) || s.userinfo(got.member("access_token")).status != http.StatusUnauthorized {
		t.Error("the access token is good")
	}
	s.is(s.refresh(got.member("refresh_token")), http.StatusBadRequest, "invalid_grant")
	s.is(s.redeem(code), http.StatusBadRequest, "invalid_grant")
	b.waits(asks())
	if a := b.signs(waiting, s.login(alice)); a.status != http.StatusForbidden {
		t.Errorf("a statement of before: %v", a)
	}
	if b.get("/oauth/forward", nil).status != http.StatusUnauthorized {
		t.Error("forward authentication lets a revoked device through")
	}
	if !s.active(theirs.member("access_token")) {
		t.Error("somebody else is signed out")
	}
}

// TestRequestIsAnsweredOnceAtOnce: two tabs, or two statements, answer one request at
// once; one gets a code.
func TestRequestIsAnsweredOnceAtOnce(t *testing.T) {
	s := newStage(t)
	s.answersOnce(t)
}

func (s *stage) answersOnce(t *testing.T) {
	b := s.browser()
	for range 4 {
		waits := b.waits(asks("prompt", "login"))
		if n := s.atOnce(8, func() answer { return b.signs(waits, s.login(alice)) }); n != 1 {
			t.Errorf("%d answers to one request", n)
		}
		statement := s.login(alice)
		requests := make(chan string, 8)
		for range cap(requests) {
			requests <- b.waits(asks("prompt", "login"))
		}
		if n := s.atOnce(cap(requests), func() answer { return b.signs(<-requests, statement) }); n != 1 {
			t.Errorf("%d sign-ins by one statement", n)
		}
	}
}
