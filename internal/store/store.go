// Package store keeps the durable state of one role, in one SQLite file or in
// one PostgreSQL database: one schema a role, every change a transaction, every
// fault a named error. SQLite serves one process; PostgreSQL serves several
// that share the state, as replicas do.
//
// Create makes the file once, Open opens it ever after; a missing, damaged or
// foreign file is an error and is never replaced, because a role that forgot
// what it signed may sign the contrary. Open takes a lock beside the file, so a
// second process on the same state is refused, checks the file, and brings its
// schema up to date. On PostgreSQL, Open also makes the tables in a database
// that has none; a database of another role is refused and left as it is.
//
// Durable means: when Write returns nil, the transaction is on the disk (WAL
// with synchronous=FULL; synchronous_commit=on) and outlives kill -9 and loss of
// power. What cannot be written is ErrUnavailable: the caller answers 503 and
// does nothing further.
//
// Callers keep to SQL that both engines understand (migrations/README.md).
// Counters and one-time tokens are single conditional UPDATE … RETURNING
// statements, so no interleaving can spend one twice.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// Config says which database to open and what is in it: Path or URL, not both.
type Config struct {
	// Path of the SQLite file. Its directory is made with mode 0700 when
	// missing; SQLite keeps two more files and we keep a lock file beside it.
	Path string
	// URL of the PostgreSQL database: postgres://user:password@host/database
	// with the parameters of libpq, such as sslmode=verify-full. It is a
	// secret when it holds the password, which no error of this package shows.
	URL string
	// Schema is the role whose tables the database holds.
	Schema Schema
}

// DB is an open database. Its methods may be called by many goroutines.
type DB struct {
	path   string
	lock   *os.File
	writer *sql.DB
	reader *sql.DB // on PostgreSQL the same as writer
	group  *group  // who uses writer on SQLite; nil on PostgreSQL
	// probe is what Check runs.
	probe func(context.Context, *sql.Tx) error
	// patience bounds a transaction; 0 leaves that to ctx.
	patience time.Duration
}

var errPlace = errors.New("want either the path of a file or the URL of a PostgreSQL database")

// Create makes a new SQLite database at cfg.Path with the newest schema and
// opens it. The file appears complete or not at all. An existing file is left
// alone and reported as fs.ErrExist. A PostgreSQL database is not made here:
// its administrator creates it empty, Open does the rest.
func Create(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Path == "" || cfg.URL != "" {
		return nil, errors.New("create database: want the path of a file")
	}
	if err := create(ctx, cfg); err != nil {
		return nil, fmt.Errorf("create database %s: %w", cfg.Path, err)
	}
	return Open(ctx, cfg)
}

// Open opens the database of cfg, checks it and migrates it. Errors: ErrInUse
// when another process has the file open, fs.ErrNotExist when there is no file,
// ErrDamaged when it is not a whole database of this schema, ErrNewer when a
// later program has migrated it, ErrUnavailable when the disk or the server
// refuses. None of them changes the database.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	switch {
	case (cfg.Path == "") == (cfg.URL == ""):
		return nil, fmt.Errorf("open database: %w", errPlace)
	case cfg.URL != "":
		return openPostgres(ctx, cfg)
	}
	db, err := openSQLite(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", cfg.Path, err)
	}
	return db, nil
}

// Path returns the path of the SQLite file; it is empty on PostgreSQL.
func (db *DB) Path() string { return db.path }

// Close waits for running transactions, closes the database and gives up the
// lock.
func (db *DB) Close() error {
	if db.group != nil {
		db.group.close()
	}
	err := errors.Join(db.reader.Close(), db.writer.Close())
	if db.lock != nil {
		err = errors.Join(err, db.lock.Close())
	}
	return err
}
