package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// attempts bounds how often a contended transaction is run; each try already
// waits busy_timeout for the lock.
const attempts = 4

// Write runs fn in a transaction that sees and excludes every other write,
// and returns once it is durable. An error of fn rolls back and is returned as
// it is. fn may run more than once and must have no effect outside tx. When the
// commit itself fails, or ctx ends in it, the transaction may have been kept:
// the caller acknowledges nothing and lets the request be sent again.
// Errors: ErrUnavailable, ErrDamaged, those of ctx and of fn.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return retry(ctx, func() error { return transact(ctx, db.writer, nil, fn) })
}

// Read runs fn in a transaction that sees one unchanging state of the
// database and cannot change it; writers do not wait for it. Errors as Write.
func (db *DB) Read(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return retry(ctx, func() error { return transact(ctx, db.reader, &sql.TxOptions{ReadOnly: true}, fn) })
}

// Check reports whether a write transaction can begin now, for readiness
// probes. Errors as Write.
func (db *DB) Check(ctx context.Context) error {
	return db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "SELECT 1")
		return err
	})
}

// retry is the one place where a transaction is run again.
func retry(ctx context.Context, try func() error) error {
	pause := 5 * time.Millisecond
	for left := attempts - 1; ; left-- {
		err := try()
		if !contended(err) || left == 0 {
			return classify(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 4
		}
	}
}

func transact(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(context.Context, *sql.Tx) error) error {
	tx, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := fn(ctx, tx); err != nil {
		return err
	}
	err = tx.Commit()
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		err = ctx.Err() // database/sql rolls back by itself when ctx ends
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
