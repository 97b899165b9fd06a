package login

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

// voucherLife is how long a PIN change may take before another takes its place.
const voucherLife = 24 * time.Hour

// succeed does what an accepted login means for PIN changes: it completes the one
// that its device was made for, and begins the one that it intends. The row of the
// device, which the caller has updated, keeps others of the same device out.
func (t transaction) succeed(ctx context.Context, a *attempt, now time.Time) error {
	if a.row.accepted == 0 {
		if err := t.complete(ctx, a, now); err != nil {
			return err
		}
	}
	next, intended := a.transcript.Login().Intent.Device()
	if !intended {
		return nil
	}
	return t.begin(ctx, a, subject{a.who.service, a.who.name, next}, now)
}

// complete ends the device whose successor logs in for the first time.
func (t transaction) complete(ctx context.Context, a *attempt, now time.Time) error {
	var old []byte
	found, err := t.one(ctx, []any{&old}, `UPDATE successions SET state = 'done'
		WHERE service = $1 AND name = $2 AND successor = $3 AND state = 'pending' RETURNING device`, a.who.args()...)
	if err != nil || !found {
		return err
	}
	if err := t.end(ctx, a, subject{a.who.service, a.who.name, identity.DeviceHash(old)}, "PIN changed", now); err != nil {
		return err
	}
	return t.record(ctx, decision{id: t.numbers.next(now), name: a.who.name, device: a.who.device, event: eventPINChanged})
}

// begin makes next the pending successor of the device that logs in, or says in a
// why not: what the login itself means stays.
func (t transaction) begin(ctx context.Context, a *attempt, next subject, now time.Time) error {
	r, err := t.row(ctx, next)
	if err != nil {
		return err
	}
	free, err := t.follows(ctx, next, a.who.device)
	if err != nil {
		return err
	}
	if !free || r.accepted != 0 || r.revoked {
		a.pending = problem.New(problem.SuccessionPending, "the device that is to follow was named before, or is in use here")
		return nil
	}
	if err := t.replace(ctx, a, next.device, now); err != nil {
		return err
	}
	var other int
	busy, err := t.one(ctx, []any{&other}, `SELECT 1 FROM successions
		WHERE service = $1 AND name = $2 AND device = $3 AND state = 'pending' AND successor <> $4`, a.who.args(next.device[:])...)
	if err != nil {
		return err
	}
	if busy {
		a.pending = problem.New(problem.SuccessionPending, "")
		return nil
	}
	n, err := t.exec(ctx, `INSERT INTO successions (service, name, successor, device, state, has_row, made) VALUES ($1, $2, $3, $4, 'pending', $5, $6)
		ON CONFLICT (service, name, successor) DO UPDATE SET made = excluded.made
		WHERE successions.device = excluded.device AND successions.state = 'pending'`, next.args(a.who.device[:], r.known, micros(now))...)
	if err != nil {
		return err
	}
	if n == 0 { // another device of the same name was faster
		a.pending = problem.New(problem.SuccessionPending, "")
		return nil
	}
	return t.record(ctx, decision{id: t.numbers.next(now), name: a.who.name, device: a.who.device, event: eventChangeBegun, reason: next.device.String()})
}

// follows reports whether a device is nobody's successor yet, or is already that of
// old.
func (t transaction) follows(ctx context.Context, next subject, old identity.DeviceHash) (bool, error) {
	var device []byte
	var state string
	known, err := t.one(ctx, []any{&device, &state}, "SELECT device, state FROM successions WHERE service = $1 AND name = $2 AND successor = $3", next.args()...)
	if err != nil || !known {
		return err == nil, err
	}
	return state == successionPending && identity.DeviceHash(device) == old, nil
}

// replace ends pending successors that have no row yet, or are a day old.
func (t transaction) replace(ctx context.Context, a *attempt, next identity.DeviceHash, now time.Time) error {
	var replaced [][]byte
	err := t.all(ctx, func(r *sql.Rows) error {
		var device []byte
		err := r.Scan(&device)
		replaced = append(replaced, device)
		return err
	}, `UPDATE successions SET state = 'replaced'
		WHERE service = $1 AND name = $2 AND device = $3 AND state = 'pending' AND successor <> $4 AND (NOT has_row OR made < $5)
		RETURNING successor`, a.who.args(next[:], micros(now.Add(-voucherLife)))...)
	if err != nil {
		return err
	}
	for _, device := range replaced {
		if err := t.end(ctx, a, subject{a.who.service, a.who.name, identity.DeviceHash(device)}, "PIN change replaced", now); err != nil {
			return err
		}
	}
	return nil
}

// end revokes a device because of a login of another one.
func (t transaction) end(ctx context.Context, a *attempt, who subject, reason string, now time.Time) error {
	n, err := t.exec(ctx, "UPDATE devices SET revoked = TRUE WHERE service = $1 AND name = $2 AND device = $3 AND NOT revoked", who.args()...)
	if err != nil || n == 0 {
		return err
	}
	a.ended = append(a.ended, who)
	return t.revoked(ctx, who, reason, a.authorities, now)
}

// revoked records the revocation of a device and what each authority is to be told.
func (t transaction) revoked(ctx context.Context, who subject, reason string, authorities []uint32, now time.Time) error {
	for _, index := range authorities {
		_, err := t.exec(ctx, `INSERT INTO notices (service, name, device, authority, revoked, due) VALUES ($1, $2, $3, $4, $5, $5)
			ON CONFLICT (service, name, device, authority) DO NOTHING`, who.args(int64(index), micros(now))...)
		if err != nil {
			return err
		}
	}
	return t.record(ctx, decision{id: t.numbers.next(now), name: who.name, device: who.device, event: eventRevoked, reason: reason})
}
