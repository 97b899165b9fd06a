package oidc_test

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"milagro.dev/internal/oidc"
)

// redeem shows a code as the wiki, with changes.
func (s *stage) redeem(code string, changes ...string) answer {
	s.t.Helper()
	return s.post("/oauth/token", "wiki", wikiSecret, change(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {wikiURL},
		"code_verifier": {verifier}}, changes...))
}

func (s *stage) refresh(token string) answer {
	s.t.Helper()
	return s.post("/oauth/token", "wiki", wikiSecret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// tokens signs a person in and returns the tokens that the wiki gets.
func (b *browser) tokens(name string) answer {
	b.s.t.Helper()
	a := b.s.redeem(b.code(name, asks()))
	if a.status != http.StatusOK {
		b.s.t.Fatalf("no tokens: %v", a)
	}
	return a
}

// active reports what introspection says of a token, to the wiki.
func (s *stage) active(token string) bool {
	s.t.Helper()
	return s.post("/oauth/introspect", "wiki", wikiSecret, url.Values{"token": {token}}).member("active") == "true"
}

func (s *stage) userinfo(token string) answer {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodGet, s.issuer+"/oauth/userinfo", nil)
	s.done(err)
	r.Header.Set("Authorization", "Bearer "+token)
	return s.browser().do(r)
}

// is fails the test unless an answer has a status and an error.
func (s *stage) is(a answer, status int, word string) {
	s.t.Helper()
	if a.status != status || a.member("error") != word {
		s.t.Errorf("got %v, want %d %s", a, status, word)
	}
}

func (s *stage) count(table string) (n int) {
	s.t.Helper()
	s.done(s.db.Read(s.t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n)
	}))
	return n
}

// addClient adds a client, as the login server does.
func (s *stage) addClient(c oidc.Client) error {
	return s.db.Write(s.t.Context(), func(ctx context.Context, tx *sql.Tx) error { return s.AddClient(ctx, tx, c) })
}

// atOnce does the same n times at once and returns how often it succeeded.
func (s *stage) atOnce(n int, do func() answer) int {
	var good atomic.Int64
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if do().status == http.StatusOK {
				good.Add(1)
			}
		})
	}
	all.Wait()
	return int(good.Load())
}
