package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/fstest"

	"milagro.dev/internal/store/postgrestest"
)

// onBoth runs a test against a new database of either engine.
func onBoth(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run("sqlite", func(t *testing.T) {
		cfg := at(t)
		created(t, cfg).Close()
		test(t, cfg)
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, Config{URL: postgrestest.Start(t), Schema: sample()})
	})
}

func opened(t testing.TB, cfg Config) *DB {
	t.Helper()
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestStateOutlivesClose(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		db := opened(t, cfg)
		if err := db.Write(t.Context(), query("UPDATE counters SET value = 7")); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), query("UPDATE counters SET value = 8")); !errors.Is(err, ErrUnavailable) {
			t.Errorf("write after Close: %v, want ErrUnavailable", err)
		}
		db = opened(t, cfg)
		if got := value(t, db, "SELECT value FROM counters"); got != 7 {
			t.Fatalf("value %d after reopening, want 7", got)
		}
		if db.Path() != cfg.Path {
			t.Fatalf("path %q", db.Path())
		}
	})
}

// TestEverySchemaSuitsBothEngines shows that the migrations are in the SQL that
// both understand.
func TestEverySchemaSuitsBothEngines(t *testing.T) {
	for _, schema := range []Schema{Authority(), Login()} {
		t.Run(schema.Name, func(t *testing.T) {
			cfg := Config{Path: at(t).Path, Schema: schema}
			created(t, cfg)
			opened(t, Config{URL: postgrestest.Start(t), Schema: schema})
		})
	}
}

func TestPlaceholdersBindByNumber(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		var got string
		err := opened(t, cfg).Read(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			const text = "SELECT CAST($2 AS TEXT) || CAST($1 AS TEXT) || CAST($3 AS TEXT) || CAST($2 AS TEXT)"
			return tx.QueryRowContext(ctx, text, "a", "b", "c").Scan(&got)
		})
		if err != nil || got != "bacb" {
			t.Fatalf("%q, %v; want bacb", got, err)
		}
	})
}

func TestMigrationsAreAppliedOnceAndOnlyForward(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		opened(t, cfg).Close()
		cfg.Schema = sample("0002")
		for range 2 {
			db := opened(t, cfg)
			if got := value(t, db, "SELECT count(note) + 1 FROM counters"); got != 1 {
				t.Fatalf("column note: %d", got)
			}
			db.Close()
		}
		before, _ := os.ReadFile(cfg.Path)
		cfg.Schema = sample()
		if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrNewer) {
			t.Fatalf("an older program opened it: %v", err)
		}
		if after, _ := os.ReadFile(cfg.Path); string(after) != string(before) {
			t.Fatal("the refused file changed")
		}
	})
}

func TestBrokenMigrationChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		opened(t, cfg).Close()
		files := sample().Migrations.(fstest.MapFS)
		files["0002_broken.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE half (a TEXT);\nSELECT no_such_function();\n")}
		cfg.Schema.Migrations = files
		if _, err := Open(t.Context(), cfg); err == nil {
			t.Fatal("opened")
		}
		files["0002_broken.sql"].Data = []byte("-- +goose Up\nCREATE TABLE half (a TEXT);\n")
		if _, err := Open(t.Context(), cfg); err != nil {
			t.Fatalf("half a migration was kept: %v", err)
		}
	})
}

func TestFunctionsErrorRollsBackAndComesBack(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		db := opened(t, cfg)
		mine := errors.New("mine")
		err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, "UPDATE counters SET value = 9"); err != nil {
				return err
			}
			return mine
		})
		if err != mine {
			t.Fatalf("error %v", err)
		}
		if got := value(t, db, "SELECT value FROM counters"); got != 0 {
			t.Fatalf("value %d", got)
		}
	})
}

func TestPanicRollsBackAndFreesTheWriter(t *testing.T) {
	bug := func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE counters SET value = 9"); err != nil {
			return err
		}
		panic("bug")
	}
	exit := func(ctx context.Context, tx *sql.Tx) error {
		runtime.Goexit() // as t.Fatal in a function of a test does
		return nil
	}
	onBoth(t, func(t *testing.T, cfg Config) {
		db := opened(t, cfg)
		for range 20 { // more than there are connections
			func() {
				defer func() {
					if got := recover(); got != "bug" {
						t.Errorf("the caller sees %v, want its panic", got)
					}
				}()
				db.Write(t.Context(), bug)
			}()
			var wg sync.WaitGroup
			wg.Go(func() { db.Write(t.Context(), exit) })
			wg.Wait()
		}
		if got := value(t, db, "SELECT value FROM counters"); got != 0 {
			t.Errorf("value %d", got)
		}
		if err := db.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCancelledWriteKeepsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		db := opened(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "UPDATE counters SET value = 9")
			cancel()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		if err := db.Write(ctx, query("UPDATE counters SET value = 9")); !errors.Is(err, context.Canceled) {
			t.Fatalf("a second time: %v", err)
		}
		if got := value(t, db, "SELECT value FROM counters"); got != 0 {
			t.Fatalf("value %d", got)
		}
	})
}

func TestReadCannotWriteAndDoesNotWait(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		db := opened(t, cfg)
		if err := db.Read(t.Context(), query("UPDATE counters SET value = 1")); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("a read wrote: %v", err)
		}
		err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, "UPDATE counters SET value = 5"); err != nil {
				return err
			}
			if got := value(t, db, "SELECT value FROM counters"); got != 0 {
				return fmt.Errorf("a reader sees %d before the commit", got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestReadSeesOneState(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		db := opened(t, cfg)
		err := db.Read(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			for range 2 {
				var n int
				if err := tx.QueryRowContext(ctx, "SELECT value FROM counters").Scan(&n); err != nil || n != 0 {
					return fmt.Errorf("value %d in the middle of a read, %w", n, err)
				}
				if err := db.Write(ctx, query("UPDATE counters SET value = value + 1")); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := value(t, db, "SELECT value FROM counters"); got != 2 {
			t.Fatalf("value %d, want 2", got)
		}
	})
}

func TestConditionalUpdateSpendsEachTryOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		replicas := []*DB{opened(t, cfg)}
		if cfg.URL != "" {
			replicas = append(replicas, opened(t, cfg))
		}
		const clients, limit = 100, 30
		got := make(chan int, clients)
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				var n int
				err := replicas[i%len(replicas)].Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
					const spend = "UPDATE counters SET value = value + 1 WHERE name = 'tries' AND value < $1 RETURNING value"
					return tx.QueryRowContext(ctx, spend, limit).Scan(&n)
				})
				switch {
				case err == nil:
					got <- n
				case !errors.Is(err, sql.ErrNoRows):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(got)
		seen := map[int]bool{}
		for n := range got {
			if seen[n] {
				t.Errorf("try %d was given twice", n)
			}
			seen[n] = true
		}
		if len(seen) != limit {
			t.Errorf("%d tries given, want %d", len(seen), limit)
		}
	})
}

func TestKilledProcessLosesNothingCommitted(t *testing.T) {
	onBoth(t, func(t *testing.T, cfg Config) {
		opened(t, cfg).Close()
		for range 5 {
			said := countAndKill(t, cfg)
			db := opened(t, cfg)
			for _, n := range said {
				if got := value(t, db, "SELECT count(*) FROM rows WHERE id = "+strconv.Itoa(n)); got != 1 {
					t.Errorf("row %d had been acknowledged and is gone", n)
				}
			}
			if err := db.Write(t.Context(), query("DELETE FROM rows")); err != nil {
				t.Fatal(err)
			}
			db.Close()
		}
	})
}

// countAndKill returns the numbers that a child said before it was killed.
func countAndKill(t *testing.T, cfg Config) (said []int) {
	t.Helper()
	cmd, lines := spawn(t, "count", cfg)
	kill := rand.IntN(60)
	for lines.Scan() { // to the end: what it still said before it died counts too
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(lines.Text())
		}
		said = append(said, n)
		if len(said) > kill {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	return said
}

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("sqlite/writers=%d", writers), func(b *testing.B) {
			benchmarkWrite(b, created(b, at(b)), writers)
		})
		b.Run(fmt.Sprintf("postgres/writers=%d", writers), func(b *testing.B) {
			benchmarkWrite(b, opened(b, Config{URL: postgrestest.Start(b), Schema: sample()}), writers)
		})
	}
}

// benchmarkWrite spends a try of one of 1000 counters in each write, as a login does.
func benchmarkWrite(b *testing.B, db *DB, writers int) {
	const fresh = "INSERT INTO counters (name, value) VALUES ($1, 0)"
	err := db.Write(b.Context(), func(ctx context.Context, tx *sql.Tx) error {
		for n := range 1000 {
			if _, err := tx.ExecContext(ctx, fresh, strconv.Itoa(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	const spend = "UPDATE counters SET value = value + 1 WHERE name = $1 AND value < 1000000000 RETURNING value"
	left := make(chan int)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for n := range left {
				err := db.Write(b.Context(), func(ctx context.Context, tx *sql.Tx) error {
					return tx.QueryRowContext(ctx, spend, strconv.Itoa(n%1000)).Scan(&n)
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for n := 0; b.Loop(); n++ {
		left <- n
	}
	close(left)
	wg.Wait()
}
