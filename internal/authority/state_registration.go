package authority

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/internal/problem"
)

// lookAtRegistration refuses a registration that has enrolled its device; it
// consumes nothing.
func (s *state) lookAtRegistration(ctx context.Context, once [32]byte) error {
	return s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		used, err := usedOnce(ctx, tx, once)
		if err == nil && used {
			err = problem.New(problem.VoucherUsed, "")
		}
		return err
	})
}

// consumeRegistration takes a registration, and the code that was mailed for it, in
// conditional statements: of two that show one at once, one gets it.
func consumeRegistration(ctx context.Context, tx *sql.Tx, c *claim) error {
	took, err := takeOnce(ctx, tx, c.registered.once, c.registered.expires)
	if err == nil && !took {
		err = problem.New(problem.VoucherUsed, "")
	}
	if err != nil || c.registered.root.Code == NoCode {
		return err
	}
	args := append(enrolmentOf(c.Request).place(), c.registered.code[:], micros(c.now))
	took, err = exec(ctx, tx, "DELETE FROM mailed_codes WHERE name = ? AND service = ? AND device = ? AND hash = ? AND expires > ?", args...)
	if err == nil && !took {
		err = problem.New(problem.EmailRefused, "")
	}
	return err
}

// mailedCode is a code that was mailed.
type mailedCode struct {
	enrolment
	hash    [32]byte
	request [32]byte
	expires time.Time
}

// place are the columns name, service and device.
func (e enrolment) place() []any { return []any{e.name.String(), serviceBytes(e.service), e.device[:]} }

// mailed reports whether a code was mailed for this very request, and is still good.
func (s *state) mailed(ctx context.Context, e enrolment, request [32]byte, now time.Time) (known bool, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var expires int64
		known, err = found(tx.QueryRowContext(ctx, `SELECT expires FROM mailed_codes
			WHERE name = ? AND service = ? AND device = ? AND request = ? AND expires > ?`,
			append(e.place(), request[:], micros(now))...).Scan(&expires))
		return err
	})
	return known, err
}

// keepMailedCode stores a code in the place of an earlier one, and takes back what
// was charged: only who has a good registration comes so far.
func (s *state) keepMailedCode(ctx context.Context, m mailedCode, charged *tally) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO mailed_codes (name, service, device, hash, request, expires) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (name, service, device) DO UPDATE SET hash = excluded.hash, request = excluded.request, expires = excluded.expires, tries = 0`,
			append(m.place(), m.hash[:], m.request[:], micros(m.expires))...)
		if err != nil {
			return err
		}
		return charged.refund(ctx, tx)
	})
}

// tryMailedCode counts a try, in one conditional statement, and returns the hash to
// compare with; nothing where there is no code, or no try left.
func (s *state) tryMailedCode(ctx context.Context, e enrolment, now time.Time) (hash []byte, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		hash = nil
		_, err := found(tx.QueryRowContext(ctx, `UPDATE mailed_codes SET tries = tries + 1
			WHERE name = ? AND service = ? AND device = ? AND tries < ? AND expires > ? RETURNING hash`,
			append(e.place(), mailedTries, micros(now))...).Scan(&hash))
		return err
	})
	return hash, err
}

// forgetMailedCodes deletes what is past.
func forgetMailedCodes(ctx context.Context, tx *sql.Tx, now time.Time) error {
	_, err := exec(ctx, tx, "DELETE FROM mailed_codes WHERE expires < ?", micros(now))
	return err
}
