package authority

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
)

// replyLife is how long a request that is sent again gets the same bytes.
const replyLife = 24 * time.Hour

// state is what the authority remembers in SQL: statements, and no rules but
// those that must hold in one transaction. Its errors are problems when they
// refuse and wrap store's sentinels when the disk does.
type state struct {
	db *store.DB
}

// unavailable words a fault of storage as kind, for whoever is refused because
// of it; the cause stays in the chain for the log. A problem passes unchanged.
func unavailable(kind problem.Kind, err error) error {
	if p := (*problem.Problem)(nil); err == nil || errors.As(err, &p) {
		return err
	}
	return fmt.Errorf("%w: %w", problem.New(kind, ""), err)
}

// micros is how times stand in the database.
func micros(t time.Time) int64 { return t.UnixMicro() }

func unixSeconds(t time.Time) uint64 { return uint64(max(0, t.Unix())) }

// exec runs a statement and reports whether it changed a row.
func exec(ctx context.Context, tx *sql.Tx, statement string, args ...any) (bool, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// found reports whether a row was there to be scanned.
func found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// rows runs a query and hands each row to scan.
func rows(ctx context.Context, tx *sql.Tx, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	found, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		if err := scan(found); err != nil {
			return err
		}
	}
	return found.Err()
}

// expire forgets what has no use any more. Log, enrolments and approvals stay
// for ever.
func (s *state) expire(ctx context.Context, now time.Time) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := exec(ctx, tx, "DELETE FROM replies WHERE made < ?", micros(now.Add(-replyLife))); err != nil {
			return err
		}
		if err := forgetTokens(ctx, tx, now); err != nil {
			return err
		}
		if err := forgetMailedCodes(ctx, tx, now); err != nil {
			return err
		}
		_, err := exec(ctx, tx, "DELETE FROM rates WHERE ends < ?", micros(now))
		return err
	})
}
