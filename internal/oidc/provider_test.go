package oidc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"milagro.dev/internal/oidc"
)

// TestMain drops what the library logs by slog's default.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func TestDiscoverySaysWhatThereIs(t *testing.T) {
	s := newStage(t)
	a := s.browser().get(oidc.Discovery, nil)
	for member, want := range map[string]string{
		"issuer": s.issuer, "response_types_supported": "[code]", "grant_types_supported": "[authorization_code refresh_token]",
		"code_challenge_methods_supported": "[S256]", "id_token_signing_alg_values_supported": "[ES256]",
		"authorization_response_iss_parameter_supported": "true", "request_uri_parameter_supported": "false", "response_modes_supported": "[query]",
		"pushed_authorization_request_endpoint": "", "device_authorization_endpoint": "", "registration_endpoint": "", "check_session_iframe": "",
	} {
		if got := a.member(member); got != want {
			t.Errorf("%s is %s, want %s", member, got, want)
		}
	}
}

func TestHugeAndOddRequestsAreRefused(t *testing.T) {
	s := newStage(t)
	huge := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {strings.Repeat("x", 70<<10)}}
	if a := s.post("/oauth/token", "wiki", wikiSecret, huge); a.status != http.StatusRequestEntityTooLarge && a.status != http.StatusBadRequest {
		t.Errorf("huge: %v", a)
	}
	for _, path := range []string{"/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/signin", "/oauth/signout"} {
		if a := s.browser().get(path, nil); a.status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %v", path, a)
		}
	}
	for _, path := range []string{"/oauth/", "/oauth/authorize/callback", "/oauth/device_authorization", "/healthz", "/ready"} {
		if a := s.browser().get(path, nil); a.status != http.StatusNotFound {
			t.Errorf("GET %s: %v", path, a)
		}
	}
	for _, body := range []string{"%zz", "a=%00", "grant_type=refresh_token&grant_type=refresh_token", "\xff\xfe"} {
		r, err := http.NewRequest(http.MethodPost, s.issuer+"/oauth/token", strings.NewReader(body))
		s.done(err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("wiki", wikiSecret)
		if a := s.browser().do(r); a.status != http.StatusBadRequest {
			t.Errorf("%q: %v", body, a)
		}
	}
}

// keys returns the IDs of the published keys.
func (s *stage) published() (ids []string) {
	s.t.Helper()
	var set jose.JSONWebKeySet
	s.done(json.Unmarshal(s.browser().get("/oauth/keys", nil).body, &set))
	for _, key := range set.Keys {
		if !key.IsPublic() || key.Algorithm != "ES256" {
			s.t.Errorf("key %s", key.KeyID)
		}
		ids = append(ids, key.KeyID)
	}
	return ids
}

func (s *stage) signedBy(idToken string) string {
	s.t.Helper()
	signed, err := jose.ParseSignedCompact(idToken, []jose.SignatureAlgorithm{jose.ES256})
	s.done(err)
	return signed.Signatures[0].Header.KeyID
}

func TestSigningKeysRotate(t *testing.T) {
	s := newStage(t)
	first := s.published()
	old := s.browser().tokens(alice).member("id_token")
	if len(first) != 1 || s.signedBy(old) != first[0] {
		t.Fatalf("keys %v", first)
	}
	s.clock.forward(89*24*time.Hour + time.Hour)
	s.done(s.Sweep(t.Context()))
	both := s.published()
	if len(both) != 2 || !slices.Contains(both, first[0]) {
		t.Fatalf("keys %v, were %v", both, first)
	}
	if s.signedBy(s.browser().tokens(alice).member("id_token")) != first[0] {
		t.Error("a key signs before applications can know it")
	}
	s.clock.forward(25 * time.Hour)
	s.done(s.Sweep(t.Context()))
	next := s.browser().tokens(alice).member("id_token")
	if s.signedBy(next) == first[0] || !slices.Contains(s.published(), first[0]) || len(s.keys.keys) != 2 {
		t.Error("the next key does not sign beside the old one")
	}
	s.Provider = s.provider() // from what is at rest
	if got := s.signedBy(s.browser().tokens(alice).member("id_token")); got != s.signedBy(next) {
		t.Error("another key after a restart")
	}
	s.clock.forward(25 * time.Hour)
	s.done(s.Sweep(t.Context()))
	if keys := s.published(); len(keys) != 1 || keys[0] != s.signedBy(next) || len(s.keys.keys) != 1 {
		t.Errorf("keys %v", keys)
	}
}

// TestKeyThatIsTakenAwayIsPublishedNoMore: an hour after a server without it runs.
func TestKeyThatIsTakenAwayIsPublishedNoMore(t *testing.T) {
	s := newStage(t)
	known := s.published()
	clear(s.keys.keys)
	s.Provider = s.provider()
	if got := s.published(); len(got) != 2 || s.signedBy(s.browser().tokens(alice).member("id_token")) == known[0] {
		t.Errorf("keys %v, were %v", got, known)
	}
	s.clock.forward(59 * time.Minute)
	s.done(s.Sweep(t.Context()))
	s.clock.forward(2 * time.Minute)
	if got := s.published(); len(got) != 1 || got[0] == known[0] {
		t.Errorf("keys %v, were %v", got, known)
	}
}

func TestEveryServerPublishesTheKeysOfAll(t *testing.T) {
	s := newStage(t)
	other := &stage{t: t, clock: s.clock, logins: s.logins, db: s.db, keys: &shelf{map[int64][]byte{}}, log: new(bytes.Buffer)}
	other.serve()
	if mine, theirs := s.published(), other.published(); len(mine) != 2 || !slices.Equal(mine, theirs) {
		t.Errorf("keys %v and %v", mine, theirs)
	}
}

func TestClientsComeAndGo(t *testing.T) {
	s := newStage(t)
	c := oidc.Client{ID: "shop", Redirects: []string{"https://shop.example.org/a", "https://shop.example.org/b"}}
	var err error
	c.Secret, err = oidc.HashSecret(wikiSecret)
	s.done(err)
	s.done(s.addClient(c))
	if err := s.addClient(c); !errors.Is(err, fs.ErrExist) {
		t.Errorf("twice: %v", err)
	}
	if err := s.addClient(oidc.Client{ID: "wiki", Redirects: c.Redirects}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("of the configuration: %v", err)
	}
	list, err := s.Clients(t.Context())
	if err != nil || len(list) != 4 || list[2].ID != "shop" || *list[2].Secret != *c.Secret || !slices.Equal(list[2].Redirects, c.Redirects) {
		t.Errorf("clients %v, %v", list, err)
	}
	b := s.browser()
	code := b.code(alice, asks("client_id", "shop", "redirect_uri", c.Redirects[1]))
	got := s.post("/oauth/token", "shop", wikiSecret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.Redirects[1]}, "code_verifier": {verifier}})
	if s.userinfo(got.member("access_token")).status != http.StatusOK {
		t.Fatal(got)
	}
	s.done(s.RemoveClient(t.Context(), "shop"))
	if s.userinfo(got.member("access_token")).status != http.StatusUnauthorized {
		t.Error("a token outlives its client")
	}
	if err := s.RemoveClient(t.Context(), "shop"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("twice: %v", err)
	}
}

func TestClientsThatCannotBeMeantAreRefused(t *testing.T) {
	good := []string{"https://wiki.example.org/callback"}
	for name, c := range map[string]oidc.Client{
		"no ID":         {Redirects: good},
		"capitals":      {ID: "Wiki", Redirects: good},
		"a line":        {ID: "wiki\n", Redirects: good},
		"no URL":        {ID: "wiki"},
		"plain HTTP":    {ID: "wiki", Redirects: []string{"http://wiki.example.org/"}},
		"a fragment":    {ID: "wiki", Redirects: []string{"https://wiki.example.org/#x"}},
		"an empty one":  {ID: "wiki", Redirects: []string{"https://wiki.example.org/#"}},
		"a user":        {ID: "wiki", Redirects: []string{"https://user@wiki.example.org/"}},
		"a script":      {ID: "wiki", Redirects: []string{"javascript:alert(1)"}},
		"another way":   {ID: "wiki", Redirects: []string{"app.example:/callback"}},
		"two lines":     {ID: "wiki", Redirects: []string{"https://wiki.example.org/\nhttps://evil.example.org/"}},
		"no host":       {ID: "wiki", Redirects: []string{"https:///callback"}},
		"after logouts": {ID: "wiki", Redirects: good, PostLogouts: []string{"http://wiki.example.org/"}},
	} {
		if c.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := oidc.HashSecret("short"); err == nil {
		t.Error("a short secret is taken")
	}
	if err := (oidc.Client{ID: "app-1.x_y", Redirects: []string{"http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:9/"}}).Check(); err != nil {
		t.Error(err)
	}
}

func TestSweepForgetsWhatIsPast(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	b.tokens(alice)
	b.waits(asks("prompt", "login"))
	s.clock.forward(40 * 24 * time.Hour)
	s.done(s.Sweep(t.Context()))
	for _, table := range []string{"requests", "statements", "sessions", "codes", "families", "tokens"} {
		if n := s.count("openid_" + table); n != 0 {
			t.Errorf("%d %s", n, table)
		}
	}
}

func TestNoSecretIsKeptOrLogged(t *testing.T) {
	s := newStage(t)
	was := slog.Default() // where the library logs
	slog.SetDefault(slog.New(slog.NewTextHandler(&locked{w: s.log}, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(was)
	b := s.browser()
	id := b.waits(asks())
	code := b.code(alice, asks("prompt", "login"))
	got := s.redeem(code)
	s.redeem(code)
	s.refresh(got.member("refresh_token"))
	s.userinfo(got.member("access_token"))
	s.post("/oauth/token", "blog", wikiSecret+"x", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.member("refresh_token")}})
	b.get("/oauth/authorize", asks("id_token_hint", got.member("id_token"), "prompt", "create"))
	b.get("/oauth/logout", url.Values{"id_token_hint": {got.member("id_token")}, "post_logout_redirect_uri": {"https://evil.example.org/"}})
	if !strings.Contains(s.log.String(), "invalid_grant") {
		t.Error("refusals are not logged")
	}
	origin, err := url.Parse(s.issuer)
	s.done(err)
	secrets := []string{id, code, got.member("access_token"), got.member("refresh_token"), got.member("id_token"), wikiSecret}
	for _, c := range b.Jar.Cookies(origin) {
		secrets = append(secrets, c.Value)
	}
	s.done(s.db.Close())
	for _, suffix := range []string{"", "-wal"} {
		f, err := os.Open(s.db.Path() + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		s.done(err)
		kept, err := io.ReadAll(f)
		s.done(errors.Join(err, f.Close()))
		for _, secret := range secrets {
			part := secret[:min(len(secret), 24)]
			if part == "" || bytes.Contains(kept, []byte(part)) || strings.Contains(s.log.String(), part) {
				t.Errorf("%q is kept or logged", secret)
			}
		}
	}
}
