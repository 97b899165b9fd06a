package oidc_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestRefusalIsAPageForPeople: in words, with nothing of the request that a browser
// would run.
func TestRefusalIsAPageForPeople(t *testing.T) {
	s := newStage(t)
	const script = "<script>alert(1)</script>"
	for path, word := range map[string]string{
		"/oauth/authorize?" + asks("client_id", "nobody").Encode():                 "unknown client_id",
		"/oauth/authorize?" + asks("client_id", script).Encode():                   "unknown client_id",
		"/oauth/authorize?a=1&a=2":                                                 "a parameter stands twice",
		"/oauth/authorize?<script>alert(1)</script>=1&<script>alert(1)</script>=1": "a parameter stands twice",
		"/oauth/logout":                   "id_token_hint is needed",
		"/oauth/forward/start?to=//evil/": "malformed request: to is a path of this origin",
	} {
		r, err := http.NewRequest(http.MethodGet, s.issuer, nil)
		s.done(err)
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		r.Header.Set("Accept", "text/html,application/xhtml+xml")
		a := s.browser().do(r)
		if a.status != http.StatusBadRequest || a.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(string(a.body), word) ||
			strings.Contains(string(a.body), "<script") {
			t.Errorf("%s: %v", path, a)
		}
	}
	r, err := http.NewRequest(http.MethodGet, s.issuer+"/oauth/authorize?"+asks().Encode(), nil)
	s.done(err)
	r.Header.Set("Accept", "text/html")
	if a := s.browser().do(r); a.status != http.StatusFound || a.to.Path != "/signin" {
		t.Errorf("a good request: %v", a)
	}
}
