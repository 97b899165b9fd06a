// Package mailtest runs mail servers for tests and for tries on one machine: real
// SMTP over loopback, which keeps what it takes in memory. It is no mail server for
// anything else.
package mailtest

import (
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"milagro.dev/internal/mail"
)

// maxLetter bounds one mail, in bytes; maxKept how many are kept, the newest.
const (
	maxLetter = 64 << 10
	maxKept   = 1000
)

// Letter is a mail that a server took.
type Letter struct {
	From, To string // addresses
	Subject  string
	Text     string
	Time     time.Time // when it was taken
}

// Server is a mail server on loopback.
type Server struct {
	server *smtp.Server
	port   int

	mu      sync.Mutex // of what follows
	letters []Letter
	refuse  bool
}

// New starts a mail server, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Listen starts a mail server at an address of loopback; Close ends it.
func Listen(address string) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{port: listener.Addr().(*net.TCPAddr).Port}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }))
	s.server.Domain, s.server.MaxMessageBytes, s.server.MaxRecipients = "localhost", maxLetter, 1
	s.server.ReadTimeout, s.server.WriteTimeout = 10*time.Second, 10*time.Second
	go s.server.Serve(listener) // until Close
	return s, nil
}

// Close ends the server.
func (s *Server) Close() error { return s.server.Close() }

// Config returns how the server is spoken to.
func (s *Server) Config() mail.Config {
	return mail.Config{Host: "127.0.0.1", Port: s.port, From: "Milagro <milagro@example.org>", TLS: mail.NoTLS}
}

// Refuse has the server take no mail, until Take.
func (s *Server) Refuse() { s.set(true) }

// Take has it take mails again.
func (s *Server) Take() { s.set(false) }

func (s *Server) set(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// Letters returns what was taken, the oldest first.
func (s *Server) Letters() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Letter(nil), s.letters...)
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

// session is one conversation.
type session struct {
	server   *Server
	from, to string
}

func (c *session) Reset()                                      { c.from, c.to = "", "" }
func (c *session) Logout() error                               { return nil }
func (c *session) Mail(from string, _ *smtp.MailOptions) error { c.from = from; return nil }
func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error   { c.to = to; return nil }

// Data takes a mail of plain text.
func (c *session) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	body := m.Body
	if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse {
		return errors.New("not now")
	}
	s.letters = append(s.letters, Letter{From: c.from, To: c.to, Subject: m.Header.Get("Subject"), Time: time.Now(),
		Text: strings.ReplaceAll(string(text), "\r\n", "\n")})
	if len(s.letters) > maxKept {
		s.letters = s.letters[1:]
	}
	return nil
}
