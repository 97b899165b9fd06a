package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
)

// attempts bounds how often a contended transaction is run; each try already
// waits busy_timeout for the lock.
const attempts = 4

// Write runs fn in a transaction and returns once it is durable. An error of fn
// rolls back and is returned as it is. fn may run more than once and must have
// no effect outside tx, which it does not end. When the commit itself fails, or
// ctx ends in it, the transaction may have been kept: the caller acknowledges
// nothing and lets the request be sent again.
//
// On SQLite fn sees and excludes every other write; those that wait share a
// commit, and ctx is not watched while fn runs. On PostgreSQL others run
// beside it (READ COMMITTED): what must not be spent twice is one conditional
// UPDATE … RETURNING, DELETE … RETURNING or INSERT … ON CONFLICT, never a
// SELECT and a decision. Callers write for the weaker one.
// Errors: ErrUnavailable, ErrDamaged, those of ctx and of fn.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	if db.group != nil {
		return retry(ctx, func() error { return db.group.write(ctx, fn) })
	}
	return db.run(ctx, db.writer, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, fn)
}

// Read runs fn in a transaction that sees one unchanging state of the
// database and cannot change it; writers do not wait for it. Errors as Write.
func (db *DB) Read(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return db.run(ctx, db.reader, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, fn)
}

// Check reports whether a write transaction can begin now, for readiness
// probes. Errors as Write.
func (db *DB) Check(ctx context.Context) error { return db.Write(ctx, db.probe) }

// run is retry within the patience of db.
func (db *DB) run(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, fn func(context.Context, *sql.Tx) error) error {
	limited := ctx
	if db.patience > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, db.patience)
		defer cancel()
	}
	err := retry(limited, func() error { return transact(limited, pool, opts, fn) })
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: no answer within %s: %w", ErrUnavailable, db.patience, err)
	}
	return err
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
		return &stepError{step: "begin", err: err}
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := fn(ctx, tx); err != nil {
		if gone(tx.Rollback()) {
			return &stepError{step: "connection lost", err: err}
		}
		return err
	}
	err = tx.Commit()
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		err = ctx.Err() // database/sql rolls back by itself when ctx ends
	}
	if err != nil {
		return &stepError{step: commit, err: err}
	}
	return nil
}

// gone reports whether a transaction could not be rolled back because its
// connection to PostgreSQL is no more. SQLite says with an error of its own
// that it had rolled back already.
func gone(undo error) bool {
	var fault *sqlite.Error
	return undo != nil && !errors.Is(undo, sql.ErrTxDone) && !errors.As(undo, &fault)
}
