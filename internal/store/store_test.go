package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestMain also plays the child processes of fault_test.go.
func TestMain(m *testing.M) {
	if role := os.Getenv("STORE_TEST_ROLE"); role != "" {
		os.Exit(child(role, Config{Path: os.Getenv("STORE_TEST_PATH"), URL: os.Getenv("STORE_TEST_URL"), Schema: sample()}))
	}
	os.Exit(m.Run())
}

// sample is a schema of one release, or with "0002" of the next one.
func sample(later ...string) Schema {
	files := fstest.MapFS{"0001_counters.sql": {Data: []byte(`-- +goose Up
CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
CREATE TABLE rows (id BIGINT PRIMARY KEY, filler BLOB NOT NULL);
INSERT INTO counters (name, value) VALUES ('tries', 0);
`)}}
	for _, name := range later {
		files[name+"_more.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nALTER TABLE counters ADD COLUMN note TEXT;\n")}
	}
	return Schema{Name: "sample", Migrations: files}
}

func at(t testing.TB) Config {
	t.Helper()
	return Config{Path: filepath.Join(t.TempDir(), "state.db"), Schema: sample()}
}

func created(t testing.TB, cfg Config) *DB {
	t.Helper()
	db, err := Create(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func query(text string, args ...any) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text, args...)
		return err
	}
}

func value(t testing.TB, db *DB, query string) int {
	t.Helper()
	var n int
	err := db.Read(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, query).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEveryConnectionIsDurableAndChecksReferences(t *testing.T) {
	db := created(t, at(t))
	for name, pool := range map[string]*sql.DB{"writer": db.writer, "reader": db.reader} {
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
			var got string
			if err := pool.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %s is %q, want %q (%v)", name, pragma, got, want, err)
			}
		}
	}
}

func TestCreateLeavesAnExistingFileAlone(t *testing.T) {
	cfg := at(t)
	if err := os.WriteFile(cfg.Path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), cfg); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("error %v, want fs.ErrExist", err)
	}
	if b, _ := os.ReadFile(cfg.Path); string(b) != "precious" {
		t.Fatalf("file changed to %q", b)
	}
}

func TestCreateStartsAgainAfterACrash(t *testing.T) {
	cfg := at(t)
	if err := os.WriteFile(cfg.Path+".new", []byte("half a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := created(t, cfg)
	if got := value(t, db, "SELECT count(*) FROM counters"); got != 1 {
		t.Fatalf("%d rows", got)
	}
	if _, err := os.Stat(cfg.Path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("unfinished file is still there: %v", err)
	}
}

func TestOpenNeverMakesADatabase(t *testing.T) {
	cfg := at(t)
	if _, err := Open(t.Context(), cfg); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v, want fs.ErrNotExist", err)
	}
	entries, err := os.ReadDir(filepath.Dir(cfg.Path))
	if err != nil || len(entries) != 0 {
		t.Fatalf("left behind %v, %v", entries, err)
	}
}

func TestOneProcessServesOneFile(t *testing.T) {
	cfg := at(t)
	db := created(t, cfg)
	_, err := Open(t.Context(), cfg)
	var hint interface{ Hint() string }
	if !errors.Is(err, ErrInUse) || !errors.As(err, &hint) || hint.Hint() == "" {
		t.Fatalf("error %v, want ErrInUse with a hint", err)
	}
	db.Close()
	again, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("after the first one closed: %v", err)
	}
	again.Close()
}

func TestContendedTransactionRunsAgain(t *testing.T) {
	db := created(t, at(t))
	other, err := sql.Open("sqlite", "file:"+db.Path()+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	blocker, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.writer.Exec("PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	if err := db.Check(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("while another program writes: %v", err)
	}
	tries := 0
	err = retry(t.Context(), func() error {
		if tries++; tries == 3 {
			blocker.Rollback()
		}
		return transact(t.Context(), db.writer, nil, query("UPDATE counters SET value = 1"))
	})
	if err != nil || tries != 3 {
		t.Fatalf("%d tries, %v", tries, err)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	db := created(t, Config{Path: filepath.Join(dir, "a file?#%20.db"), Schema: sample()})
	if err := db.Write(t.Context(), query("UPDATE counters SET value = 1")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory has mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
		names = append(names, strings.TrimPrefix(e.Name(), "a file?#%20.db"))
	}
	if got := strings.Join(names, " "); got != " -shm -wal .lock" {
		t.Errorf("files %q", got)
	}
}
