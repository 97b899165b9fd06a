// Package mailtest runs the mail server of package mailcatch for tests.
package mailtest

import (
	"testing"
	"time"

	"milagro.dev/internal/mail/mailcatch"
)

// Letter is a mail that a server took.
type Letter = mailcatch.Letter

// Server is a mail server on loopback.
type Server struct{ *mailcatch.Server }

// New starts a mail server, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := mailcatch.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &Server{s}
}

// Await returns what was taken once that is n mails; the test fails after 20 s.
func (s *Server) Await(t testing.TB, n int) []Letter {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if l := s.Letters(); len(l) >= n {
			return l
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d mails after 20 s, not %d", len(s.Letters()), n)
		}
	}
}
