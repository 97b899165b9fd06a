package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestLogoutEndsTheSessionAndWhatItGave(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	got := b.tokens(alice)
	a := b.get("/oauth/logout", url.Values{"id_token_hint": {got.member("id_token")}, "post_logout_redirect_uri": {wikiOut}, "state": {"x&y"}})
	if a.status != http.StatusFound || !strings.HasPrefix(a.to.String(), "https://wiki.example.org/bye?") || a.to.Query().Get("state") != "x&y" || a.to.Query().Get("from") != "login" {
		t.Errorf("logout: %v", a)
	}
	b.waits(asks())
	if s.active(got.member("access_token")) || s.refresh(got.member("refresh_token")).status == http.StatusOK {
		t.Error("tokens outlive the logout")
	}
}

func TestLogoutNeedsAnIDTokenOfWhoIsSignedIn(t *testing.T) {
	s := newStage(t)
	b, other := s.browser(), s.browser()
	got, theirs := b.tokens(alice).member("id_token"), other.tokens(bob).member("id_token")
	signedIn := func() bool { return b.get("/oauth/authorize", asks("prompt", "none")).to.Query().Get("code") != "" }
	for name, q := range map[string]url.Values{
		"nothing":             {},
		"no token":            {"post_logout_redirect_uri": {wikiOut}, "client_id": {"wiki"}},
		"a bad token":         {"id_token_hint": {got[:len(got)-4] + "AAAA"}},
		"none":                {"id_token_hint": {"eyJhbGciOiJub25lIn0.e30."}},
		"another client":      {"id_token_hint": {got}, "client_id": {"blog"}},
		"another URL":         {"id_token_hint": {got}, "post_logout_redirect_uri": {"https://evil.example.org/"}},
		"a redirect for code": {"id_token_hint": {got}, "post_logout_redirect_uri": {wikiURL}},
	} {
		if a := b.get("/oauth/logout", q); a.status != http.StatusBadRequest || a.to != nil || !signedIn() {
			t.Errorf("%s: %v", name, a)
		}
	}
	if a := b.get("/oauth/logout", url.Values{"id_token_hint": {theirs}}); a.status != http.StatusFound || a.to.String() != s.issuer+"/signin" || !signedIn() {
		t.Errorf("somebody else's token: %v", a)
	}
	if a := b.get("/oauth/logout", url.Values{"id_token_hint": {got}}); a.status != http.StatusFound || a.to.String() != s.issuer+"/signin" {
		t.Errorf("their own: %v", a)
	}
	b.waits(asks())
}

func TestOurPageSignsOut(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	b.code(alice, asks())
	r, err := http.NewRequest(http.MethodPost, s.issuer+"/oauth/signout", strings.NewReader("{}"))
	s.done(err)
	r.Header.Set("Content-Type", "application/json")
	if a := b.do(r); a.status != http.StatusOK {
		t.Fatal(a)
	}
	b.waits(asks())
}

func TestForwardAuthenticationTellsWhoItIs(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	if a := b.get("/oauth/forward", nil); a.status != http.StatusUnauthorized || a.header.Get("Milagro-Signin") != s.issuer+"/oauth/forward/start" {
		t.Errorf("nobody: %v %v", a, a.header)
	}
	a := b.get("/oauth/forward/start", url.Values{"to": {"/internal/page?x=1"}})
	back := b.signs(a.to.Query().Get("request"), s.login(alice)).member("redirect")
	if back != s.issuer+"/internal/page?x=1" {
		t.Errorf("back to %s", back)
	}
	if a := b.get("/oauth/forward", nil); a.status != http.StatusOK || a.header.Get("Milagro-Name") != alice || a.header.Get("Milagro-Sub") != "sub-of-"+alice {
		t.Errorf("alice: %v %v", a, a.header)
	}
	if a := b.get("/oauth/forward/start", url.Values{"to": {"/again"}}); a.status != http.StatusFound || a.to.String() != s.issuer+"/again" {
		t.Errorf("who is signed in: %v", a)
	}
	if a := b.get("/oauth/forward/start?to=/again?x=1&y=%2F&z=", nil); a.status != http.StatusFound || a.to.String() != s.issuer+"/again?x=1&y=%2F&z=" {
		t.Errorf("as nginx writes it: %v", a)
	}
	for _, to := range []string{"", "https://evil.example.org/", "//evil.example.org", `/\evil.example.org`, "evil", "/a\nb", "/ü", "/#x", "/" + strings.Repeat("a", 3000)} {
		if a := b.get("/oauth/forward/start", url.Values{"to": {to}}); a.status != http.StatusBadRequest || a.to != nil {
			t.Errorf("%q: %v", to, a)
		}
	}
}
