package login

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/mail"
	"milagro.dev/internal/problem"
)

const (
	invitationLife    = 7 * 24 * time.Hour
	maxInvitationLife = 90 * 24 * time.Hour
	mailedLife        = time.Hour
	// registrationLife is how long a voucher of a registration is good.
	registrationLife = time.Hour
	// askedAtOnce bounds the requests for mails that wait to be looked at.
	askedAtOnce = 1000
)

// inviter enrols people (spec/enrolment.md): it makes invitations, and to who has
// one vouches for the device at each authority. What its word is worth there, their
// operators decide.
type inviter struct {
	realm   *realm
	state   *state
	signing ed25519.PrivateKey
	origin  string
	mailer  *mailer
	byMail  []identity.Pattern // who may ask for an invitation by mail
	asked   chan identity.Name
	clock   func() time.Time
	log     *slog.Logger
}

// newToken makes the token of an invitation; the server keeps its hash.
func newToken() (token [dta.InvitationSize]byte) {
	rand.Read(token[:])
	return token
}

// parseToken reads a token as it travels.
func parseToken(text string) (token [dta.InvitationSize]byte, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(token) || base64.RawURLEncoding.EncodeToString(b) != text {
		return token, problem.New(problem.Malformed, "a token is %d characters of base64url", base64.RawURLEncoding.EncodedLen(len(token)))
	}
	return [dta.InvitationSize]byte(b), nil
}

// link is what a person opens. The fragment is sent to nobody.
func (i *inviter) link(token [dta.InvitationSize]byte) string {
	return dta.Invitation{Origin: i.origin, Token: token}.Link()
}

// listed returns what the server goes by, once the document has its service.
func (i *inviter) listed() (*served, error) {
	s := i.realm.now.Load()
	if !s.listed {
		return nil, s.refused()
	}
	return s, nil
}

// meant returns the invitation that an operator asks for, if it can be made at the
// service now: for seven days unless he says otherwise.
func (i *inviter) meant(in inviteRequest, now time.Time) (a InviteAct, s *served, err error) {
	if s, err = i.listed(); err != nil {
		return a, nil, err
	}
	a = InviteAct(in)
	if a.Expires.IsZero() {
		a.Expires = now.Add(invitationLife)
	}
	switch {
	case a.Name.IsZero():
		return a, nil, problem.New(problem.Malformed, "name is missing")
	case a.Name.Domain() != s.document.Domain():
		return a, nil, problem.New(problem.NameRefused, "%s does not lie in %s", a.Name, s.document.Domain())
	case !a.Expires.After(now) || a.Expires.After(now.Add(maxInvitationLife)):
		return a, nil, problem.New(problem.Malformed, "invitations expire between now and %s from now", maxInvitationLife)
	}
	a.Expires = a.Expires.UTC().Truncate(time.Second)
	return a, s, nil
}

// invite makes an invitation of the operator's.
func (i *inviter) invite(ctx context.Context, in inviteRequest) (made Invitation, err error) {
	now := i.clock()
	a, _, err := i.meant(in, now)
	if err != nil {
		return Invitation{}, err
	}
	err = i.state.write(ctx, func(ctx context.Context, tx transaction) error {
		made, err = i.make(ctx, tx, a, now)
		return err
	})
	if err != nil {
		return Invitation{}, unavailable(err)
	}
	i.log.Info("invited", "name", a.Name.String(), "by", invitedByOperator)
	return made, nil
}

// make makes an invitation in a transaction that does more.
func (i *inviter) make(ctx context.Context, tx transaction, in InviteAct, now time.Time) (Invitation, error) {
	a, s, err := i.meant(inviteRequest(in), now)
	if err != nil {
		return Invitation{}, err
	}
	token := newToken()
	one := invitation{token: dta.InvitationHash(token), service: s.id, name: a.Name.String(), kind: invitedByOperator, expires: a.Expires}
	if err := tx.invite(ctx, one, now); err != nil {
		return Invitation{}, err
	}
	return Invitation{Name: a.Name, Link: i.link(token), Expires: a.Expires}, nil
}

// open looks at an invitation.
func (i *inviter) open(ctx context.Context, in openRequest) (openAnswer, error) {
	s, one, err := i.look(ctx, in.Token)
	if err != nil {
		return openAnswer{}, err
	}
	return openAnswer{Name: one.name, Service: s.service.Name, Expires: unixSeconds(one.expires), Authorities: s.indices()}, nil
}

func (i *inviter) look(ctx context.Context, text string) (*served, invitation, error) {
	token, err := parseToken(text)
	if err != nil {
		return nil, invitation{}, err
	}
	s, err := i.listed()
	if err != nil {
		return nil, invitation{}, err
	}
	one, err := i.state.invitation(ctx, dta.InvitationHash(token), s.id, i.clock())
	return s, one, unavailable(err)
}

// vouch says to each authority that a device may enrol under the name of an
// invitation: the first device that asks, and no other.
func (i *inviter) vouch(ctx context.Context, in vouchersRequest) (a vouchersAnswer, err error) {
	device, err := identity.ParseDevice(in.SPKI)
	if err != nil || len(in.Signature) != identity.SignatureSize {
		return a, problem.New(problem.Malformed, "spki is a P-256 key of %d bytes, signature has %d", identity.SPKISize, identity.SignatureSize)
	}
	s, one, err := i.look(ctx, in.Token)
	if err != nil {
		return a, err
	}
	if device.Verify(dta.EnrolDigest(one.token, s.id, device), in.Signature) != nil {
		return a, problem.New(problem.Possession, "")
	}
	name, err := identity.ParseName(one.name)
	if err != nil {
		return a, err
	}
	now := i.clock()
	if err := i.state.take(ctx, one, device.Hash(), now); err != nil {
		return a, unavailable(err)
	}
	i.log.Info("vouched", "name", one.name, "device", device.Hash().String())
	for _, index := range s.indices() {
		r := dta.Registration{Domain: s.document.ID(), Service: s.id, Index: index, Name: name, Device: device.Hash(),
			Time: unixSeconds(now), Expiry: unixSeconds(now.Add(registrationLife))}
		rand.Read(r.Nonce[:])
		a.Vouchers = append(a.Vouchers, r.Sign(i.signing))
	}
	return a, nil
}

// ask takes up a request for a mail. It looks nothing up: neither what it returns nor
// how long it takes depends on the name.
func (i *inviter) ask(name identity.Name) error {
	select {
	case i.asked <- name:
		return nil
	default:
		return problem.New(problem.Unavailable, "too many ask for invitations now")
	}
}

// admits reports whether a name may have an invitation by mail.
func (i *inviter) admits(s *served, name identity.Name) bool {
	return s.listed && name.Domain() == s.document.Domain() && i.mailer.sender.Reaches(name) &&
		slices.ContainsFunc(i.byMail, func(p identity.Pattern) bool { return p.Match(name) })
}

// run queues mails that were asked for until ctx ends.
func (i *inviter) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-i.asked:
			i.queue(ctx, name)
		}
	}
}

func (i *inviter) queue(ctx context.Context, name identity.Name) {
	s := i.realm.now.Load()
	if !i.admits(s, name) {
		i.log.Debug("no invitation by mail", "name", name.String())
		return
	}
	queued, err := i.state.askMail(ctx, s.id, name, i.clock())
	if err != nil && ctx.Err() == nil {
		i.log.Error("invitation not queued", "name", name.String(), "error", err)
		return
	}
	i.log.Info("invitation by mail asked for", "name", name.String(), "queued", queued)
}

// mails sends invitations that are due. Each is made when it is sent, so that no
// token waits anywhere.
func (i *inviter) mails(ctx context.Context) error {
	if i.mailer.sender == nil {
		return nil
	}
	claimed, err := i.state.claimInvited(ctx, i.clock())
	for _, m := range claimed {
		if sendErr := i.send(ctx, m); sendErr != nil && ctx.Err() == nil {
			i.log.Warn("invitation was not mailed yet", "name", m.name, "tries", m.tries+1, "error", sendErr)
		}
	}
	return err
}

func (i *inviter) send(ctx context.Context, m invitedMail) error {
	name, err := identity.ParseName(m.name)
	if err != nil {
		return err
	}
	token := newToken()
	now := i.clock()
	one := invitation{token: dta.InvitationHash(token), service: m.service, name: m.name, kind: invitedByMail, expires: now.Add(mailedLife)}
	if err := i.state.invite(ctx, one, now); err != nil {
		return err
	}
	service := i.realm.self.card.Service
	err = i.mailer.sender.Send(ctx, mail.Letter{To: name, Date: now, Subject: "Enrol a device at " + service, Text: i.letter(name, token)})
	if err != nil {
		if forgetErr := i.state.uninvite(context.WithoutCancel(ctx), one); forgetErr != nil {
			i.log.Error("invitation that was not sent is still there", "error", forgetErr)
		}
		return err
	}
	i.log.Info("invited", "name", m.name, "by", one.kind)
	return i.state.invitedSent(context.WithoutCancel(ctx), m)
}

func (i *inviter) letter(name identity.Name, token [dta.InvitationSize]byte) string {
	return fmt.Sprintf(`Somebody asked to enrol a device for %s
at the login service %s. If it was you, open this link on the
device that you want to sign in with:

%s

It is good for one hour, for one device. Authorities may mail you codes of their own
then: type them on that device only. If it was not you, do nothing.
`, name, i.realm.self.card.Service, i.link(token))
}

// withdraw ends the invitations of a name that are not spent. Vouchers that were
// given for one are good for the rest of their hour.
func (i *inviter) withdraw(ctx context.Context, name identity.Name) (Withdrawn, error) {
	if name.IsZero() {
		return Withdrawn{}, problem.New(problem.Malformed, "name is missing")
	}
	n, err := i.state.withdraw(ctx, name.String(), i.clock())
	if err != nil {
		return Withdrawn{}, unavailable(err)
	}
	i.log.Info("invitations withdrawn", "name", name.String(), "invitations", n)
	return Withdrawn{Invitations: int(n)}, nil
}
