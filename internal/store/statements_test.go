package store

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
)

// TestAStatementRunsWithinItself has a query run while its own rows are read.
func TestAStatementRunsWithinItself(t *testing.T) {
	db := created(t, at(t))
	for id := range 3 {
		if err := db.Write(t.Context(), query("INSERT INTO rows (id, filler) VALUES ($1, $2)", id, []byte{1})); err != nil {
			t.Fatal(err)
		}
	}
	const count = "SELECT id FROM rows WHERE id >= $1 ORDER BY id"
	var met []int
	var walk func(ctx context.Context, tx *sql.Tx, from, depth int) error
	walk = func(ctx context.Context, tx *sql.Tx, from, depth int) error {
		found, err := tx.QueryContext(ctx, count, from)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var id int
			if err := found.Scan(&id); err != nil {
				return err
			}
			met = append(met, 10*depth+id)
			if err := walk(ctx, tx, id+1, depth+1); err != nil {
				return err
			}
		}
		return found.Err()
	}
	for range 2 { // the second time with statements that were kept
		met = nil
		if err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { return walk(ctx, tx, 0, 0) }); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(met), "[0 11 22 12 1 12 2]"; got != want {
			t.Errorf("rows %s, want %s", got, want)
		}
	}
}

func TestKeptStatementsAreBoundedAndFresh(t *testing.T) {
	db := created(t, at(t))
	err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		for round := range 2 {
			for i := range 2 * keptStatements {
				var n int
				if err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT %d + $1", i), round).Scan(&n); err != nil || n != i+round {
					return fmt.Errorf("%d + %d = %d: %w", i, round, n, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Raw(func(c any) error {
		if n := len(c.(*preparedConn).idle); n != keptStatements {
			t.Errorf("%d statements are kept, want %d", n, keptStatements)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestKeptStatementSeesANewColumn: what was compiled before a migration is compiled
// again after it.
func TestKeptStatementSeesANewColumn(t *testing.T) {
	db := created(t, at(t))
	columns := func() (n int) {
		t.Helper()
		err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			found, err := tx.QueryContext(ctx, "SELECT * FROM counters")
			if err != nil {
				return err
			}
			defer found.Close()
			names, err := found.Columns()
			n = len(names)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := columns()
	if err := db.Write(t.Context(), query("ALTER TABLE counters ADD COLUMN note TEXT")); err != nil {
		t.Fatal(err)
	}
	if after := columns(); before != 2 || after != 3 {
		t.Errorf("%d columns, then %d", before, after)
	}
}

// TestFailedStatementIsKeptWhole: a statement that failed runs again.
func TestFailedStatementIsKeptWhole(t *testing.T) {
	db := created(t, at(t))
	const insert = "INSERT INTO rows (id, filler) VALUES ($1, $2) RETURNING id"
	for id, good := range []bool{true, false, true} {
		err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			var got int
			return tx.QueryRowContext(ctx, insert, id/2*2, []byte{1}).Scan(&got)
		})
		if (err == nil) != good {
			t.Errorf("insert %d: %v", id, err)
		}
	}
	if n := value(t, db, "SELECT count(*) FROM rows"); n != 2 {
		t.Errorf("%d rows", n)
	}
}
