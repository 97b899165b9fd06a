//go:build unix

package oidc_test

import (
	"net/url"
	"testing"
	"time"

	"milagro.dev/internal/oidc"
	"milagro.dev/internal/store"
	"milagro.dev/internal/store/postgrestest"
)

// onPostgres returns a stage whose transactions run beside each other.
func onPostgres(t *testing.T) *stage {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{URL: postgrestest.Start(t), Schema: store.Login()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return stageOn(t, db)
}

func TestCodesAndTokensAreSpentOnceOnPostgres(t *testing.T) {
	s := onPostgres(t)
	b := s.browser()
	code := b.code(alice, asks())
	if n := s.atOnce(8, func() answer { return s.redeem(code) }); n != 1 {
		t.Errorf("%d got the tokens of one code", n)
	}
	got := s.redeem(b.get("/oauth/authorize", asks()).to.Query().Get("code"))
	if !s.active(got.member("access_token")) {
		t.Fatal(got)
	}
	if n := s.atOnce(8, func() answer { return s.refresh(got.member("refresh_token")) }); n != 1 {
		t.Errorf("%d refreshed with one token", n)
	}
	if s.active(got.member("access_token")) {
		t.Error("a refresh token was shown eight times, and its family lives")
	}
	request, statement := b.waits(asks("prompt", "login")), s.login(alice)
	if n := s.atOnce(8, func() answer { return b.signs(request, statement) }); n != 1 {
		t.Errorf("%d sign-ins of one request", n)
	}
}

func TestSessionsEndOnPostgres(t *testing.T) {
	s := onPostgres(t)
	b, other := s.browser(), s.browser()
	got, theirs := b.tokens(alice), other.tokens(bob)
	s.revoke(alice)
	other.get("/oauth/logout", url.Values{"id_token_hint": {theirs.member("id_token")}})
	for _, token := range []string{got.member("access_token"), theirs.member("access_token")} {
		if s.active(token) {
			t.Error("a token is good")
		}
	}
	s.done(s.addClient(oidc.Client{ID: "shop", Redirects: []string{blogURL}}))
	if list, err := s.Clients(t.Context()); err != nil || len(list) != 4 || list[2].Secret != nil {
		t.Errorf("clients %v, %v", list, err)
	}
	s.done(s.RemoveClient(t.Context(), "shop"))
	s.clock.forward(40 * 24 * time.Hour)
	s.done(s.Sweep(t.Context()))
	if n := s.count("openid_tokens"); n != 0 {
		t.Errorf("%d tokens", n)
	}
}

// TestHostileRequestsOnPostgres: it takes no text that SQLite would.
func TestHostileRequestsOnPostgres(t *testing.T) {
	texts := nasties()
	onPostgres(t).hostile(t, map[string]string{"NUL": texts["NUL"], "not UTF-8": texts["not UTF-8"], "half a surrogate": texts["half a surrogate"]})
}

func TestRequestIsAnsweredOnceOnPostgres(t *testing.T) { onPostgres(t).answersOnce(t) }
