package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrUnavailable is wrapped when the database cannot be read or written
	// now: disk full, I/O error, read-only, permission, contention that
	// outlasted every retry, a server that is away or does not answer. The
	// caller answers 503; nothing was acknowledged.
	ErrUnavailable = errors.New("storage unavailable")

	// ErrDamaged is wrapped when the file is not a whole database of its
	// schema. It is left as it was found.
	ErrDamaged = errors.New("storage damaged")

	// ErrNewer is wrapped when the file has been migrated by a later release
	// than this one.
	ErrNewer = errors.New("storage is newer than this program")

	// ErrInUse is wrapped when another process has the database open.
	ErrInUse = errors.New("storage in use by another process")

	// ErrPermissions is wrapped when others than the owner may read the file.
	ErrPermissions = errors.New("storage readable by others")
)

// OpenError is an error of Create or Open that somebody has to act on.
type OpenError struct {
	err    error
	detail string
	hint   string
}

// Error returns what is wrong, in one line.
func (e *OpenError) Error() string { return e.err.Error() + ": " + e.detail }

// Unwrap returns the sentinel.
func (e *OpenError) Unwrap() error { return e.err }

// Hint returns what to do next.
func (e *OpenError) Hint() string { return e.hint }

func damaged(format string, args ...any) error {
	return &OpenError{
		err:    ErrDamaged,
		detail: fmt.Sprintf(format, args...),
		hint:   "the file was not changed: keep a copy of it, then restore the last backup",
	}
}

// restarting is what a server says that goes away, comes back or is full of
// connections: shutdown, crash of another session, starting up, too many.
var restarting = []string{"57P01", "57P02", "57P03", "53300"}

// commit is the step of which nobody can say what was kept when it fails.
const commit = "commit"

// stepError is a failure of a transaction apart from its statements: it could
// not begin, or not commit, or the connection went away under it.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// classify gives an error of SQLite or PostgreSQL the sentinel it deserves;
// others pass unchanged.
func classify(err error) error {
	var (
		fault  *sqlite.Error
		answer *pgconn.PgError
		step   *stepError
		kind   error
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &fault):
		kind = kindOfSQLite(fault.Code() & 0xff)
	case errors.As(err, &answer):
		kind = kindOfPostgres(answer.Code)
	}
	if kind == nil && errors.As(err, &step) {
		kind = ErrUnavailable
	}
	if kind == nil || errors.Is(err, kind) {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

func kindOfSQLite(code int) error {
	switch code {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ErrDamaged
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS:
		return ErrUnavailable
	}
	return nil
}

// kindOfPostgres goes by the first two characters of code, its class
// (PostgreSQL, appendix A).
func kindOfPostgres(code string) error {
	switch code {
	case "XX001", "XX002": // corrupted data, corrupted index
		return ErrDamaged
	case "25006", "42501": // read-only transaction, insufficient privilege
		return ErrUnavailable
	}
	switch code[:min(2, len(code))] {
	case "08", // connection
		"28", "3D", // login refused, no such database
		"40",       // serialization, deadlock, completion unknown
		"53",       // disk full, out of memory, too many connections
		"55", "57", // lock not available; timeout, shutdown, starting up
		"58", "XX": // I/O error, internal error
		return ErrUnavailable
	}
	return nil
}

// unreadable is classify for errors that are met while opening.
func unreadable(err error) error {
	if errors.Is(classify(err), ErrDamaged) {
		return damaged("%s", err)
	}
	return classify(err)
}

// contended reports whether the same transaction may succeed when run again,
// and certainly was not kept.
func contended(err error) bool {
	var (
		fault  *sqlite.Error
		answer *pgconn.PgError
		step   *stepError
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &fault):
		code := fault.Code() & 0xff
		return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
	case errors.As(err, &answer) && (answer.Code == "40001" || answer.Code == "40P01"):
		return true // at the commit too: the server says that it kept nothing
	case errors.As(err, &step) && step.step == commit:
		return false
	case answer != nil:
		return slices.Contains(restarting, answer.Code)
	}
	// A connection that went away before the commit took the transaction with it.
	return step != nil
}
