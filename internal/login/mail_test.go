package login_test

import (
	"bufio"
	"io"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/mail"
)

// letter is a mail as the mail server took it.
type letter struct {
	from, to string
	head     netmail.Header
	text     string
}

// postOffice is a mail server: it takes letters, or refuses each of the first few.
type postOffice struct {
	t        testing.TB
	listener net.Listener
	port     int

	mu      sync.Mutex // of all below
	refuse  int
	refused int
	letters []letter
}

func openPostOffice(t testing.TB, refuse int) *postOffice {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	o := &postOffice{t: t, listener: listener, port: listener.Addr().(*net.TCPAddr).Port, refuse: refuse}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go o.serve(conn)
		}
	}()
	return o
}

// serve speaks as much of RFC 5321 as a client needs.
func (o *postOffice) serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewReader(conn)
	say := func(text string) { io.WriteString(conn, text+"\r\n") }
	say("220 post.example.org")
	var l letter
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, ":")
		switch verb = strings.ToUpper(verb); {
		case strings.HasPrefix(verb, "EHLO"), strings.HasPrefix(verb, "HELO"):
			say("250-post.example.org\r\n250 8BITMIME")
		case verb == "MAIL FROM":
			l.from = rest
			say("250 OK")
		case verb == "RCPT TO":
			l.to = rest
			say("250 OK")
		case verb == "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(line)
			}
			say(o.take(l, text.String()))
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 OK")
		}
	}
}

func (o *postOffice) take(l letter, text string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuse > 0 {
		o.refuse--
		o.refused++
		return "451 later"
	}
	message, err := netmail.ReadMessage(strings.NewReader(text))
	if err != nil {
		o.t.Error(err)
		return "554 no mail"
	}
	l.head = message.Header
	body := io.Reader(message.Body)
	if message.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		o.t.Error(err)
	}
	l.text = string(b)
	o.letters = append(o.letters, l)
	return "250 taken"
}

func (o *postOffice) taken() []letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]letter(nil), o.letters...)
}

func (o *postOffice) config() mail.Config {
	return mail.Config{Host: "127.0.0.1", Port: o.port, From: "Login <login@example.org>", TLS: mail.NoTLS}
}

// mailed waits for so many letters.
func (s *stage) mailed(o *postOffice, n int) []letter {
	s.t.Helper()
	s.eventually(strconv.Itoa(n)+" letters", func() bool { return len(o.taken()) >= n })
	return o.taken()
}

func (s *stage) locks(p *logintest.Person) {
	s.t.Helper()
	for range 5 {
		s.fails(p, wrong)
	}
}

// TestOwnerIsMailedAtALock: once a lock, with what happened and what to do, and
// with no secret; the mail server was away when it came to it.
func TestOwnerIsMailedAtALock(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		o := openPostOffice(t, 2)
		s := newStage(t, func(c *logintest.Config) {
			if engine != nil {
				engine(c)
			}
			c.Login.Mail = o.config()
		})
		p := s.Person(t, alice, right)
		for range 4 {
			s.fails(p, wrong)
		}
		s.clock.forward(time.Minute)
		s.logsIn(p)
		s.locks(p)
		s.fails(p, right)
		s.clock.forward(time.Minute)
		s.eventually("a mail waits", func() bool {
			status, err := s.Operator().Status(t.Context())
			s.done(err)
			return status.Mails == 1 && status.Locked == 1
		})
		s.done(s.Restart(t.Context())) // it is in the database
		s.eventually("the letter is taken", func() bool {
			s.clock.forward(time.Minute)
			return len(o.taken()) > 0
		})
		l := s.mailed(o, 1)[0]
		if !strings.Contains(l.to, "<alice@example.org>") || !strings.Contains(l.from, "<login@example.org>") || l.head.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("%+v", l)
		}
		for _, text := range []string{"5 wrong PINs in a row", "service login", s.URL(), alice, p.Device.Hash().String(), "UTC", "milagro login unlock", "milagro login revoke"} {
			if !strings.Contains(l.text, text) {
				t.Errorf("no %q in\n%s", text, l.text)
			}
		}
		for range 5 {
			s.clock.forward(20 * time.Minute)
			s.fails(p, wrong)
			s.done(s.Login.Mails(t.Context()))
		}
		if n := len(o.taken()); n != 1 {
			t.Errorf("%d letters of one lock", n)
		}
		if _, err := s.Operator().Unlock(t.Context(), p.Name, nil); err != nil {
			t.Fatal(err)
		}
		s.locks(p)
		s.clock.forward(time.Minute)
		s.mailed(o, 2)
	})
}

// TestOwnerIsMailedAtTheEnd: after fifty wrong PINs the mail says that no unlocking
// helps.
func TestOwnerIsMailedAtTheEnd(t *testing.T) {
	t.Parallel()
	o := openPostOffice(t, 0)
	s := newStage(t, func(c *logintest.Config) { c.Login.Mail = o.config() })
	p := s.Person(t, alice, right)
	for n := range 50 {
		s.fails(p, wrong)
		if n%4 == 3 {
			s.logsIn(p)
		}
	}
	s.clock.forward(time.Minute)
	if text := s.mailed(o, 1)[0].text; !strings.Contains(text, "50 wrong PINs in all") || !strings.Contains(text, "register this device anew") {
		t.Error(text)
	}
}

// TestWorkloadHasNoMailbox: only people are mailed; others are logged, and counted
// with the locked.
func TestWorkloadHasNoMailbox(t *testing.T) {
	t.Parallel()
	o := openPostOffice(t, 0)
	log := new(record)
	s := newStage(t, func(c *logintest.Config) { c.Login.Mail, c.Login.Logger = o.config(), log.logger() })
	p, q := s.Person(t, "spiffe://example.org/kiosk", right), s.Person(t, alice, right)
	s.locks(p)
	s.clock.forward(time.Minute)
	s.eventually("the log has the lock", func() bool { return strings.Contains(log.String(), `"mailed":false`) })
	s.locks(q)
	s.clock.forward(time.Minute)
	if l := s.mailed(o, 1); len(l) != 1 || !strings.Contains(l[0].to, "alice") {
		t.Errorf("%+v", l)
	}
}

// TestDeadMailServerBlocksNothing: it takes the connection and says nothing.
func TestDeadMailServerBlocksNothing(t *testing.T) {
	t.Parallel()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	s := newStage(t, func(c *logintest.Config) {
		c.Login.Mail = mail.Config{Host: "127.0.0.1", Port: dead.Addr().(*net.TCPAddr).Port, From: "login@example.org", TLS: mail.NoTLS}
	})
	p, q := s.Person(t, alice, right), s.Person(t, bob, right)
	s.logsIn(q)
	s.locks(p)
	s.clock.forward(time.Minute)
	s.eventually("the mail is under way", func() bool {
		status, err := s.Operator().Status(t.Context())
		s.done(err)
		return status.Mails == 1
	})
	s.logsIn(q)
	if _, err := s.Operator().Revoke(t.Context(), q.Name, nil); err != nil {
		t.Fatal(err)
	}
	s.known(q, 1, 2, 3)
	before := time.Now()
	s.done(s.Stop())
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("the server stopped after %s", took)
	}
}

// TestMailConfigIsChecked before anybody is served.
func TestMailConfigIsChecked(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.done(s.Stop())
	password := filepath.Join(t.TempDir(), "password")
	s.done(os.WriteFile(password, []byte("secret\n"), 0o600))
	for what, c := range map[string]mail.Config{
		"no sender":           {Host: "mail.example.org"},
		"a sender of lines":   {Host: "mail.example.org", From: "a@example.org\r\nBcc: b@example.org"},
		"TLS of another kind": {Host: "mail.example.org", From: "a@example.org", TLS: "always"},
		"a password in clear": {Host: "mail.example.org", From: "a@example.org", TLS: mail.NoTLS, User: "a", PasswordFile: password},
		"a port there is not": {Host: "mail.example.org", From: "a@example.org", Port: 70_000},
	} {
		s.Configure(func(l *login.Config) { l.Mail = c })
		if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "mail") {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.Configure(func(l *login.Config) {
		l.Mail = mail.Config{Host: "mail.example.org", From: "a@example.org", User: "a", PasswordFile: password}
	})
	s.done(s.Start(t.Context()))
	s.done(s.AwaitReady(t.Context()))
}
