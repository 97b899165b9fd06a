package login

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/mail"
	"milagro.dev/internal/problem"
)

// Who asked for an invitation.
const (
	invitedByOperator = "operator"
	invitedByMail     = "mail"
)

const (
	// mailedInvitations bounds those that are mailed to a name in mailedWindow.
	mailedInvitations = 3
	mailedWindow      = time.Hour
	// invitationsKept is how long those that are past are listed.
	invitationsKept = 24 * time.Hour
)

// invitation is one, by the hash of its token.
type invitation struct {
	token   [32]byte
	service identity.ServiceID
	name    string
	kind    string
	expires time.Time
}

// at are the columns token and service.
func (i invitation) at(more ...any) []any { return append([]any{i.token[:], i.service[:]}, more...) }

// invite stores an invitation.
func (s *state) invite(ctx context.Context, i invitation, now time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error { return tx.invite(ctx, i, now) })
}

func (t transaction) invite(ctx context.Context, i invitation, now time.Time) error {
	_, err := t.exec(ctx, "INSERT INTO invitations (token, service, name, kind, made, expires, device) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		i.at(i.name, i.kind, micros(now), micros(i.expires), []byte{})...)
	if err != nil {
		return err
	}
	return t.record(ctx, decision{id: t.numbers.next(now), name: i.name, event: eventInvited, reason: i.kind,
		stranger: i.kind == invitedByMail}) // which anybody can cause
}

// invitation returns the invitation of a token at a service, if it is good now for a
// device that nobody has named yet, or for whoever took it.
func (s *state) invitation(ctx context.Context, token [32]byte, service identity.ServiceID, now time.Time) (i invitation, err error) {
	i = invitation{token: token, service: service}
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		var expires int64
		var spent bool
		known, err := tx.one(ctx, []any{&i.name, &i.kind, &expires, &spent},
			"SELECT name, kind, expires, spent FROM invitations WHERE token = $1 AND service = $2", i.at()...)
		i.expires = time.UnixMicro(expires)
		switch {
		case err != nil:
			return err
		case !known:
			return problem.New(problem.InvitationRefused, "it is none of this login server's, or was withdrawn")
		case spent:
			return problem.New(problem.InvitationRefused, "it has enrolled a device")
		case !i.expires.After(now):
			return problem.New(problem.InvitationRefused, "it expired on %s", i.expires.UTC().Format(time.RFC1123))
		}
		return nil
	})
	return i, err
}

// take gives an invitation to a device, unless another has it: the first one wins,
// in one conditional statement.
func (s *state) take(ctx context.Context, i invitation, device identity.DeviceHash, now time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		n, err := tx.exec(ctx, "UPDATE invitations SET device = $3 WHERE token = $1 AND service = $2 AND NOT spent AND expires > $4 AND length(device) = 0",
			i.at(device[:], micros(now))...)
		if err != nil {
			return err
		}
		if n > 0 {
			return tx.record(ctx, decision{id: tx.numbers.next(now), name: i.name, device: device, event: eventVouched})
		}
		var name string
		its, err := tx.one(ctx, []any{&name}, "SELECT name FROM invitations WHERE token = $1 AND service = $2 AND NOT spent AND expires > $4 AND device = $3",
			i.at(device[:], micros(now))...)
		if err == nil && !its {
			err = problem.New(problem.InvitationRefused, "another device has taken it")
		}
		return err
	})
}

// spendInvitation ends the invitation that a device came with, if it did.
func (t transaction) spendInvitation(ctx context.Context, who subject) error {
	_, err := t.exec(ctx, "UPDATE invitations SET spent = TRUE WHERE service = $1 AND name = $2 AND device = $3 AND NOT spent", who.args()...)
	return err
}

// withdraw ends the invitations of a name that are not spent, and what waits to be
// mailed to it.
func (s *state) withdraw(ctx context.Context, name string, now time.Time) (n int64, err error) {
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		if _, err := tx.exec(ctx, "DELETE FROM invited WHERE name = $1", name); err != nil {
			return err
		}
		if n, err = tx.exec(ctx, "DELETE FROM invitations WHERE name = $1 AND NOT spent AND expires > $2", name, micros(now)); err != nil || n == 0 {
			return err
		}
		return tx.record(ctx, decision{id: tx.numbers.next(now), name: name, event: eventWithdrawn})
	})
	return n, err
}

// invitations returns those of a name, or the newest of all.
func (s *state) invitations(ctx context.Context, which selection, now time.Time) (l Invitations, err error) {
	where, args := which.where()
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		l = Invitations{Invitations: []Invited{}}
		return tx.all(ctx, func(r *sql.Rows) error {
			var i Invited
			var made, expires int64
			var device []byte
			var spent bool
			if err := r.Scan(&i.Name, &i.By, &made, &expires, &device, &spent); err != nil {
				return err
			}
			if l.More = len(l.Invitations) == maxListed; l.More {
				return nil
			}
			i.Made, i.Expires, i.State = moment(made), moment(expires), "open"
			if len(device) > 0 {
				taken := HexHash(device)
				i.Device, i.State = &taken, "taken"
			}
			if spent {
				i.State = "spent"
			} else if !i.Expires.After(now) {
				i.State = "expired"
			}
			l.Invitations = append(l.Invitations, i)
			return nil
		}, "SELECT name, kind, made, expires, device, spent FROM invitations WHERE "+where+" ORDER BY made DESC LIMIT 1001", args...)
	})
	return l, err
}

// expireInvitations forgets those that are long past.
func (s *state) expireInvitations(ctx context.Context, now time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM invitations WHERE expires < $1", micros(now.Add(-invitationsKept)))
		return err
	})
}

// askMail queues a mail with an invitation to a name, if it has not had as many as
// it may; one that waits is enough.
func (s *state) askMail(ctx context.Context, service identity.ServiceID, name identity.Name, now time.Time) (queued bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		queued = false
		var had int64
		_, err := tx.one(ctx, []any{&had}, "SELECT count(*) FROM invitations WHERE name = $1 AND kind = 'mail' AND service = $2 AND made > $3",
			name.String(), service[:], micros(now.Add(-mailedWindow)))
		if err != nil || had >= mailedInvitations {
			return err
		}
		n, err := tx.exec(ctx, "INSERT INTO invited (service, name, asked, due) VALUES ($1, $2, $3, $3) ON CONFLICT (service, name) DO NOTHING",
			service[:], name.String(), micros(now))
		queued = n > 0
		return err
	})
	return queued, err
}

// invitedMail is a name that waits for its mail.
type invitedMail struct {
	service    identity.ServiceID
	name       string
	asked, due int64
	tries      int
}

// claimInvited takes up mails that are due, as claimNotices does; who has waited for
// longer than a mailed invitation is good is not waiting any more.
func (s *state) claimInvited(ctx context.Context, now time.Time) (claimed []invitedMail, err error) {
	due, err := s.dueInvited(ctx, now)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		claimed = nil
		if _, err := tx.exec(ctx, "DELETE FROM invited WHERE asked < $1", micros(now.Add(-mailedLife))); err != nil {
			return err
		}
		for _, m := range due {
			took, err := tx.exec(ctx, "UPDATE invited SET due = $3, tries = tries + 1 WHERE service = $1 AND name = $2 AND due = $4",
				m.service[:], m.name, micros(now.Add(max(pause(m.tries), 2*mail.Timeout))), m.due)
			if err != nil {
				return err
			}
			if took > 0 {
				claimed = append(claimed, m)
			}
		}
		return nil
	})
	return claimed, err
}

func (s *state) dueInvited(ctx context.Context, now time.Time) (due []invitedMail, err error) {
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		due = nil
		return tx.all(ctx, func(r *sql.Rows) error {
			var m invitedMail
			var service []byte
			if err := r.Scan(&service, &m.name, &m.asked, &m.due, &m.tries); err != nil {
				return err
			}
			m.service = identity.ServiceID(service)
			due = append(due, m)
			return nil
		}, "SELECT service, name, asked, due, tries FROM invited WHERE due <= $1 ORDER BY due LIMIT $2", micros(now), few)
	})
	return due, err
}

// invitedSent forgets a mail that a mail server has taken.
func (s *state) invitedSent(ctx context.Context, m invitedMail) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM invited WHERE service = $1 AND name = $2", m.service[:], m.name)
		return err
	})
}

// uninvite forgets an invitation that reached nobody.
func (s *state) uninvite(ctx context.Context, i invitation) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM invitations WHERE token = $1 AND service = $2 AND length(device) = 0", i.at()...)
		return err
	})
}
