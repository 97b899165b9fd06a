// Package store keeps the durable state of one role in one SQLite file: one
// schema a role, every change a transaction, every fault a named error.
//
// Create makes the file once, Open opens it ever after; a missing, damaged or
// foreign file is an error and is never replaced, because a role that forgot
// what it signed may sign the contrary. Open takes a lock beside the file, so a
// second process on the same state is refused, checks the file, and brings its
// schema up to date.
//
// Durable means: when Write returns nil, the transaction is on the disk (WAL
// with synchronous=FULL) and outlives kill -9 and loss of power. What cannot be
// written is ErrUnavailable: the caller answers 503 and does nothing further.
//
// Callers keep to SQL that PostgreSQL understands too (migrations/README.md).
// Counters and one-time tokens are single conditional UPDATE … RETURNING
// statements, so no interleaving can spend one twice.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// readers is how many read transactions run side by side; writers queue for
// one connection, since SQLite has one writer anyway.
const readers = 4

// Config says which file to open and what is in it.
type Config struct {
	// Path of the database file. Its directory is made with mode 0700 when
	// missing; SQLite keeps two more files and we keep a lock file beside it.
	Path string
	// Schema is the role whose tables the file holds.
	Schema Schema
}

// DB is an open database. Its methods may be called by many goroutines.
type DB struct {
	path   string
	lock   *os.File
	writer *sql.DB
	reader *sql.DB
}

// Create makes a new database at cfg.Path with the newest schema and opens it.
// The file appears complete or not at all. An existing file is left alone and
// reported as fs.ErrExist.
func Create(ctx context.Context, cfg Config) (*DB, error) {
	if err := create(ctx, cfg); err != nil {
		return nil, fmt.Errorf("create database %s: %w", cfg.Path, err)
	}
	return Open(ctx, cfg)
}

// Open opens the database at cfg.Path, checks it and migrates it. Errors: ErrInUse when
// another process has it open, fs.ErrNotExist when there
// is none, ErrDamaged when the file is not a whole database of this schema,
// ErrNewer when a later program has migrated it, ErrUnavailable when the disk
// refuses. None of them changes the file.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	db, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", cfg.Path, err)
	}
	return db, nil
}

// Path returns the path of the database file.
func (db *DB) Path() string { return db.path }

// Close waits for running transactions, closes the file and gives up the lock.
func (db *DB) Close() error {
	return errors.Join(db.reader.Close(), db.writer.Close(), db.lock.Close())
}

func create(ctx context.Context, cfg Config) error {
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
		return err
	}
	lock, err := lockFile(cfg.Path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := absent(cfg.Path, cfg.Path+"-wal"); err != nil {
		return err
	}
	// Built under another name: a crash before the link leaves nothing that
	// Open would take for a database.
	building := cfg.Path + ".new"
	if err := errors.Join(removeDatabase(building), build(ctx, building, cfg.Schema)); err != nil {
		return err
	}
	if err := publish(building, cfg.Path); err != nil {
		return err
	}
	return removeDatabase(building)
}

// build makes a whole database at path, with everything in the one file.
func build(ctx context.Context, path string, schema Schema) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	pool, err := openPool(path, 1, "_txlock=immediate")
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", schema.applicationID())); err != nil {
		return classify(err)
	}
	if err := migrate(ctx, pool, schema); err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return classify(err)
}

func open(ctx context.Context, cfg Config) (db *DB, err error) {
	if _, err := os.Stat(cfg.Path); err != nil {
		return nil, missing(cfg.Path, err)
	}
	lock, err := lockFile(cfg.Path + ".lock")
	if err != nil {
		return nil, err
	}
	db = &DB{path: cfg.Path, lock: lock}
	defer func() {
		if err != nil {
			db.abandon()
			db = nil
		}
	}()
	if err := checkHeader(cfg.Path, cfg.Schema); err != nil {
		return db, err
	}
	if db.writer, err = openPool(cfg.Path, 1, "_txlock=immediate"); err != nil {
		return db, err
	}
	if db.reader, err = openPool(cfg.Path, readers, "_pragma=query_only(1)"); err != nil {
		return db, err
	}
	if err := quickCheck(ctx, db.writer); err != nil {
		return db, err
	}
	return db, migrate(ctx, db.writer, cfg.Schema)
}

// abandon closes what a refused Open had opened; the refusal is the error to report.
func (db *DB) abandon() {
	for _, pool := range []*sql.DB{db.reader, db.writer} {
		if pool != nil {
			pool.Close()
		}
	}
	db.lock.Close()
}

// openPool opens path with connections that all carry the same pragmas.
func openPool(path string, connections int, option string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	const pragmas = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=trusted_schema(0)&"
	dsn := url.URL{Scheme: "file", Path: abs, RawQuery: pragmas + option}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

// missing explains why path cannot be opened. A write-ahead log without its
// database is what somebody leaves who moves only one of the two.
func missing(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if info, walErr := os.Stat(path + "-wal"); walErr == nil && info.Size() > 0 {
		return damaged("the database is gone but its write-ahead log is here")
	}
	return err
}

func absent(paths ...string) error {
	for _, p := range paths {
		if _, err := os.Lstat(p); err == nil {
			return fmt.Errorf("%s: %w", p, fs.ErrExist)
		}
	}
	return nil
}

func removeDatabase(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
