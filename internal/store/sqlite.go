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

	"github.com/pressly/goose/v3"
)

// readers is how many read transactions run side by side; writers queue for
// one connection, since SQLite has one writer anyway.
const readers = 4

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
	if err := migrate(ctx, goose.DialectSQLite3, pool, schema.Migrations); err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return classify(err)
}

func openSQLite(ctx context.Context, cfg Config) (db *DB, err error) {
	if _, err := os.Stat(cfg.Path); err != nil {
		return nil, missing(cfg.Path, err)
	}
	lock, err := lockFile(cfg.Path + ".lock")
	if err != nil {
		return nil, err
	}
	db = &DB{path: cfg.Path, lock: lock, probe: probeSQLite}
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
	if err := migrate(ctx, goose.DialectSQLite3, db.writer, cfg.Schema.Migrations); err != nil {
		return db, err
	}
	db.group = newGroup(db.writer)
	return db, nil
}

// probeSQLite needs no statement that writes: the transaction holds the lock
// of the one writer.
func probeSQLite(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "SELECT 1")
	return err
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
	pool := sql.OpenDB(preparing{dsn.String()})
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
