package webserver

import (
	"net/http"
	"testing"
	"time"
)

// TestEverythingIsBoundByDefault holds the server of an empty Config against
// what the package says of it.
func TestEverythingIsBoundByDefault(t *testing.T) {
	s := build(Config{Handler: http.NotFoundHandler()})
	for what, c := range map[string]struct{ got, want time.Duration }{
		"header":  {s.ReadHeaderTimeout, 10 * time.Second},
		"request": {s.ReadTimeout, 20 * time.Second},
		"answer":  {s.WriteTimeout, 30 * time.Second},
		"idle":    {s.IdleTimeout, 60 * time.Second},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", what, c.got, c.want)
		}
	}
	if s.MaxHeaderBytes+httpSlack != MaxHeader {
		t.Errorf("%d bytes of header", s.MaxHeaderBytes)
	}
}
