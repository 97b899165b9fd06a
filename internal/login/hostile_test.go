package login_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"milagro.dev/internal/authority"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
	"milagro.dev/web"
)

// nasties are values of a query, a path or a header.
func nasties() []string {
	return []string{"", "\x00", "a\xff\xfe", "\xed\xa0\x80", "a\r\nSet-Cookie: evil=1", `"><script>alert(1)</script>`, "' OR 1=1 --", strings.Repeat("A", 3000), "-1", "99999999999999999999",
		"../../etc/passwd", "//evil.example", `{"a":1}`, "%s%n{{.}}", "a\u202eb", alice, "acct:\xff@example.org", "10001"}
}

// everywhere serves pages and provider beside the login server's own calls.
func everywhere(log *record) func(*logintest.Config) {
	return func(c *logintest.Config) {
		withOpenID(c)
		pages, err := web.Handler(web.Config{})
		if err != nil {
			panic(err) // its files are embedded
		}
		c.Login.Pages, c.Login.Logger = pages, log.logger()
	}
}

// TestHostileQueriesAndHeaders: no query, path or header of any call on either side
// makes it fail, or comes back as it was.
func TestHostileQueriesAndHeaders(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		log := new(record)
		s := newStage(t, func(c *logintest.Config) {
			everywhere(log)(c)
			if engine != nil {
				engine(c)
			}
		})
		s.logsIn(s.Person(t, alice, right))
		routes := append(s.calls(t, http.MethodGet), s.calls(t, http.MethodDelete)...)
		for _, path := range web.Paths() {
			routes = append(routes, route{s.public(), http.MethodGet, path})
		}
		for _, r := range append(routes, s.posts(t)...) {
			for _, value := range nasties() {
				path := strings.TrimSuffix(r.path, "wiki")
				if path != r.path {
					path += url.PathEscape(value)
				}
				s.survives(t, r, path+"?"+url.Values{"name": {value}, "limit": {value}, value: {value}}.Encode(), nil)
				if header := strings.Map(visible, value); header != "" && engine == nil { // none goes to a database
					s.survives(t, r, r.path, http.Header{"Authorization": {"Bearer " + header}, "Cookie": {"milagro=" + header + "; milagro-browser=" + header},
						"X-Forwarded-For": {header}, "Accept": {header}, "Origin": {header}, "Referer": {header}})
				}
			}
		}
		for line := range strings.Lines(log.String()) {
			if !json.Valid([]byte(line)) || strings.Contains(line, "request failed") {
				t.Errorf("the log: %.300q", line)
			}
		}
		s.logsIn(s.Person(t, bob, right))
	})
}

// visible drops what no client sends in a header.
func visible(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

func (s *stage) survives(t *testing.T, r route, path string, header http.Header) {
	t.Helper()
	var body io.Reader
	if r.method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	request, err := http.NewRequestWithContext(t.Context(), r.method, r.side.base+path, body)
	s.done(err)
	if header != nil {
		request.Header = header
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	transport := r.side.client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	response, err := transport.RoundTrip(request) // no redirect is followed
	s.done(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	s.done(err)
	media := response.Header.Get("Content-Type")
	switch {
	case response.StatusCode >= 500:
		t.Errorf("%s as %.200q: %d %.300s", r, path, response.StatusCode, text)
	case strings.Contains(response.Header.Get("Location"), "evil") || response.Header.Get("Set-Cookie") != "":
		t.Errorf("%s as %.200q: %v", r, path, response.Header)
	case bytes.Contains(text, []byte("<script>alert")):
		t.Errorf("%s as %.200q: %.300s", r, path, text)
	case response.StatusCode == http.StatusRequestHeaderFieldsTooLarge || r.path == "/assets/": // net/http itself, and no page
	case response.StatusCode >= 400 && (media != problem.ContentType || !json.Valid(text)):
		t.Errorf("%s as %.200q: %q %.300s", r, path, media, text)
	}
}

// TestHugeHeadersAreRefusedEverywhere: before any call sees them.
func TestHugeHeadersAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	s := newStage(t, everywhere(new(record)))
	routes := append(s.calls(t, http.MethodGet), s.posts(t)...)
	for _, path := range append(web.Paths(), "/oauth/authorize", "/oauth/forward", "/.well-known/openid-configuration") {
		routes = append(routes, route{s.public(), http.MethodGet, path})
	}
	for _, r := range routes {
		for what, edit := range map[string]func(*http.Request){
			"a cookie": func(q *http.Request) { q.Header.Set("Cookie", strings.Repeat("a", 2*webserver.MaxHeader)) },
			"many":     func(q *http.Request) { q.Header["X-A"] = slices.Repeat([]string{"aaaaaaaa"}, webserver.MaxHeader/5) },
			"a query":  func(q *http.Request) { q.URL.RawQuery = strings.Repeat("a", 2*webserver.MaxHeader) },
		} {
			request, err := http.NewRequestWithContext(t.Context(), r.method, r.side.base+r.path, nil)
			s.done(err)
			edit(request)
			response, err := r.side.client.Do(request)
			if err != nil {
				continue // the connection was cut
			}
			response.Body.Close()
			if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s with %s: %s", r, what, response.Status)
			}
		}
	}
}

// TestHostileMailAddresses: what is mailed goes to one mailbox, spelled as the name
// is; whatever else looks like an address is none.
func TestHostileMailAddresses(t *testing.T) {
	t.Parallel()
	s := newHouse(t, nil, nil)
	long := strings.Repeat("a", 64)
	good := []string{"alice", "a", "alice+tag", "-x", "a.b_c-d", "0", long}
	bad := []string{`"alice"@example.org`, `"a b"@example.org`, `"a\"@x"@example.org`, "alice@example.org\r\nBcc: eve@example.net", "alice@example.org\nSubject: x", "alice@example.org,eve@example.net",
		"alice@example.org;eve@example.net", "<alice@example.org>", "Alice <alice@example.org>", "alice@example.org>", "alice%evil.example@example.org", "evil.example!alice@example.org",
		"@evil.example:alice@example.org", "alice(eve)@example.org", "alice@[127.0.0.1]", "alice@EXAMPLE.org", "Alice@example.org", "alice@example.org.", "alice@.example.org",
		"alice@exämple.org", "älice@example.org", "аlice@example.org", "alice\u202e@example.org", "alice@example.org\u0000", "alice @example.org", " alice@example.org", "alice@example.org ",
		".alice@example.org", "alice.@example.org", "al..ice@example.org", "@example.org", "alice@", "alice", long + "a@example.org", "alice@" + strings.Repeat("a.", 130) + "org",
		"alice@example.org@example.org", "alice/../bob@example.org", "alice@example.org?cc=eve@example.net", "=?utf-8?q?eve=40example.net?=@example.org", "alice\t@example.org", "*@example.org"}
	// Well formed and not ours: answered alike, and nothing is sent.
	elsewhere := []string{"alice@xn--exmple-cua.org", "alice@example.net", "alice@sub.example.org", "alice@example.org.evil.example", "alice@localhost"}
	ask := func(address string) reply {
		body, err := json.Marshal(map[string]string{"name": "acct:" + address})
		s.done(err)
		s.clock.forward(7 * time.Second) // ten a minute
		return s.public().do(t, http.MethodPost, "/v1/enrol/mail", "application/json", bytes.NewReader(body))
	}
	for _, address := range bad {
		if a := ask(address); a.problem == nil || a.problem.Kind != problem.Malformed {
			t.Errorf("%q: %d %s", address, a.StatusCode, a.text)
		}
	}
	for _, address := range elsewhere {
		if a := ask(address); a.StatusCode != http.StatusAccepted {
			t.Errorf("%q: %d %s", address, a.StatusCode, a.text)
		}
	}
	want := map[string]bool{}
	for _, local := range good {
		want[local+"@example.org"] = true
		if a := ask(local + "@example.org"); a.StatusCode != http.StatusAccepted {
			t.Errorf("%q: %d %s", local, a.StatusCode, a.text)
		}
	}
	for _, l := range s.letters.Await(t, len(good)) {
		if !want[l.To] {
			t.Errorf("a letter to %q", l.To)
		}
		delete(want, l.To)
		s.linkIn(l.Text)
	}
	s.eventually("none waits", func() bool { n, _ := s.Login.Asked(t.Context()); return n == 0 })
	if n := len(s.letters.Letters()); n != len(good) || len(want) != 0 {
		t.Errorf("%d letters for %d mailboxes; none to %v", n, len(good), want)
	}
}

// TestRefusalsAroundSignInTellNothing: who is known, unknown or revoked, an invitation
// that never was or was withdrawn, and a mailbox with or without an account are
// answered alike, status and body, by whatever a stranger can call.
func TestRefusalsAroundSignInTellNothing(t *testing.T) {
	t.Parallel()
	s := newHouse(t, withOpenID, func(r *authority.RegistrationRoot) { r.Code = "" })
	known, revoked := s.Person(t, alice, right), s.Person(t, bob, right)
	statement := s.logsIn(known).Statement
	gone := s.logsIn(revoked).Statement
	if _, err := s.Operator().Revoke(t.Context(), revoked.Name, nil); err != nil {
		t.Fatal(err)
	}
	_, taken := s.invited("acct:carol@example.org")
	_, err := s.Operator().Withdraw(t.Context(), mustParse(t, "acct:carol@example.org"))
	s.done(err)
	forged := func(name string) string { return forge(t, statement, name) }
	token := strings.SplitN(taken.Link(), "#", 2)[1]
	spki := known.Device.Bytes()
	for what, bodies := range map[string]map[string]any{
		"/oauth/signin": {"of somebody known": map[string]string{"request": "x", "statement": forged(alice)}, "of nobody": map[string]string{"request": "x", "statement": forged("acct:nobody@example.org")},
			"of who is revoked": map[string]string{"request": "x", "statement": forged(bob)}},
		"/v1/enrol/mail":     {"known": map[string]string{"name": alice}, "unknown": map[string]string{"name": "acct:nobody@example.org"}, "revoked": map[string]string{"name": bob}, "not ours": map[string]string{"name": "acct:alice@example.net"}},
		"/v1/enrol/open":     {"withdrawn": map[string]string{"token": token}, "never was": map[string]string{"token": strings.Repeat("A", 43)}},
		"/v1/enrol/vouchers": {"withdrawn": map[string]any{"token": token, "spki": spki, "signature": make([]byte, 64)}, "never was": map[string]any{"token": strings.Repeat("A", 43), "spki": spki, "signature": make([]byte, 64)}},
	} {
		first, of := answer{}, ""
		for name, body := range bodies {
			got := answered(t, s.URL()+what, body)
			if of != "" && got != first {
				t.Errorf("%s, %s: %+v\n%s: %+v", what, name, got, of, first)
			}
			first, of = got, name
		}
	}
	// Nor does its own statement tell who is revoked why: it is the refusal of a login.
	r := s.relyingParty()
	waits := r.begins().Query().Get("request")
	got := answered(t, s.URL()+"/oauth/signin", map[string]string{"request": waits, "statement": gone})
	if got.status != http.StatusConflict { // of another browser
		t.Errorf("%+v", got)
	}
	status, refusal := r.refusal(t, waits, gone)
	_, err = revoked.Login(t.Context(), right, none)
	refused(t, err, problem.LoginRefused)
	if login := problem.Of(err); status != http.StatusForbidden || refusal.Detail != login.Detail || refusal.Advice != login.Advice || !strings.Contains(refusal.Advice, "five wrong ones in a row lock") ||
		!strings.Contains(refusal.Advice, "milagro login unlock") {
		t.Errorf("%d %+v, a login says %+v", status, refusal, login)
	}
}

// refusal shows a statement in the party's browser and returns what is said.
func (r *relyingParty) refusal(t *testing.T, request, statement string) (int, *problem.Problem) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"request": request, "statement": statement})
	r.done(err)
	response, err := r.browser.Post(r.URL()+"/oauth/signin", "application/json", bytes.NewReader(body))
	r.done(err)
	defer response.Body.Close()
	p, err := problem.Read(response)
	r.done(err)
	return response.StatusCode, p
}

// forge returns a statement with another name, and so without its signature.
func forge(t *testing.T, statement, name string) string {
	t.Helper()
	parts := strings.Split(statement, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	claims["sub"] = name
	if payload, err = json.Marshal(claims); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(parts[0], ".", base64.RawURLEncoding.EncodeToString(payload), ".", parts[2])
}
