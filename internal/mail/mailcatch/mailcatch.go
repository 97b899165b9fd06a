// Package mailcatch is a mail server that delivers nothing: it keeps what it takes in
// memory, for who tries things on one machine (`milagro dev`) and for tests. It speaks
// real SMTP, on loopback and without TLS, takes mail from anybody there, and forgets
// all of it when it ends. What it keeps is whatever somebody sent: who shows a mail
// treats it as hostile.
package mailcatch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"milagro.dev/internal/mail"
)

// What is kept: one mail has at most maxLetter bytes; of all mails the newest, at most
// MaxKept and of maxBytes together.
const (
	maxLetter = 64 << 10
	maxBytes  = 8 << 20

	// MaxKept is how many mails are kept.
	MaxKept = 1000
)

// Letter is a mail that a server took. Its texts are valid UTF-8 and otherwise as they
// came.
type Letter struct {
	From    string    `json:"from"` // address of the envelope
	To      string    `json:"to"`   // likewise
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Time    time.Time `json:"time"` // when it was taken
}

func (l Letter) size() int { return len(l.From) + len(l.To) + len(l.Subject) + len(l.Text) }

// Server is a mail server on loopback.
type Server struct {
	server *smtp.Server
	port   int

	mu      sync.Mutex // of what follows
	letters []Letter   // the oldest first
	bytes   int        // of letters
	taken   int        // since the start
	refuse  bool
}

// Listen starts a mail server at an address of loopback, such as 127.0.0.1:0; Close
// ends it.
func Listen(address string) (*Server, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("mail catcher: %.64q is no address of loopback, such as 127.0.0.1:2525", address)
	}
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

// Letters returns what is kept, the oldest first.
func (s *Server) Letters() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.letters)
}

// Taken returns how many mails were taken since the start, kept or not.
func (s *Server) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// keep takes a mail, in place of the oldest where there are too many.
func (s *Server) keep(l Letter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse {
		return errors.New("not now")
	}
	s.letters = append(s.letters, l)
	s.bytes += l.size()
	s.taken++
	for len(s.letters) > MaxKept || s.bytes > maxBytes {
		s.bytes -= s.letters[0].size()
		s.letters = slices.Delete(s.letters, 0, 1)
	}
	return nil
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

// Data takes a mail of plain text; of another kind, its source.
func (c *session) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	body := m.Body
	switch strings.ToLower(m.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		subject = m.Header.Get("Subject")
	}
	return c.server.keep(Letter{From: valid(c.from), To: valid(c.to), Subject: valid(subject), Time: time.Now().UTC(),
		Text: valid(strings.ReplaceAll(string(text), "\r\n", "\n"))})
}

func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
