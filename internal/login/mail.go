package login

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

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/custody"
)

// mailTimeout bounds each step of a conversation with the mail server.
const mailTimeout = 15 * time.Second

// mailer tells owners of locks. The nil mailer reaches nobody.
type mailer struct {
	config  MailConfig
	options []gomail.Option
}

// newMailer returns nil if no mail server is configured.
func newMailer(c MailConfig) (*mailer, error) {
	if c.Host == "" {
		return nil, nil
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("mail: sender %.100q is no address", c.From)
	}
	if c.User != "" && c.TLS == NoTLS {
		return nil, errors.New("mail: no password is sent without TLS")
	}
	m := &mailer{config: c, options: []gomail.Option{gomail.WithTimeout(mailTimeout)}}
	switch cmp.Or(c.TLS, StartTLS) {
	case StartTLS:
		m.options = append(m.options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithPort(cmp.Or(c.Port, 587)))
	case ImplicitTLS:
		m.options = append(m.options, gomail.WithSSL(), gomail.WithPort(cmp.Or(c.Port, 465)))
	case NoTLS:
		m.options = append(m.options, gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithPort(cmp.Or(c.Port, 25)))
	default:
		return nil, fmt.Errorf("mail: TLS is %.20q, not %s, %s or %s", string(c.TLS), StartTLS, ImplicitTLS, NoTLS)
	}
	if _, err := gomail.NewClient(c.Host, m.options...); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return m, nil
}

// reaches reports whether the owner of a name has an address: people do.
func (m *mailer) reaches(who subject) bool {
	name, err := identity.ParseName(who.name)
	return m != nil && err == nil && name.Person()
}

// send hands a mail to the mail server. What is in it is of a name, which has no
// space and no line end, and of the server's own card.
func (m *mailer) send(ctx context.Context, card *dta.LoginCard, l lockMail) error {
	message := gomail.NewMsg()
	if err := errors.Join(message.From(m.config.From), message.To(strings.TrimPrefix(l.who.name, "acct:"))); err != nil {
		return err
	}
	message.Subject("A device of yours is locked at " + card.Service)
	message.SetGenHeader(gomail.Header("Auto-Submitted"), "auto-generated")
	message.SetDateWithValue(time.UnixMicro(l.locked).UTC())
	message.SetBodyString(gomail.TypeTextPlain, lockText(card, l))
	options, err := m.login()
	if err != nil {
		return err
	}
	if m.config.TLS != ImplicitTLS { // there the library dials by itself
		options = append(options, gomail.WithDialContextFunc(abortable(ctx)))
	}
	client, err := gomail.NewClient(m.config.Host, options...)
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
func (m *mailer) login() ([]gomail.Option, error) {
	options := m.options[:len(m.options):len(m.options)]
	if m.config.User == "" {
		return options, nil
	}
	line, err := custody.ReadSecretFile(m.config.PasswordFile)
	if err != nil {
		return nil, err
	}
	password := strings.TrimRight(string(line), "\r\n")
	return append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
		gomail.WithUsername(m.config.User), gomail.WithPassword(password)), nil
}

func lockText(card *dta.LoginCard, l lockMail) string {
	what := fmt.Sprintf("%d wrong PINs in a row were entered", l.streak)
	next := "If it was you, ask the operator to unlock it ('milagro login unlock " + l.who.name + "')."
	if l.total >= maxTotal {
		what = fmt.Sprintf("%d wrong PINs in all were entered", l.total)
		next = "It stays locked. If it was you, ask the operator for new codes and register this device anew."
	}
	return fmt.Sprintf(`%s

at the login service %s (%s)
for %s
on the device %s
until %s.

Whoever did it holds the key of that device. Nobody logs in with it now, not even
with the right PIN.

%s
If it was not you, the device or a copy of its files is in other hands: ask the
operator to revoke it ('milagro login revoke %s').
`, what, card.Service, card.Origin, l.who.name, l.who.device, time.UnixMicro(l.locked).UTC().Format(time.RFC1123), next, l.who.name)
}
