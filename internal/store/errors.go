package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrUnavailable is wrapped when the database cannot be read or written
	// now: disk full, I/O error, read-only, permission, contention that
	// outlasted every retry. The caller answers 503; nothing was acknowledged.
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

// classify gives an error of SQLite the sentinel it deserves; others pass unchanged.
func classify(err error) error {
	var fault *sqlite.Error
	if !errors.As(err, &fault) {
		return err
	}
	switch fault.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// unreadable is classify for errors that are met while opening.
func unreadable(err error) error {
	if errors.Is(classify(err), ErrDamaged) {
		return damaged("%s", err)
	}
	return classify(err)
}

// contended reports whether the same transaction may succeed when run again.
func contended(err error) bool {
	var fault *sqlite.Error
	if !errors.As(err, &fault) {
		return false
	}
	code := fault.Code() & 0xff
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}
