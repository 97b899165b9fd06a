package oidc_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milagro.dev/internal/oidc"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
)

const (
	wikiSecret = "wiki-secret-of-no-little-length"
	wikiURL    = "https://wiki.example.org/callback"
	wikiOut    = "https://wiki.example.org/bye?from=login"
	blogURL    = "https://blog.example.org/callback?kind=blog"
	appURL     = "http://127.0.0.1:5555/callback"
	verifier   = "a-verifier-of-the-tests-that-is-long-enough-1234"
	alice      = "acct:alice@example.org"
	bob        = "acct:bob@example.org"
)

// clock is one that a test sets.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// logins is a login server in front of the provider: a statement is "name number".
type logins struct {
	clock *clock
	when  time.Duration // before now, when people logged in
}

func (l *logins) Authenticate(_ context.Context, statement string) (oidc.Subject, error) {
	name, _, found := strings.Cut(statement, " ")
	if !found {
		return oidc.Subject{}, problem.New(problem.LoginRefused, "")
	}
	now := l.clock.Now()
	return oidc.Subject{Sub: "sub-of-" + name, Name: name, Service: service(), Device: device(name), ID: statement,
		Time: now.Add(-l.when), Expires: now.Add(5 * time.Minute)}, nil
}

func service() [32]byte           { return sha256.Sum256([]byte("service")) }
func device(name string) [32]byte { return sha256.Sum256([]byte(name)) }

// shelf is a KeyStore in memory.
type shelf struct{ keys map[int64][]byte }

func (s *shelf) Keys() (list []oidc.StoredKey, err error) {
	for from, secret := range s.keys {
		list = append(list, oidc.StoredKey{From: time.Unix(from, 0), Secret: bytes.Clone(secret)})
	}
	return list, nil
}

func (s *shelf) Add(k oidc.StoredKey) error {
	s.keys[k.From.Unix()] = bytes.Clone(k.Secret)
	return nil
}

func (s *shelf) Remove(k oidc.StoredKey) error {
	delete(s.keys, k.From.Unix())
	return nil
}

// stage is a provider that is served.
type stage struct {
	*oidc.Provider
	t      *testing.T
	issuer string
	clock  *clock
	logins *logins
	db     *store.DB
	keys   *shelf
	log    *bytes.Buffer
	number atomic.Int64
}

func newStage(t *testing.T) *stage {
	t.Helper()
	db, err := store.Create(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "state.db"), Schema: store.Login()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return stageOn(t, db)
}

func stageOn(t *testing.T, db *store.DB) *stage {
	t.Helper()
	c := new(clock)
	s := &stage{t: t, clock: c, logins: &logins{clock: c}, db: db, keys: &shelf{map[int64][]byte{}}, log: new(bytes.Buffer)}
	s.serve()
	for _, name := range []string{alice, bob} {
		s.row(name)
	}
	return s
}

// serve serves a provider, on a new origin.
func (s *stage) serve() {
	s.t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Provider.ServeHTTP(w, r) }))
	s.issuer = "http://" + server.Listener.Addr().String()
	s.Provider = s.provider()
	server.Start()
	s.t.Cleanup(server.Close)
}

func (s *stage) provider() *oidc.Provider {
	s.t.Helper()
	secret, err := oidc.HashSecret(wikiSecret)
	s.done(err)
	ring, err := oidc.OpenKeyring(s.keys)
	s.done(err)
	p, err := oidc.New(s.t.Context(), oidc.Config{Issuer: s.issuer, DB: s.db, Keys: ring, Authenticator: s.logins, Clock: s.clock.Now,
		Logger: slog.New(slog.NewTextHandler(&locked{w: s.log}, nil)), Clients: []oidc.Client{
			{ID: "wiki", Redirects: []string{wikiURL}, PostLogouts: []string{wikiOut}, Secret: secret},
			{ID: "blog", Redirects: []string{blogURL}, Secret: secret},
			{ID: "app", Redirects: []string{appURL}},
		}})
	s.done(err)
	return p
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (s *stage) done(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// row makes the row of a person's device, as the login server does.
func (s *stage) row(name string) {
	s.t.Helper()
	service, device := service(), device(name)
	s.done(s.db.Write(s.t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO devices (service, name, device, channel_kind, made) VALUES ($1, $2, $3, 0, 0) ON CONFLICT DO NOTHING", service[:], name, device[:])
		return err
	}))
}

// revoke revokes a person's device, as the login server does.
func (s *stage) revoke(name string) {
	s.t.Helper()
	s.done(s.db.Write(s.t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE devices SET revoked = TRUE WHERE name = $1", name)
		return err
	}))
}

// browser is one with cookies that follows no redirect.
type browser struct {
	*http.Client
	s *stage
}

func (s *stage) browser() *browser {
	jar, err := cookiejar.New(nil)
	s.done(err)
	return &browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, s}
}

// answer is what came back.
type answer struct {
	status int
	to     *url.URL // of a redirect
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d to %v: %s", a.status, a.to, a.body) }

// member returns a member of a JSON body, as text.
func (a answer) member(name string) string {
	var all map[string]any
	if json.Unmarshal(a.body, &all) != nil || all[name] == nil {
		return ""
	}
	return fmt.Sprint(all[name])
}

func (b *browser) do(r *http.Request) answer {
	b.s.t.Helper()
	response, err := b.Client.Do(r)
	b.s.done(err)
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	a.body, err = io.ReadAll(response.Body)
	b.s.done(err)
	if response.Header.Get("Location") != "" {
		a.to, err = response.Location()
		b.s.done(err)
	}
	return a
}

func (b *browser) get(path string, q url.Values) answer {
	b.s.t.Helper()
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	r, err := http.NewRequest(http.MethodGet, b.s.issuer+path, nil)
	b.s.done(err)
	return b.do(r)
}

// post posts a form as a client with a secret, or without a client.
func (s *stage) post(path, client, secret string, form url.Values) answer {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.issuer+path, strings.NewReader(form.Encode()))
	s.done(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		r.SetBasicAuth(client, secret)
	}
	return s.browser().do(r)
}

func challenge(verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// asks returns what the wiki asks for, with changes: name, value, and so on. An empty
// value leaves a parameter out.
func asks(changes ...string) url.Values {
	q := url.Values{"client_id": {"wiki"}, "redirect_uri": {wikiURL}, "response_type": {"code"}, "scope": {"openid profile email offline_access"},
		"state": {"the-state"}, "nonce": {"the-nonce"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}}
	return change(q, changes...)
}

func change(q url.Values, changes ...string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		if q.Del(changes[i]); changes[i+1] != "" {
			q.Set(changes[i], changes[i+1])
		}
	}
	return q
}

// waits asks for a sign-in and returns the request that waits.
func (b *browser) waits(q url.Values) string {
	b.s.t.Helper()
	a := b.get("/oauth/authorize", q)
	if a.status != http.StatusFound || a.to.Path != "/signin" {
		b.s.t.Fatalf("no way to sign in: %v", a)
	}
	return a.to.Query().Get("request")
}

// signs posts a statement for a request, as the page does.
func (b *browser) signs(request, statement string) answer {
	b.s.t.Helper()
	body, err := json.Marshal(map[string]string{"request": request, "statement": statement})
	b.s.done(err)
	r, err := http.NewRequest(http.MethodPost, b.s.issuer+"/oauth/signin", bytes.NewReader(body))
	b.s.done(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", b.s.issuer)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// login returns a statement of a person, a new one each time.
func (s *stage) login(name string) string { return fmt.Sprint(name, " ", s.number.Add(1)) }

// signsIn signs a person in and returns where that leads.
func (b *browser) signsIn(name string, q url.Values) *url.URL {
	b.s.t.Helper()
	a := b.signs(b.waits(q), b.s.login(name))
	to, err := url.Parse(a.member("redirect"))
	if err != nil || a.status != http.StatusOK {
		b.s.t.Fatalf("sign-in: %v", a)
	}
	return to
}

// code signs a person in and returns the code.
func (b *browser) code(name string, q url.Values) string {
	b.s.t.Helper()
	to := b.signsIn(name, q)
	if to.Query().Get("code") == "" {
		b.s.t.Fatalf("no code in %v", to)
	}
	return to.Query().Get("code")
}
