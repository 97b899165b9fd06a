package login

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/identity"
)

const maxListed = 1000

// selection is a name, and perhaps one device of it.
type selection struct {
	name   string
	device *identity.DeviceHash
}

// where returns the condition of a statement and its arguments.
func (s selection) where() (string, []any) {
	switch {
	case s.name == "":
		return "1 = 1", nil
	case s.device == nil:
		return "name = $1", []any{s.name}
	}
	return "name = $1 AND device = $2", []any{s.name, s.device[:]}
}

// subjects collects service, name and device of each row.
func (t transaction) subjects(ctx context.Context, statement string, args ...any) (list []subject, err error) {
	err = t.all(ctx, func(r *sql.Rows) error {
		var who subject
		var service, device []byte
		if err := r.Scan(&service, &who.name, &device); err != nil {
			return err
		}
		who.service, who.device = identity.ServiceID(service), identity.DeviceHash(device)
		list = append(list, who)
		return nil
	}, statement, args...)
	return list, err
}

// unrevoked returns the devices of a selection that log in, or may once they show
// their statements: successors of a PIN change that is under way.
func (s *state) unrevoked(ctx context.Context, which selection) (list []subject, err error) {
	where, args := which.where()
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		list, err = tx.subjects(ctx, `SELECT service, name, device FROM devices WHERE NOT revoked AND `+where+`
			UNION SELECT service, name, successor FROM successions WHERE state = 'pending' AND `+where+`
			AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.service = successions.service AND d.name = successions.name
				AND d.device = successions.successor AND d.revoked)`, args...)
		return err
	})
	return list, err
}

// revoke ends devices, for ever: who has no row gets one that is revoked. It
// returns how many logged in until now.
func (s *state) revoke(ctx context.Context, who []subject, reason string, authorities []uint32, now time.Time) (ended int, err error) {
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		ended = 0
		for _, w := range who {
			n, err := tx.exec(ctx, `INSERT INTO devices (service, name, device, channel_kind, made, revoked) VALUES ($1, $2, $3, 0, $4, TRUE)
				ON CONFLICT (service, name, device) DO UPDATE SET revoked = TRUE WHERE NOT devices.revoked`, w.args(micros(now))...)
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			ended++
			if err := tx.revoked(ctx, w, reason, authorities, now); err != nil {
				return err
			}
		}
		return nil
	})
	return ended, err
}

// allRevoked returns every device that is revoked.
func (s *state) allRevoked(ctx context.Context) (list []subject, err error) {
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		list, err = tx.subjects(ctx, "SELECT service, name, device FROM devices WHERE revoked")
		return err
	})
	return list, err
}

// unlock ends locks by wrong PINs in a row. Those in all stay counted.
func (s *state) unlock(ctx context.Context, which selection, now time.Time) (u Unlocked, err error) {
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		u, err = tx.unlock(ctx, which, now)
		return err
	})
	return u, err
}

func (t transaction) unlock(ctx context.Context, which selection, now time.Time) (u Unlocked, err error) {
	where, args := which.where()
	if _, err := t.one(ctx, []any{&u.Exhausted}, "SELECT count(*) FROM devices WHERE total >= 50 AND NOT revoked AND "+where, args...); err != nil {
		return u, err
	}
	open, err := t.subjects(ctx, "UPDATE devices SET streak = 0, locked = FALSE, told = FALSE WHERE streak > 0 AND total < 50 AND NOT revoked AND "+
		where+" RETURNING service, name, device", args...)
	if err != nil {
		return u, err
	}
	for _, who := range open {
		if err := t.record(ctx, decision{id: t.numbers.next(now), name: who.name, device: who.device, event: eventUnlocked}); err != nil {
			return u, err
		}
	}
	u.Devices = len(open)
	return u, nil
}

// restored puts every device one wrong PIN before its lock: the backup has
// forgotten how many there were.
func (s *state) restored(ctx context.Context, now time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		if _, err := tx.exec(ctx, "UPDATE devices SET streak = 4 WHERE streak < 4"); err != nil {
			return err
		}
		return tx.record(ctx, decision{id: tx.numbers.next(now), event: eventRestored})
	})
}

// list returns the devices of a name, or the first of all.
func (s *state) list(ctx context.Context, which selection) (l Listing, err error) {
	where, args := which.where()
	l.Devices = []Device{}
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		return tx.all(ctx, func(r *sql.Rows) error {
			var d Device
			var device []byte
			var made, accepted, tried int64
			var revoked bool
			if err := r.Scan(&d.Name, &device, &d.ChannelKind, &made, &accepted, &tried, &d.Streak, &d.Total, &revoked); err != nil {
				return err
			}
			if l.More = len(l.Devices) == maxListed; l.More {
				return nil
			}
			d.Device, d.Made, d.Accepted, d.Tried = HexHash(device), moment(made), moment(accepted), moment(tried)
			d.State = condition(row{known: true, kind: d.ChannelKind, streak: d.Streak, total: d.Total, revoked: revoked})
			l.Devices = append(l.Devices, d)
			return nil
		}, "SELECT name, device, channel_kind, made, accepted, tried, streak, total, revoked FROM devices WHERE "+where+
			" ORDER BY service, name, device LIMIT 1001", args...)
	})
	return l, err
}

// condition names how a row is.
func condition(r row) string {
	if why := r.standing(r.kind); why != "" {
		return why
	}
	return "active"
}

// moment is the inverse of micros; 0 is no moment.
func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// audit returns the newest decisions about a name, or about all.
func (s *state) audit(ctx context.Context, which selection, limit int) (a Audit, err error) {
	where, args := which.where()
	a.Decisions = []Decision{}
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		return tx.all(ctx, func(r *sql.Rows) error {
			var d Decision
			var at int64
			var device []byte
			if err := r.Scan(&at, &d.Name, &device, &d.Event, &d.Reason); err != nil {
				return err
			}
			d.Time, d.Device = moment(at), HexHash(device)
			a.Decisions = append(a.Decisions, d)
			return nil
		}, "SELECT time, name, device, event, reason FROM audit WHERE "+where+" ORDER BY time DESC, number DESC LIMIT "+decimal(limit), args...)
	})
	return a, err
}

// census is how many devices there are.
type census struct{ devices, locked int64 }

func (s *state) census(ctx context.Context) (c census, err error) {
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.one(ctx, []any{&c.devices, &c.locked}, "SELECT count(*), coalesce(sum(CASE WHEN locked THEN 1 ELSE 0 END), 0) FROM devices WHERE NOT revoked")
		return err
	})
	return c, err
}

// expireAudit forgets decisions that are old: those about strangers sooner.
func (s *state) expireAudit(ctx context.Context, now time.Time, life time.Duration) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		if _, err := tx.exec(ctx, "DELETE FROM audit WHERE stranger AND time < $1", micros(now.Add(-strangersLife))); err != nil {
			return err
		}
		_, err := tx.exec(ctx, "DELETE FROM audit WHERE time < $1", micros(now.Add(-life)))
		return err
	})
}
