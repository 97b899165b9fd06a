package oidc

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzWayBackStaysHere: whatever is asked for, forward authentication comes back to
// its own origin or refuses.
func FuzzWayBackStaysHere(f *testing.F) {
	for _, seed := range []string{"to=/a?b=c&d", "to=%2Fa", "to=//evil.example.org", "to=/%2Fevil", "to=/\\evil", "to=@evil.example.org", "to=/.evil.example.org", "x=1"} {
		f.Add(seed)
	}
	const issuer = "https://login.example.org"
	f.Fuzz(func(t *testing.T, query string) {
		to := way(query)
		if !localPath(to) {
			return
		}
		if u, err := url.Parse(issuer + to); err == nil && (u.Scheme != "https" || u.Host != "login.example.org" || u.User != nil) || strings.ContainsAny(to, "\r\n\\") {
			t.Errorf("%q leads to %q", query, issuer+to)
		}
	})
}
