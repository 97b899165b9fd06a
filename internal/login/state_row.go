package login

import (
	"context"
	"time"

	"milagro.dev/internal/problem"
)

// The states of a PIN change.
const (
	successionPending  = "pending"
	successionReplaced = "replaced"
)

// place is where a device stands before its row is made.
type place struct {
	row      row
	replaced bool // another PIN change took the place of the one it was for
}

func (t transaction) place(ctx context.Context, who subject) (p place, err error) {
	var state string
	_, err = t.one(ctx, []any{&state}, "SELECT state FROM successions WHERE service = $1 AND name = $2 AND successor = $3", who.args()...)
	if err != nil {
		return p, err
	}
	p.replaced = state == successionReplaced
	p.row, err = t.row(ctx, who)
	return p, err
}

// place returns where a device stands.
func (s *state) place(ctx context.Context, who subject) (p place, err error) {
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		p, err = tx.place(ctx, who)
		return err
	})
	return p, err
}

// enrol makes a row unless there is one, which stays as it is. It is refused to a
// device whose PIN change was replaced; the first statement holds up whoever would
// replace it meanwhile.
func (s *state) enrol(ctx context.Context, who subject, kind uint8, now time.Time) (made bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx transaction) error {
		made = false
		_, err := tx.exec(ctx, `UPDATE successions SET has_row = TRUE
			WHERE service = $1 AND name = $2 AND successor = $3 AND state <> 'replaced'`, who.args()...)
		if err != nil {
			return err
		}
		p, err := tx.place(ctx, who)
		if err != nil {
			return err
		}
		if p.replaced {
			return problem.New(problem.RowRefused, "another PIN change took the place of the one that this device was for")
		}
		n, err := tx.exec(ctx, `INSERT INTO devices (service, name, device, channel_kind, made) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (service, name, device) DO NOTHING`, who.args(int64(kind), micros(now))...)
		if err != nil || n == 0 {
			return err
		}
		made = true
		if err := tx.spendInvitation(ctx, who); err != nil {
			return err
		}
		return tx.record(ctx, decision{id: tx.numbers.next(now), name: who.name, device: who.device, event: eventRowMade})
	})
	return made, err
}

// note records a decision that changed nothing else.
func (s *state) note(ctx context.Context, d decision) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error { return tx.record(ctx, d) })
}
