package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the database to path, mode 0600, while
// reads and writes go on. The copy is a whole database in one file, durable
// when Backup returns; to restore, put it where the database was. An existing
// path is refused with fs.ErrExist. PostgreSQL has tools of its own for that:
// there Backup is errors.ErrUnsupported.
func (db *DB) Backup(ctx context.Context, path string) error {
	if err := db.backup(ctx, path); err != nil {
		return fmt.Errorf("back up to %s: %w", path, err)
	}
	return nil
}

func (db *DB) backup(ctx context.Context, path string) error {
	if db.path == "" {
		return fmt.Errorf("%w on PostgreSQL: use pg_dump or pg_basebackup", errors.ErrUnsupported)
	}
	partial, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(partial.Name())
	err = db.vacuumInto(ctx, partial.Name())
	if err := errors.Join(err, partial.Sync(), partial.Close()); err != nil {
		return err
	}
	return publish(partial.Name(), path)
}

// vacuumInto fills the empty file at path, which keeps its mode, over a
// connection of its own: readers may not write and the writer is needed.
func (db *DB) vacuumInto(ctx context.Context, path string) error {
	pool, err := openPool(db.path, 1, "")
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.ExecContext(ctx, "VACUUM INTO ?", path)
	return classify(err)
}

// publish gives the finished file its name, durably, and never takes the name
// from another file; the old name stays.
func publish(finished, path string) error {
	if err := os.Link(finished, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
