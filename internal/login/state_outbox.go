package login

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/mail"
)

// few is how many messages are taken up at once.
const few = 32

// notice is one authority that is to be told of one revocation.
type notice struct {
	who       subject
	authority uint32
	revoked   int64 // when, in microseconds
	due       int64
	tries     int
}

// lockMail is one owner who is to be told of one lock.
type lockMail struct {
	who           subject
	locked        int64 // when, in microseconds
	streak, total int
	due           int64
	tries         int
}

// backlog is what waits to be sent.
type backlog struct{ notices, mails int64 }

func (s *state) backlog(ctx context.Context) (b backlog, err error) {
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.one(ctx, []any{&b.notices, &b.mails}, "SELECT (SELECT count(*) FROM notices), (SELECT count(*) FROM mails)")
		return err
	})
	return b, err
}

// claimNotices takes up notices that are due: of several servers one gets each,
// and each is due again later, whatever becomes of it.
func (s *state) claimNotices(ctx context.Context, now time.Time) (claimed []notice, err error) {
	due, err := s.dueNotices(ctx, now)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		claimed = nil
		for _, n := range due {
			took, err := tx.exec(ctx, `UPDATE notices SET due = $4, tries = tries + 1
				WHERE service = $1 AND name = $2 AND device = $3 AND authority = $5 AND due = $6`,
				n.who.args(micros(now.Add(pause(n.tries))), int64(n.authority), n.due)...)
			if err != nil {
				return err
			}
			if took > 0 {
				claimed = append(claimed, n)
			}
		}
		return nil
	})
	return claimed, err
}

func (s *state) dueNotices(ctx context.Context, now time.Time) (due []notice, err error) {
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		return tx.all(ctx, func(r *sql.Rows) error {
			var n notice
			var service, device []byte
			if err := r.Scan(&service, &n.who.name, &device, &n.authority, &n.revoked, &n.due, &n.tries); err != nil {
				return err
			}
			n.who.service, n.who.device = identity.ServiceID(service), identity.DeviceHash(device)
			due = append(due, n)
			return nil
		}, "SELECT service, name, device, authority, revoked, due, tries FROM notices WHERE due <= $1 ORDER BY due LIMIT $2", micros(now), few)
	})
	return due, err
}

// delivered forgets a notice that its authority has.
func (s *state) delivered(ctx context.Context, n notice) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM notices WHERE service = $1 AND name = $2 AND device = $3 AND authority = $4", n.who.args(int64(n.authority))...)
		return err
	})
}

// takeLocks takes up locks whose last attempt is over, each once: a lock is
// recorded by the statement that counts. With queue, a mail to each owner is queued
// in the same transaction.
func (s *state) takeLocks(ctx context.Context, now time.Time, queue func(subject) bool) (locks []lockMail, err error) {
	settled := micros(now.Add(-finishTime))
	var some int
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.one(ctx, []any{&some}, "SELECT count(*) FROM devices WHERE locked AND NOT told AND NOT revoked AND tried <= $1", settled)
		return err
	})
	if err != nil || some == 0 {
		return nil, err
	}
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		locks = nil
		err := tx.all(ctx, func(r *sql.Rows) error {
			var m lockMail
			var service, device []byte
			if err := r.Scan(&service, &m.who.name, &device, &m.locked, &m.streak, &m.total); err != nil {
				return err
			}
			m.who.service, m.who.device = identity.ServiceID(service), identity.DeviceHash(device)
			locks = append(locks, m)
			return nil
		}, `UPDATE devices SET told = TRUE WHERE locked AND NOT told AND NOT revoked AND tried <= $1
			RETURNING service, name, device, tried, streak, total`, settled)
		if err != nil {
			return err
		}
		for _, m := range locks {
			if !queue(m.who) {
				continue
			}
			_, err := tx.exec(ctx, `INSERT INTO mails (service, name, device, locked, streak, total, due) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (service, name, device, locked) DO NOTHING`, m.who.args(m.locked, m.streak, m.total, micros(now))...)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return locks, err
}

// claimMails takes up mails that are due, as claimNotices does.
func (s *state) claimMails(ctx context.Context, now time.Time) (claimed []lockMail, err error) {
	due, err := s.dueMails(ctx, now)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		claimed = nil
		for _, m := range due {
			took, err := tx.exec(ctx, `UPDATE mails SET due = $4, tries = tries + 1
				WHERE service = $1 AND name = $2 AND device = $3 AND locked = $5 AND due = $6`,
				m.who.args(micros(now.Add(max(pause(m.tries), 2*mail.Timeout))), m.locked, m.due)...)
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

func (s *state) dueMails(ctx context.Context, now time.Time) (due []lockMail, err error) {
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		return tx.all(ctx, func(r *sql.Rows) error {
			var m lockMail
			var service, device []byte
			if err := r.Scan(&service, &m.who.name, &device, &m.locked, &m.streak, &m.total, &m.due, &m.tries); err != nil {
				return err
			}
			m.who.service, m.who.device = identity.ServiceID(service), identity.DeviceHash(device)
			due = append(due, m)
			return nil
		}, "SELECT service, name, device, locked, streak, total, due, tries FROM mails WHERE due <= $1 ORDER BY due LIMIT $2", micros(now), few)
	})
	return due, err
}

// sent forgets a mail that a mail server has taken.
func (s *state) sent(ctx context.Context, m lockMail) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.exec(ctx, "DELETE FROM mails WHERE service = $1 AND name = $2 AND device = $3 AND locked = $4", m.who.args(m.locked)...)
		return err
	})
}
