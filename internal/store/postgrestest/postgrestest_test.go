//go:build unix

package postgrestest

import (
	"database/sql"
	"testing"
)

func TestStartGivesANewEmptyDatabase(t *testing.T) {
	first, second := Start(t), Start(t)
	if first == second {
		t.Fatal("one database twice")
	}
	for _, url := range []string{first, second} {
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("CREATE TABLE mine (n BIGINT)"); err != nil {
			t.Fatal(err)
		}
	}
}
