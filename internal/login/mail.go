package login

import (
	"context"
	"fmt"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/mail"
)

// mailer tells people of what concerns them. Without a sender it reaches nobody.
type mailer struct{ sender *mail.Sender }

// reaches reports whether the owner of a name has an address: people do.
func (m *mailer) reaches(who subject) bool {
	name, err := identity.ParseName(who.name)
	return err == nil && m.sender.Reaches(name)
}

// lock tells an owner of a lock. What is in the mail is of a name, which has no space
// and no line end, and of the server's own card.
func (m *mailer) lock(ctx context.Context, card *dta.LoginCard, l lockMail) error {
	name, err := identity.ParseName(l.who.name)
	if err != nil {
		return err
	}
	return m.sender.Send(ctx, mail.Letter{To: name, Subject: "A device of yours is locked at " + card.Service,
		Date: time.UnixMicro(l.locked), Text: lockText(card, l)})
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
