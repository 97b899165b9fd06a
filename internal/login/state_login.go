package login

import (
	"context"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

const (
	// maxStreak is how many wrong PINs in a row lock a device, maxTotal how many in
	// all end it (spec/mpin.md "Attempts"). The counting statement has both.
	maxStreak = 5
	maxTotal  = 50
)

// row is what is known of a device under a name.
type row struct {
	known         bool
	kind          uint8
	streak, total int
	accepted      int64 // when it last logged in; 0: never
	revoked       bool
}

// standing says why the row takes no attempt, or is empty.
func (r row) standing(kind uint8) string {
	switch {
	case !r.known:
		return "unknown"
	case r.revoked:
		return "revoked"
	case r.total >= maxTotal:
		return "exhausted"
	case r.streak >= maxStreak:
		return "locked"
	case r.kind != kind:
		return "channel"
	}
	return ""
}

func (t transaction) row(ctx context.Context, who subject) (r row, err error) {
	r.known, err = t.one(ctx, []any{&r.kind, &r.streak, &r.total, &r.accepted, &r.revoked},
		"SELECT channel_kind, streak, total, accepted, revoked FROM devices WHERE service = $1 AND name = $2 AND device = $3", who.args()...)
	return r, err
}

// open stores what the challenge of a session is bound to.
func (s *state) open(ctx context.Context, t mpin.Transcript, expires time.Time) error {
	session := t.Challenge().Session
	err := s.write(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.exec(ctx, "INSERT INTO sessions (session, transcript, expires) VALUES ($1, $2, $3)", session[:], t.Bytes(), micros(expires))
		return err
	})
	if err == nil {
		s.recent.keep(t, expires)
	}
	return err
}

// session returns the transcript of a session that was opened and is not past.
// Whether somebody has finished it meanwhile, take says.
func (s *state) session(ctx context.Context, session []byte, now time.Time) (t mpin.Transcript, err error) {
	after, until := now, now.Add(sessionLife+identity.MaxSkew*time.Second)
	if t, ok := s.recent.find(session, after, until); ok {
		return t, nil
	}
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		var stored []byte
		ok, err := tx.one(ctx, []any{&stored}, "SELECT transcript FROM sessions WHERE session = $1 AND expires > $2 AND expires <= $3",
			session, micros(after), micros(until))
		if err != nil {
			return err
		}
		if !ok {
			return problem.New(problem.SessionUnknown, "")
		}
		t, err = mpin.ParseTranscript(stored)
		return err
	})
	return t, err
}

func subjectOf(t mpin.Transcript) subject {
	l := t.Login()
	return subject{l.Service, l.Name.String(), l.Device.Hash()}
}

// take takes a session away: of two that finish it, one gets it.
func (t transaction) take(ctx context.Context, session []byte) error {
	n, err := t.exec(ctx, "DELETE FROM sessions WHERE session = $1", session)
	if err == nil && n == 0 {
		return problem.New(problem.SessionUnknown, "")
	}
	return err
}

// discard takes a session away whose proof the device did not sign.
func (s *state) discard(ctx context.Context, session []byte) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error { return tx.take(ctx, session) })
}

// count is what the counting of an attempt gave.
type count struct {
	counted       bool
	streak, total int
}

// count takes the session away and counts the attempt, in one transaction. All
// refusals run the same statements.
func (s *state) count(ctx context.Context, a *attempt) (c count, err error) {
	session := a.transcript.Challenge().Session
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		if err := tx.take(ctx, session[:]); err != nil {
			return err
		}
		c = count{}
		if a.row, err = tx.row(ctx, a.who); err != nil {
			return err
		}
		a.standing = a.row.standing(a.kind)
		args := a.who.args(micros(a.now), int64(a.kind))
		c.counted, err = tx.one(ctx, []any{&c.streak, &c.total}, `UPDATE devices
			SET streak = streak + 1, total = total + 1, tried = $4, locked = (streak >= 4 OR total >= 49)
			WHERE service = $1 AND name = $2 AND device = $3 AND channel_kind = $5 AND streak < 5 AND total < 50 AND NOT revoked
			RETURNING streak, total`, args...)
		if err != nil {
			return err
		}
		return tx.record(ctx, decision{id: a.audit, name: a.who.name, device: a.who.device, event: eventTried,
			reason: a.standing, stranger: !a.row.known})
	})
	return c, err
}

// refuse records why an attempt was refused.
func (s *state) refuse(ctx context.Context, a *attempt, event, reason string) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error { return tx.settle(ctx, a.audit, event, reason) })
}

// accept resets the count of an accepted login, and does all that follows from it,
// in one transaction. It is false if the device was revoked meanwhile.
func (s *state) accept(ctx context.Context, a *attempt, epoch identity.Epoch, now time.Time) (accepted bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		a.ended, a.pending = nil, nil
		n, err := tx.exec(ctx, `UPDATE devices SET streak = 0, total = total - 1, accepted = $4, locked = FALSE, told = FALSE
			WHERE service = $1 AND name = $2 AND device = $3 AND NOT revoked`, a.who.args(micros(now))...)
		if err != nil {
			return err
		}
		if accepted = n > 0; !accepted {
			return tx.settle(ctx, a.audit, eventRefused, "revoked")
		}
		if err := tx.succeed(ctx, a, now); err != nil {
			return err
		}
		if a.raises {
			if err := tx.raise(ctx, a.who.service, epoch); err != nil {
				return err
			}
		}
		return tx.settle(ctx, a.audit, eventAccepted, a.refusedIntent())
	})
	return accepted, err
}

// raise records the highest epoch of an accepted login.
func (t transaction) raise(ctx context.Context, service identity.ServiceID, e identity.Epoch) error {
	_, err := t.exec(ctx, `INSERT INTO watermarks (service, epoch_start, epoch_length) VALUES ($1, $2, $3)
		ON CONFLICT (service) DO UPDATE SET epoch_start = excluded.epoch_start, epoch_length = excluded.epoch_length
		WHERE watermarks.epoch_start < excluded.epoch_start`, service[:], int64(e.Start), int64(e.Length))
	return err
}

// highest returns the highest epoch of an accepted login.
func (s *state) highest(ctx context.Context) (e identity.Epoch, err error) {
	var start, length int64
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.one(ctx, []any{&start, &length}, "SELECT epoch_start, epoch_length FROM watermarks ORDER BY epoch_start DESC LIMIT 1")
		return err
	})
	return identity.Epoch{Start: uint64(start), Length: uint32(length)}, err
}

// expireSessions forgets sessions that are past, a few at a time so that no login
// waits for it, and returns how many are open.
func (s *state) expireSessions(ctx context.Context, now time.Time) (open int64, err error) {
	const few = 2000
	for {
		var n int64
		err := s.write(ctx, func(ctx context.Context, tx transaction) (err error) {
			n, err = tx.exec(ctx, `DELETE FROM sessions WHERE session IN
				(SELECT session FROM sessions WHERE expires <= $1 ORDER BY expires LIMIT 2000)`, micros(now))
			return err
		})
		if err != nil {
			return 0, err
		}
		if n < few {
			break
		}
	}
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.one(ctx, []any{&open}, "SELECT count(*) FROM sessions")
		return err
	})
	return open, err
}
