package oidc

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"milagro.dev/internal/problem"
)

// TestRefusalPageRunsNothingOfWhatItSays: refusals say nothing of a request as it came;
// one that did would be text.
func TestRefusalPageRunsNothingOfWhatItSays(t *testing.T) {
	const script = "</code><script>alert(1)</script>"
	page := paged(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		problem.Write(w, problem.New(problem.Malformed, script))
	}))
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	r.Header.Set("Accept", "text/html")
	page.ServeHTTP(w, r)
	if body := w.Body.String(); strings.Contains(body, "<script") || !strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("status %d: %s", w.Code, body)
	}
}
