// Package mail hands mails to a mail server over SMTP, for whoever has to reach a
// person: login servers about locks and invitations, authorities with their codes
// (spec/enrolment.md). It keeps nothing: who must not lose a mail keeps it until
// Send has returned nil.
//
// A password is read from its file for each mail and kept nowhere.
package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"milagro.dev/identity"
	"milagro.dev/internal/custody"
)

// Timeout bounds each step of a conversation with the mail server.
const Timeout = 15 * time.Second

// TLS says how a mail server is spoken to.
type TLS string

const (
	// StartTLS insists on STARTTLS: the zero TLS stands for it.
	StartTLS TLS = "starttls"
	// ImplicitTLS speaks TLS from the first byte.
	ImplicitTLS TLS = "implicit"
	// NoTLS is for a mail server on the same machine.
	NoTLS TLS = "none"
)

// Config says by which mail server people are reached.
type Config struct {
	// Host of the SMTP server; without one no mail is sent.
	Host string
	// Port of it; 587, or 465 with ImplicitTLS, or 25 with NoTLS.
	Port int
	// From is the sender's address.
	From string
	// TLS is how the server is spoken to.
	TLS TLS
	// User and PasswordFile, a file of one line that only the owner reads, log in
	// there; without a user nobody logs in.
	User         string
	PasswordFile string
}

// Sender hands mails to one mail server. The nil Sender reaches nobody.
type Sender struct {
	config  Config
	options []gomail.Option
}

// Letter is a mail to one person. Its texts have no line from the network in them.
type Letter struct {
	To      identity.Name // a person's
	Subject string
	Date    time.Time
	Text    string
}

// New returns the sender of a configuration, nil without a host. Errors say which
// setting cannot be used and repeat no password.
func New(c Config) (*Sender, error) {
	if c.Host == "" {
		return nil, nil
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("mail: sender %.100q is no address", c.From)
	}
	if c.User != "" && c.TLS == NoTLS {
		return nil, errors.New("mail: no password is sent without TLS")
	}
	s := &Sender{config: c, options: []gomail.Option{gomail.WithTimeout(Timeout)}}
	switch cmp.Or(c.TLS, StartTLS) {
	case StartTLS:
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithPort(cmp.Or(c.Port, 587)))
	case ImplicitTLS:
		s.options = append(s.options, gomail.WithSSL(), gomail.WithPort(cmp.Or(c.Port, 465)))
	case NoTLS:
		s.options = append(s.options, gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithPort(cmp.Or(c.Port, 25)))
	default:
		return nil, fmt.Errorf("mail: TLS is %.20q, not %s, %s or %s", string(c.TLS), StartTLS, ImplicitTLS, NoTLS)
	}
	if _, err := gomail.NewClient(c.Host, s.options...); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return s, nil
}

// Reaches reports whether mails go to the owner of a name: people have mailboxes.
func (s *Sender) Reaches(name identity.Name) bool { return s != nil && name.Person() }

// Address returns the mailbox that a person's name is: that of
// acct:alice@example.org is alice@example.org.
func Address(name identity.Name) string { return strings.TrimPrefix(name.String(), "acct:") }

// Send returns nil once the mail server has taken the mail.
func (s *Sender) Send(ctx context.Context, l Letter) error {
	if !s.Reaches(l.To) {
		return errors.New("mail: the name has no mailbox, or there is no mail server")
	}
	ctx, cancel := context.WithCancel(ctx) // ends what abortable hangs on it
	defer cancel()
	message := gomail.NewMsg()
	if err := errors.Join(message.From(s.config.From), message.To(Address(l.To))); err != nil {
		return err
	}
	message.Subject(l.Subject)
	message.SetGenHeader(gomail.Header("Auto-Submitted"), "auto-generated")
	message.SetDateWithValue(l.Date.UTC())
	message.SetBodyString(gomail.TypeTextPlain, l.Text)
	options, err := s.login()
	if err != nil {
		return err
	}
	if s.config.TLS != ImplicitTLS { // there the library dials by itself
		options = append(options, gomail.WithDialContextFunc(abortable(ctx)))
	}
	client, err := gomail.NewClient(s.config.Host, options...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, message)
}

// abortable returns a dialer whose connections end with ctx: who stops the server
// does not wait for a mail server that says nothing.
func abortable(ctx context.Context) gomail.DialContextFunc {
	return func(dial context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dial, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
}

// login reads the password anew each time: it may have been changed.
func (s *Sender) login() ([]gomail.Option, error) {
	options := s.options[:len(s.options):len(s.options)]
	if s.config.User == "" {
		return options, nil
	}
	line, err := custody.ReadSecretFile(s.config.PasswordFile)
	if err != nil {
		return nil, err
	}
	password := strings.TrimRight(string(line), "\r\n")
	return append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
		gomail.WithUsername(s.config.User), gomail.WithPassword(password)), nil
}
