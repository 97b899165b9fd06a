package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
)

// bump adds 1 to the counter of TestMain's sample.
func bump(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "UPDATE counters SET value = value + 1")
	return err
}

// together runs writes as members of one transaction and returns their errors:
// a first write holds the writer until all of them wait. It wants a bubble.
func together(t *testing.T, db *DB, writes ...func(context.Context, *sql.Tx) error) []error {
	t.Helper()
	hold := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Write(t.Context(), func(context.Context, *sql.Tx) error {
			<-hold
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	results := make([]error, len(writes))
	for i, fn := range writes {
		wg.Go(func() { results[i] = db.Write(t.Context(), fn) })
		synctest.Wait() // so that they run in this order
	}
	close(hold)
	wg.Wait()
	return results
}

// grouped runs test on a new file in a bubble.
func grouped(t *testing.T, test func(t *testing.T, db *DB)) {
	synctest.Test(t, func(t *testing.T) {
		db := created(t, at(t))
		test(t, db)
		db.Close()
	})
}

func TestWaitingWritesShareACommit(t *testing.T) {
	const waiting = 64
	grouped(t, func(t *testing.T, db *DB) {
		log := func() int64 {
			info, err := os.Stat(db.Path() + "-wal")
			if err != nil {
				t.Fatal(err)
			}
			return info.Size()
		}
		if err := db.Write(t.Context(), bump); err != nil {
			t.Fatal(err)
		}
		before := log()
		writes := make([]func(context.Context, *sql.Tx) error, waiting)
		for i := range writes {
			writes[i] = bump
		}
		for _, err := range together(t, db, writes...) {
			if err != nil {
				t.Error(err)
			}
		}
		if got := value(t, db, "SELECT value FROM counters"); got != waiting+1 {
			t.Errorf("value %d, want %d", got, waiting+1)
		}
		// Each commit appends the page that they all change.
		if pages := (log() - before) / 4096; pages > 2 {
			t.Errorf("%d writes that waited took %d commits", waiting, pages)
		}
	})
}

func TestMembersErrorIsItsOwn(t *testing.T) {
	mine := errors.New("mine")
	refused := func(ctx context.Context, tx *sql.Tx) error {
		if err := query("UPDATE counters SET value = value + 100")(ctx, tx); err != nil {
			return err
		}
		return mine
	}
	constraint := query("INSERT INTO counters (name, value) VALUES ('tries', 0)")
	grouped(t, func(t *testing.T, db *DB) {
		got := together(t, db, bump, refused, bump, constraint, bump)
		if got[0] != nil || got[1] != mine || got[2] != nil || got[3] == nil || got[4] != nil {
			t.Errorf("errors %v", got)
		}
		if n := value(t, db, "SELECT value FROM counters"); n != 3 {
			t.Errorf("value %d, want 3", n)
		}
	})
}

func TestMemberThatBreaksTheTransactionFailsAlone(t *testing.T) {
	const rollback = "INSERT OR ROLLBACK INTO counters (name, value) VALUES ('tries', 0)" // as SQLite does by itself when the disk is full
	breakers := map[string]func(context.Context, *sql.Tx) error{
		"says so": query(rollback),
		"hides it": func(ctx context.Context, tx *sql.Tx) error {
			tx.ExecContext(ctx, rollback)
			return nil
		},
		"ends it": func(ctx context.Context, tx *sql.Tx) error { return tx.Rollback() },
	}
	for name, breaker := range breakers {
		t.Run(name, func(t *testing.T) {
			grouped(t, func(t *testing.T, db *DB) {
				got := together(t, db, bump, breaker, bump, breaker, bump)
				for i, err := range got {
					if failed := err != nil; failed != (i%2 == 1) {
						t.Errorf("member %d: %v", i, err)
					}
				}
				if n := value(t, db, "SELECT value FROM counters"); n != 3 {
					t.Errorf("value %d, want 3", n)
				}
			})
		})
	}
}

// TestFailedCommitIsEverybodysFailure has a commit fail over a reference that
// one member leaves open. A member that refused by what it saw of the others
// must not say so: what it saw was not kept.
func TestFailedCommitIsEverybodysFailure(t *testing.T) {
	mine := errors.New("mine")
	grouped(t, func(t *testing.T, db *DB) {
		if err := db.Write(t.Context(), query("CREATE TABLE notes (name TEXT REFERENCES counters (name))")); err != nil {
			t.Fatal(err)
		}
		dangling := func(ctx context.Context, tx *sql.Tx) error {
			if err := query("PRAGMA defer_foreign_keys = 1")(ctx, tx); err != nil {
				return err
			}
			return query("INSERT INTO notes (name) VALUES ('nobody')")(ctx, tx)
		}
		refused := func(context.Context, *sql.Tx) error { return mine }
		for i, err := range together(t, db, bump, dangling, refused, bump) {
			if !errors.Is(err, ErrUnavailable) || errors.Is(err, mine) {
				t.Errorf("member %d: %v, want ErrUnavailable", i, err)
			}
		}
		if n := value(t, db, "SELECT value FROM counters"); n != 0 {
			t.Errorf("value %d, want 0", n)
		}
		if err := db.Write(t.Context(), bump); err != nil {
			t.Errorf("next write: %v", err)
		}
	})
}

func TestPanicOfAMemberIsItsOwn(t *testing.T) {
	grouped(t, func(t *testing.T, db *DB) {
		caught := make(chan any, 1)
		var wg sync.WaitGroup
		hold := make(chan struct{})
		wg.Go(func() {
			defer func() { caught <- recover() }()
			db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				<-hold
				if err := bump(ctx, tx); err != nil {
					return err
				}
				panic("bug")
			})
		})
		synctest.Wait()
		for range 5 {
			wg.Go(func() {
				if err := db.Write(t.Context(), bump); err != nil {
					t.Error(err)
				}
			})
		}
		close(hold)
		wg.Wait()
		if got := <-caught; got != "bug" {
			t.Errorf("recovered %v", got)
		}
		if n := value(t, db, "SELECT value FROM counters"); n != 5 {
			t.Errorf("value %d, want 5", n)
		}
	})
}

func TestWriteWhoseContextEndsWhileItWaitsIsNotRun(t *testing.T) {
	grouped(t, func(t *testing.T, db *DB) {
		hold := make(chan struct{})
		ran := func(context.Context, *sql.Tx) error {
			t.Error("ran")
			return nil
		}
		early, cancelEarly := context.WithCancel(t.Context())
		late, cancelLate := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		start := func(ctx context.Context, want error, fn func(context.Context, *sql.Tx) error) {
			wg.Go(func() {
				if err := db.Write(ctx, fn); !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
			})
			synctest.Wait()
		}
		start(t.Context(), nil, func(context.Context, *sql.Tx) error {
			<-hold
			return nil
		})
		start(t.Context(), nil, func(ctx context.Context, tx *sql.Tx) error {
			cancelLate() // its member is in this very transaction
			return bump(ctx, tx)
		})
		start(late, context.Canceled, ran)
		start(t.Context(), nil, bump)
		gone := make(chan error, 1)
		go func() { gone <- db.Write(early, ran) }()
		synctest.Wait()
		cancelEarly()
		if err := <-gone; !errors.Is(err, context.Canceled) { // and so it does not wait for hold
			t.Errorf("error %v, want context.Canceled", err)
		}
		close(hold)
		wg.Wait()
		if n := value(t, db, "SELECT value FROM counters"); n != 2 {
			t.Errorf("value %d, want 2", n)
		}
	})
}

func TestFullDiskLosesNoAcknowledgedMember(t *testing.T) {
	db := created(t, at(t))
	var pages int
	if err := db.writer.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		t.Helper()
		if _, err := db.writer.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 20)
	const writers = 64
	results := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { results[i] = db.Write(t.Context(), insert(i)) })
	}
	wg.Wait()
	written := 0
	for i, err := range results {
		kept := value(t, db, fmt.Sprintf("SELECT count(*) FROM rows WHERE id = %d", i)) == 1
		if kept != (err == nil) || err != nil && !errors.Is(err, ErrUnavailable) {
			t.Errorf("row %d kept %v, %v", i, kept, err)
		}
		if kept {
			written++
		}
	}
	if written == 0 || written == writers {
		t.Fatalf("%d of %d rows written: the disk was never full", written, writers)
	}
	limit(pages + 1000)
	if err := db.Write(t.Context(), insert(writers)); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

func TestCloseWaitsForTheRunningWriteAndRefusesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := at(t)
		db := created(t, cfg)
		hold := make(chan struct{})
		running, waiting := make(chan error, 1), make(chan error, 1)
		go func() {
			running <- db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				<-hold
				return bump(ctx, tx)
			})
		}()
		synctest.Wait()
		go func() { waiting <- db.Write(t.Context(), bump) }()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- db.Close() }()
		synctest.Wait()
		if err := <-waiting; !errors.Is(err, ErrUnavailable) {
			t.Errorf("waiting write: %v, want ErrUnavailable", err)
		}
		close(hold)
		if err := errors.Join(<-running, <-closed); err != nil {
			t.Error(err)
		}
		again := opened(t, cfg)
		if n := value(t, again, "SELECT value FROM counters"); n != 1 {
			t.Errorf("value %d, want 1", n)
		}
		again.Close()
	})
}
