package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
)

// Schema is the tables of a role: what Open brings a file to.
type Schema struct {
	// Name marks the files of this schema; it never changes.
	Name string
	// Migrations holds the files 0001_what.sql and so on, in goose's form.
	Migrations fs.FS
}

//go:embed migrations
var migrations embed.FS

// Authority returns the schema of a D-TA's state (migrations/authority).
func Authority() Schema { return embedded("authority") }

// Login returns the schema of a login server's state (migrations/login).
func Login() Schema { return embedded("login") }

func embedded(name string) Schema {
	sub, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		panic("store: " + err.Error()) // only a path that is not valid
	}
	return Schema{Name: name, Migrations: sub}
}

// applicationID marks a file as ours and as of this schema: it stands in the
// SQLite header, bytes 68 to 71, big-endian, below 2³¹.
func (s Schema) applicationID() uint32 {
	return crc32.ChecksumIEEE([]byte("milagro/v1 store "+s.Name)) & 0x7fffffff
}

// checkHeader refuses what is not a database of schema before SQLite touches
// it: SQLite takes an empty file for a new database and writes to foreign ones.
func checkHeader(path string, schema Schema) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !info.Mode().IsRegular() {
		return damaged("not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return &OpenError{err: ErrPermissions, detail: "mode " + info.Mode().Perm().String(), hint: "chmod 600 " + path}
	}
	header := make([]byte, 100)
	if _, err := io.ReadFull(f, header); err != nil {
		return damaged("shorter than the header of a database")
	}
	if string(header[:16]) != "SQLite format 3\x00" {
		return damaged("not an SQLite database")
	}
	if binary.BigEndian.Uint32(header[68:72]) != schema.applicationID() {
		return damaged("an SQLite database, but not one of Milagro's schema %q", schema.Name)
	}
	return nil
}

// quickCheck reads every page once.
func quickCheck(ctx context.Context, pool *sql.DB) error {
	var verdict string
	if err := pool.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return unreadable(err)
	}
	if verdict != "ok" {
		return damaged("%s", verdict)
	}
	return nil
}

// migrate applies the migrations that pool lacks, each with its version record
// in one transaction, and refuses a database that has more of them than we do.
func migrate(ctx context.Context, dialect goose.Dialect, pool *sql.DB, files fs.FS) error {
	provider, err := goose.NewProvider(dialect, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	// The provider is not closed: that would close pool.
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrations: %w", unreadable(err))
	}
	if current > target {
		return &OpenError{
			err:    ErrNewer,
			detail: fmt.Sprintf("schema version %d, this program knows up to %d", current, target),
			hint:   "run the release that wrote it, or a later one; going back needs the backup made before the upgrade",
		}
	}
	if _, err := provider.Up(ctx); err != nil && !errors.Is(err, goose.ErrNoNextVersion) {
		return fmt.Errorf("migrations: %w", unreadable(err))
	}
	return nil
}
