package oidc_test

import (
	"encoding/json"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

// nasties are values of a field, a cookie or a header, by what is nasty.
func nasties() map[string]string {
	return map[string]string{
		"empty": "", "NUL": "a\x00b", "not UTF-8": "a\xff\xfe", "half a surrogate": "\xed\xa0\x80", "lines": "a\r\nSet-Cookie: evil=1\r\n\r\nb",
		"a script": `"><script>alert(1)</script>`, "SQL": "' OR 1=1; DROP TABLE openid_sessions --", "long": strings.Repeat("A", 2100), "huge": strings.Repeat("B", 9000),
		"a number": "99999999999999999999999", "less than nothing": "-1", "a path": "../../etc/passwd", "elsewhere": "https://evil.example/", "another host": "//evil.example/",
		"a program": "javascript:alert(1)", "JSON": `{"a":[1,null]}`, "a template": "{{.}}${7*7}%s%n", "turned": "a\u202eb", "wide": "\uff41\uff42", "blank": " \t ",
		"a list": "a b a", "dots": "a..b.c.d", "no algorithm": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.",
	}
}

// fields are the parameters of each route, beside which it is given one that it does
// not know. Those of our own pages are JSON.
func fields() map[string][]string {
	authorize := []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "prompt", "max_age",
		"id_token_hint", "response_mode", "display", "ui_locales", "login_hint", "acr_values", "request", "request_uri", "claims"}
	logout := []string{"id_token_hint", "post_logout_redirect_uri", "state", "client_id", "ui_locales", "logout_hint"}
	client := []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"}
	return map[string][]string{
		"GET /.well-known/openid-configuration": {"issuer"}, "GET /oauth/keys": {"kid"},
		"GET /oauth/authorize": authorize, "POST /oauth/authorize": authorize, "GET /oauth/logout": logout, "POST /oauth/logout": logout,
		"POST /oauth/token":      append([]string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "assertion", "subject_token", "device_code"}, client...),
		"POST /oauth/introspect": append([]string{"token", "token_type_hint"}, client...), "POST /oauth/revoke": append([]string{"token", "token_type_hint"}, client...),
		"GET /oauth/userinfo": {"access_token"}, "POST /oauth/userinfo": {"access_token"},
		"POST /oauth/signin": {"request", "statement"}, "POST /oauth/signout": {"all"},
		"GET /oauth/forward": {"to"}, "GET /oauth/forward/start": {"to"},
	}
}

// good is what each route takes, so that one nasty field is all that is wrong.
func (s *stage) good(pattern string, session *browser) url.Values {
	switch _, path, _ := strings.Cut(pattern, " "); path {
	case "/oauth/authorize":
		return asks()
	case "/oauth/token":
		return url.Values{"grant_type": {"authorization_code"}, "code": {session.get("/oauth/authorize", asks()).to.Query().Get("code")}, "redirect_uri": {wikiURL}, "code_verifier": {verifier}}
	case "/oauth/signin":
		return url.Values{"request": {s.browser().waits(asks())}, "statement": {s.login(alice)}}
	case "/oauth/forward/start":
		return url.Values{"to": {"/internal/"}}
	}
	return url.Values{}
}

// hostile sends every route each of its fields, cookies and headers in every nasty
// form, and holds what comes back against what nobody may be told.
func (s *stage) hostile(t *testing.T, nasties map[string]string) {
	was := slog.Default() // where the library logs
	slog.SetDefault(slog.New(slog.NewTextHandler(&locked{w: s.log}, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(was)
	session := s.browser()
	session.signsIn(alice, asks())
	known := fields()
	for _, pattern := range s.Patterns() {
		if len(known[pattern]) == 0 {
			t.Errorf("no hostile fields for %s", pattern)
		}
		for what, value := range nasties {
			for _, field := range append(known[pattern], "nobody knows it") {
				good := s.good(pattern, session)
				good.Set(field, value)
				for _, b := range []*browser{session, s.browser()} {
					s.endures(pattern, what+" as "+field, b, request(t, pattern, s.issuer, good))
				}
			}
			for _, header := range []string{"Authorization", "Cookie", "Accept", "Content-Type", "Origin", "X-Forwarded-For"} {
				r := request(t, pattern, s.issuer, s.good(pattern, session))
				if header == "Cookie" || header == "Authorization" {
					value = map[string]string{"Cookie": "milagro=" + value + "; milagro-browser=" + value, "Authorization": "Bearer " + value}[header]
				}
				if !strings.ContainsAny(value, "\x00\r\n") { // no client sends these
					r.Header.Set(header, value)
					s.endures(pattern, what+" as "+header, s.browser(), r)
				}
			}
		}
	}
	for line := range strings.Lines(s.log.String()) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, wikiSecret) || strings.Contains(line, "panic") {
			t.Errorf("the log: %q", line)
		}
	}
	if !session.signsInAgain() {
		t.Error("the session did not outlive it")
	}
}

// signsInAgain reports whether who is signed in gets a code.
func (b *browser) signsInAgain() bool {
	return b.get("/oauth/authorize", asks()).to.Query().Get("code") != ""
}

// request makes a request of a route: a query, a form, or JSON for our own pages.
func request(t *testing.T, pattern, issuer string, values url.Values) *http.Request {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	media, body := "application/x-www-form-urlencoded", values.Encode()
	if path == "/oauth/signin" || path == "/oauth/signout" {
		members := map[string]string{}
		for name := range values {
			members[name] = values.Get(name)
		}
		b, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		media, body = "application/json", string(b)
	}
	address := issuer + path
	if method == http.MethodGet {
		address, body = address+"?"+body, ""
	}
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", media)
	}
	if path == "/oauth/token" || path == "/oauth/introspect" || path == "/oauth/revoke" {
		r.SetBasicAuth("wiki", wikiSecret)
	}
	r.Header.Set("Accept", "text/html")
	return r
}

// endures holds one answer.
func (s *stage) endures(pattern, what string, b *browser, r *http.Request) {
	s.t.Helper()
	a := b.do(r)
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	text := string(a.body)
	switch {
	case a.status >= 500:
		s.t.Errorf("%s, %s: %v", pattern, what, a)
	case a.to != nil && !slices.Contains([]string{wikiURL, wikiOut, s.issuer + "/signin", s.issuer + "/internal/"}, strings.Split(a.to.String(), "?")[0]) && !strings.HasPrefix(a.to.String(), s.issuer+"/"):
		s.t.Errorf("%s, %s: goes to %v", pattern, what, a.to)
	case a.header.Get("Set-Cookie") != "" && strings.Contains(strings.Join(a.header.Values("Set-Cookie"), "\n"), "evil"):
		s.t.Errorf("%s, %s: sets %v", pattern, what, a.header.Values("Set-Cookie"))
	case a.status >= 400 && media == "text/html":
		if strings.Contains(text, "<script") || !strings.Contains(text, "<h1>") {
			s.t.Errorf("%s, %s: the page %s", pattern, what, text)
		}
	case a.status >= 400 && a.status != http.StatusUnauthorized:
		if err != nil || !json.Valid(a.body) || media != "application/json" && media != problem.ContentType {
			s.t.Errorf("%s, %s: %d %q %s", pattern, what, a.status, media, text)
		}
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
		s.t.Errorf("%s, %s: %v", pattern, what, a.header)
	}
	for name, values := range a.header {
		if name != "Location" && strings.Contains(strings.Join(values, ""), "alert(") {
			s.t.Errorf("%s, %s: %s is %v", pattern, what, name, values)
		}
	}
}

// TestHostileRequests: no field, cookie or header of any route makes the provider
// fail, run a script, lead elsewhere or write what was sent into its log as it came.
func TestHostileRequests(t *testing.T) {
	newStage(t).hostile(t, nasties())
}

// TestHostileBodies: of every kind and size, at every route that takes one.
func TestHostileBodies(t *testing.T) {
	s := newStage(t)
	bodies := map[string]string{"nothing": "", "half": "%", "bad escapes": "%zz=%f", "no end": `{"request":"`, "a list": "[]", "null": "null", "two": "{}{}", "deep": strings.Repeat("[", 30_000),
		"huge": strings.Repeat("x", webserver.MaxBody+1), "many fields": strings.Repeat("a=1&", 16_000), "bytes": "\x00\xff\x16\x03\x01", "separators": "a=1;b=2"}
	for _, pattern := range s.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if method == http.MethodGet {
			continue
		}
		for what, body := range bodies {
			for _, media := range []string{"", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/json; charset=\xff"} {
				r, err := http.NewRequest(method, s.issuer+path, strings.NewReader(body))
				s.done(err)
				r.Header.Set("Content-Type", media)
				r.SetBasicAuth("wiki", wikiSecret)
				if a := s.browser().do(r); a.status >= 500 || a.status < 400 && path != "/oauth/revoke" && path != "/oauth/introspect" {
					t.Errorf("%s, %s as %q: %v", pattern, what, media, a)
				}
			}
		}
	}
}
