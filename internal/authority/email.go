package authority

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/mail"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/words"
)

const (
	mailedLabel    = "milagro/v1 email code"
	mailedLife     = 10 * time.Minute
	mailedTries    = 5
	mailedChoices  = 100_000_000 // codes of dta.MailCodeSize digits
	sendingTimeout = 10 * time.Second
)

// postman mails the authority's own codes: who reads a mailbox is whose name it is,
// whatever a registration authority says.
type postman struct {
	self   *self
	state  *state
	sender *mail.Sender
	limit  Rate // by name
	log    *slog.Logger
}

// confirm takes the code that came with a good registration, or mails one and
// refuses with email-sent.
func (p *postman) confirm(ctx context.Context, domain *served, c *claim, code string) error {
	if code == "" {
		return p.mail(ctx, domain, c)
	}
	c.registered.code = p.hash(c, code)
	stored, err := p.state.tryMailedCode(ctx, enrolmentOf(c.Request), c.now)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(stored, c.registered.code[:]) != 1 {
		return problem.New(problem.EmailRefused, "")
	}
	return nil
}

// hash returns what is stored of a code: only who has the authority's key can try
// codes against it.
func (p *postman) hash(c *claim, code string) [32]byte {
	device := c.Device.Hash()
	return sha256.Sum256(ed25519.Sign(p.self.signing,
		encoding.LP(mailedLabel, c.Key.Service[:], []byte(c.Key.Name.String()), device[:], []byte(code))))
}

// mail mails a code, once for each request. Until the mail server has taken it,
// nothing has changed: an earlier code is still good.
func (p *postman) mail(ctx context.Context, domain *served, c *claim) error {
	if !p.sender.Reaches(c.Key.Name) {
		return problem.New(problem.NameRefused, "%s has no mailbox", c.Key.Name)
	}
	sent := problem.New(problem.EmailSent, "to the mailbox of %s", c.Key.Name)
	e := enrolmentOf(c.Request)
	if known, err := p.state.mailed(ctx, e, c.hash, c.now); err != nil || known {
		return orElse(err, sent)
	}
	counted := p.limit.tally(c.now, "mail", c.Key.Name.String())
	if err := p.state.charge(ctx, counted, c.now); err != nil {
		return err
	}
	code := newMailedCode()
	if err := p.send(ctx, domain, c, code); err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", problem.New(problem.MailUnavailable, ""), err)
		}
		return orElse(p.state.refund(context.WithoutCancel(ctx), &counted), err)
	}
	m := mailedCode{enrolment: e, hash: p.hash(c, code), request: c.hash, expires: c.now.Add(mailedLife)}
	// Whoever is gone meanwhile has the mail: it must be good.
	if err := p.state.keepMailedCode(context.WithoutCancel(ctx), m, c.charged); err != nil {
		return err
	}
	p.log.Info("code mailed", "root", c.registered.root.Name, "name", c.Key.Name.String(), "device", c.Device.Hash().String())
	return sent
}

// orElse returns err, or otherwise if there is none.
func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// newMailedCode returns a random code. That 2⁶⁴ is no multiple of the choices gives
// no code more than 10⁻¹¹ of its share.
func newMailedCode() string {
	var b [8]byte
	rand.Read(b[:])
	return fmt.Sprintf("%0*d", dta.MailCodeSize, binary.BigEndian.Uint64(b[:])%mailedChoices)
}

func (p *postman) send(ctx context.Context, domain *served, c *claim, code string) error {
	ctx, cancel := context.WithTimeout(ctx, sendingTimeout)
	defer cancel()
	service := c.master.service
	text := fmt.Sprintf(`%s %s

is the code of the authority %s (%s)
for %s

Somebody enrols a device in this name at the login service %s (%s).
If it is you: type the code there, if that device shows these six words:

    %s

The code is good for 10 minutes. If it is not you, give it to nobody and tell the
operator of the authority: somebody has an invitation in your name.
`, code[:4], code[4:], p.self.card.Name, p.self.card.URL, c.Key.Name, service.Name, service.Origin, words.OfDevice(c.Device.Hash()))
	return p.sender.Send(ctx, mail.Letter{To: c.Key.Name, Date: c.now, Text: text,
		Subject: fmt.Sprintf("Code of %s for %s", p.self.card.Name, domain.Document.Domain())})
}
