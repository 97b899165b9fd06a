//go:build unix

package postgrestest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMain also plays a test process that is killed while its server runs.
func TestMain(m *testing.M) {
	if os.Getenv("POSTGRESTEST_ROLE") != "victim" {
		os.Exit(m.Run())
	}
	s, err := shared()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.dir)
	time.Sleep(time.Hour) // until it is killed
}

func connected(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestStartGivesANewEmptyDatabase(t *testing.T) {
	for range 2 {
		if _, err := connected(t, Start(t)).Exec("CREATE TABLE mine (n BIGINT)"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDatabaseEndsWithItsTest(t *testing.T) {
	var url string
	t.Run("test", func(t *testing.T) { url = Start(t) })
	if err := connected(t, url).Ping(); err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("error %v, want that there is no such database", err)
	}
}

func TestServerKeepsWhatIsCommitted(t *testing.T) {
	s := NewServer(t)
	db := connected(t, s.Database(t))
	if _, err := db.Exec("CREATE TABLE mine (n BIGINT)"); err != nil {
		t.Fatal(err)
	}
	for n, end := range []func(){s.Stop, s.Kill} {
		if _, err := db.Exec("INSERT INTO mine (n) VALUES ($1)", n); err != nil {
			t.Fatal(err)
		}
		end()
		if err := db.Ping(); err == nil {
			t.Error("a server that has ended answers")
		}
		s.Restart(t)
		var rows int
		if err := db.QueryRow("SELECT count(*) FROM mine").Scan(&rows); err != nil || rows != n+1 {
			t.Errorf("%d rows after a restart, %v; want %d", rows, err, n+1)
		}
	}
}

func TestFrozenServerAnswersWhenItIsThawed(t *testing.T) {
	s := NewServer(t, WithoutFsync())
	db := connected(t, s.Database(t))
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	thaw := s.Freeze(t)
	answer := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(context.Background(), "SELECT 1")
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Fatalf("a frozen server answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	thaw()
	if err := <-answer; err != nil {
		t.Error(err)
	}
}

// TestServerEndsWithItsProcess kills a test process and waits for the guard.
func TestServerEndsWithItsProcess(t *testing.T) {
	Start(t) // fails, or skips, where there is no server
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "POSTGRESTEST_ROLE=victim")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	if _, err := fmt.Fscanln(out, &dir); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(pollPause) {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", dir)
		}
	}
}
