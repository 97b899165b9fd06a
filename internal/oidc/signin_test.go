package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestCodeFlowGivesTokens(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	to := b.signsIn(alice, asks())
	if q := to.Query(); !strings.HasPrefix(to.String(), wikiURL+"?") || q.Get("state") != "the-state" || q.Get("iss") != s.issuer {
		t.Errorf("response %v", to)
	}
	got := s.redeem(to.Query().Get("code"))
	for _, member := range []string{"access_token", "refresh_token", "id_token"} {
		if got.member(member) == "" {
			t.Errorf("no %s: %v", member, got)
		}
	}
	if got.header.Get("Cache-Control") != "no-store" || got.member("token_type") != "Bearer" {
		t.Errorf("%v %v", got.header, got)
	}
	u := s.userinfo(got.member("access_token"))
	if u.member("sub") != "sub-of-"+alice || u.member("email") != "alice@example.org" || u.member("preferred_username") != "alice@example.org" {
		t.Errorf("userinfo %v", u)
	}
	if !s.active(got.member("access_token")) || !s.active(got.member("refresh_token")) {
		t.Error("tokens are not active")
	}
	next := s.refresh(got.member("refresh_token"))
	if next.status != http.StatusOK || next.member("refresh_token") == got.member("refresh_token") {
		t.Errorf("refresh: %v", next)
	}
}

func TestScopesSayWhatIsTold(t *testing.T) {
	s := newStage(t)
	got := s.redeem(s.browser().code(alice, asks("scope", "openid phone address whatever")))
	if got.member("refresh_token") != "" || got.member("scope") != "openid" {
		t.Errorf("tokens %v", got)
	}
	if u := s.userinfo(got.member("access_token")); u.member("sub") == "" || u.member("email") != "" || u.member("name") != "" {
		t.Errorf("userinfo %v", u)
	}
	a := s.browser().get("/oauth/authorize", asks("scope", "profile"))
	if a.to == nil || a.to.Query().Get("error") != "invalid_scope" || a.to.Query().Get("iss") != s.issuer || a.to.Query().Get("state") != "the-state" {
		t.Errorf("without openid: %v", a)
	}
}

func TestWhoIsSignedInIsNotAskedAgain(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	b.code(alice, asks())
	for _, q := range []url.Values{asks(), asks("prompt", "none"), asks("max_age", "60"), asks("prompt", "consent")} {
		if a := b.get("/oauth/authorize", q); a.status != http.StatusFound || a.to.Query().Get("code") == "" || a.to.Query().Get("iss") != s.issuer {
			t.Errorf("asked again: %v", a)
		}
	}
	s.clock.forward(2 * time.Minute)
	for _, q := range []url.Values{asks("prompt", "login"), asks("prompt", "select_account"), asks("max_age", "60"), asks("max_age", "0")} {
		b.waits(q)
	}
	a := b.get("/oauth/authorize", asks("prompt", "none", "max_age", "60"))
	if a.to == nil || a.to.Query().Get("error") != "login_required" || a.to.Query().Get("iss") != s.issuer {
		t.Errorf("prompt none: %v", a)
	}
	s.clock.forward(13 * time.Hour)
	b.waits(asks())
}

func TestRequestsAreRefused(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	for name, c := range map[string]struct {
		q    url.Values
		word string // of the redirect; empty if there is none
	}{
		"no client":              {asks("client_id", ""), ""},
		"another client":         {asks("client_id", "nobody"), ""},
		"a hostile client":       {asks("client_id", "wiki' OR 1=1 --"), ""},
		"no redirect":            {asks("redirect_uri", ""), ""},
		"another redirect":       {asks("redirect_uri", "https://evil.example.org/"), ""},
		"a longer redirect":      {asks("redirect_uri", wikiURL+"/x"), ""},
		"a redirect and a query": {asks("redirect_uri", wikiURL+"?x=1"), ""},
		"another case":           {asks("redirect_uri", strings.ToUpper(wikiURL)), ""},
		"a user before the host": {asks("redirect_uri", "https://wiki.example.org@evil.example.org/callback"), ""},
		"another client's":       {asks("redirect_uri", blogURL), ""},
		"another port":           {asks("client_id", "app", "redirect_uri", "http://127.0.0.1:5556/callback"), ""},
		"a fragment":             {asks("response_mode", "fragment"), ""},
		"a form":                 {asks("response_mode", "form_post"), ""},
		"a request object":       {asks("request", "eyJhbGciOiJub25lIn0.e30."), ""},
		"a request URL":          {asks("request_uri", "https://evil.example.org/"), ""},
		"a long state":           {asks("state", strings.Repeat("s", 3000)), ""},
		"implicit":               {asks("response_type", "id_token"), "unauthorized_client"},
		"implicit with a token":  {asks("response_type", "id_token token"), "unauthorized_client"},
		"hybrid":                 {asks("response_type", "code id_token"), "unauthorized_client"},
		"no PKCE":                {asks("code_challenge", "", "code_challenge_method", ""), "invalid_request"},
		"plain PKCE":             {asks("code_challenge", verifier, "code_challenge_method", "plain"), "invalid_request"},
		"PKCE of no method":      {asks("code_challenge_method", ""), "invalid_request"},
		"a short challenge":      {asks("code_challenge", "short"), "invalid_request"},
		"no scope":               {asks("scope", ""), "invalid_request"},
		"a prompt of two minds":  {asks("prompt", "none login"), "invalid_request"},
		"an unknown prompt":      {asks("prompt", "create"), "invalid_request"},
		"a foreign hint":         {asks("id_token_hint", "e30.e30.e30"), "invalid_request"},
	} {
		a := b.get("/oauth/authorize", c.q)
		switch {
		case c.word == "" && (a.status != http.StatusBadRequest || a.to != nil):
			t.Errorf("%s: %v", name, a)
		case c.word != "":
			target := a.to
			if target == nil || !strings.HasPrefix(target.String(), wikiURL) || !strings.Contains(target.String(), "error="+c.word) || !strings.Contains(target.String(), "iss=") {
				t.Errorf("%s: %v", name, a)
			}
		}
	}
	for name, value := range map[string]string{"redirect_uri": "https://evil.example.org/", "state": "another", "nonce": "another"} {
		twice := asks()
		twice.Add(name, value)
		if a := b.get("/oauth/authorize", twice); a.status != http.StatusBadRequest || a.to != nil {
			t.Errorf("%s twice: %v", name, a)
		}
	}
}

func TestRequestIsOfOneBrowserAndOnce(t *testing.T) {
	s := newStage(t)
	victim, attacker := s.browser(), s.browser()
	id := victim.waits(asks())
	if a := attacker.signs(id, s.login(bob)); a.status != http.StatusConflict {
		t.Errorf("another browser: %v", a)
	}
	// Login CSRF: the attacker's own request, in the victim's browser.
	if a := victim.signs(attacker.waits(asks()), s.login(bob)); a.status != http.StatusConflict {
		t.Errorf("another browser's request: %v", a)
	}
	statement := s.login(alice)
	if a := victim.signs(id, statement); a.status != http.StatusOK {
		t.Errorf("its own browser: %v", a)
	}
	if a := victim.signs(id, s.login(alice)); a.status != http.StatusConflict {
		t.Errorf("twice: %v", a)
	}
	if a := victim.signs(victim.waits(asks("prompt", "login")), statement); a.status != http.StatusForbidden {
		t.Errorf("the statement twice: %v", a)
	}
	late := victim.waits(asks("prompt", "login"))
	s.clock.forward(11 * time.Minute)
	if a := victim.signs(late, s.login(alice)); a.status != http.StatusConflict {
		t.Errorf("late: %v", a)
	}
}

func TestTwoTabsSignIn(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	first, second := b.waits(asks()), b.waits(asks("state", "another"))
	for _, id := range []string{first, second} {
		if a := b.signs(id, s.login(alice)); a.status != http.StatusOK {
			t.Errorf("%v", a)
		}
	}
}

func TestStatementFromBeforeTheRequestSignsNobodyIn(t *testing.T) {
	s := newStage(t)
	s.logins.when = time.Minute
	b := s.browser()
	if a := b.signs(b.waits(asks("prompt", "login")), s.login(alice)); a.status != http.StatusForbidden {
		t.Errorf("%v", a)
	}
}

func TestSignInIsNewWhateverCookieCame(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	origin, err := url.Parse(s.issuer)
	s.done(err)
	fixed := strings.Repeat("A", 43)
	b.Jar.SetCookies(origin, []*http.Cookie{{Name: "milagro", Value: fixed, Path: "/"}})
	b.code(alice, asks())
	for _, c := range b.Jar.Cookies(origin) {
		if c.Name == "milagro" && c.Value == fixed {
			t.Error("the session is the one that was there before")
		}
	}
	other := s.browser()
	other.Jar.SetCookies(origin, []*http.Cookie{{Name: "milagro", Value: fixed, Path: "/"}})
	other.waits(asks())
}

func TestOtherSitesSignNobodyInOrOut(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	id := b.waits(asks())
	for _, path := range []string{"/oauth/signin", "/oauth/signout"} {
		for _, c := range []struct{ site, origin, kind string }{
			{"cross-site", "https://evil.example.org", "application/json"},
			{"same-site", "https://evil.example.org", "application/json"},
			{"", "https://evil.example.org", "application/json"},
			{"cross-site", "null", "text/plain"},
			{"same-origin", s.issuer, "text/plain"},
		} {
			r, err := http.NewRequest(http.MethodPost, s.issuer+path, strings.NewReader(`{"request":"`+id+`","statement":"`+s.login(bob)+`"}`))
			s.done(err)
			r.Header.Set("Content-Type", c.kind)
			r.Header.Set("Origin", c.origin)
			if c.site != "" {
				r.Header.Set("Sec-Fetch-Site", c.site)
			}
			if a := b.do(r); a.status != http.StatusForbidden && a.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s of %+v: %v", path, c, a)
			}
		}
	}
	b.signs(id, s.login(alice)) // nothing above took the request away
}

func TestHintedPersonIsWhoSignsIn(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	hint := b.tokens(alice).member("id_token")
	if a := b.get("/oauth/authorize", asks("prompt", "none", "id_token_hint", hint)); a.to.Query().Get("code") == "" {
		t.Errorf("whom the hint names: %v", a)
	}
	other := s.browser()
	other.code(bob, asks())
	if a := other.get("/oauth/authorize", asks("prompt", "none", "id_token_hint", hint)); a.to.Query().Get("error") != "login_required" {
		t.Errorf("another: %v", a)
	}
	if to := other.signsIn(bob, asks("id_token_hint", hint)); to.Query().Get("error") != "login_required" || to.Query().Get("code") != "" {
		t.Errorf("another signs in: %v", to)
	}
}

func TestAnswersAreNotFramedNorStored(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	for _, path := range []string{"/oauth/authorize", "/oauth/logout", "/oauth/forward", "/.well-known/openid-configuration", "/oauth/nothing"} {
		h := b.get(path, nil).header
		if h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
			h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	for _, c := range b.get("/oauth/authorize", asks()).header["Set-Cookie"] {
		if !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") || !strings.Contains(c, "Path=/") || strings.Contains(c, "Domain") {
			t.Errorf("cookie %s", c)
		}
	}
}

// TestCookiesAreOfThisHostAlone: over https no other host can set or read them, no
// script reads them, and no form of another site brings them along.
func TestCookiesAreOfThisHostAlone(t *testing.T) {
	s := newStage(t)
	s.issuer = "https://login.example.org"
	p := s.provider()
	ask := func(r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w.Result()
	}
	begun := ask(httptest.NewRequest(http.MethodGet, "https://login.example.org/oauth/authorize?"+asks().Encode(), nil))
	to, err := begun.Location()
	s.done(err)
	sign := func(cookie *http.Cookie) *http.Response {
		body := `{"request":"` + to.Query().Get("request") + `","statement":"` + s.login(alice) + `"}`
		r := httptest.NewRequest(http.MethodPost, "https://login.example.org/oauth/signin", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", "https://login.example.org")
		r.AddCookie(cookie)
		return ask(r)
	}
	browser := begun.Cookies()[0]
	if a := sign(&http.Cookie{Name: "milagro-browser", Value: browser.Value}); a.StatusCode != http.StatusConflict {
		t.Errorf("a cookie that any host could set: %s", a.Status)
	}
	signed := sign(browser)
	if signed.StatusCode != http.StatusOK {
		t.Fatal(signed.Status)
	}
	for name, c := range map[string]*http.Cookie{"__Host-milagro-browser": browser, "__Host-milagro": signed.Cookies()[0]} {
		if c.Name != name || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 12*60*60 {
			t.Errorf("%s: %v", name, c)
		}
	}
}
