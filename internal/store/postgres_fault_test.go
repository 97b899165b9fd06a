package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"milagro.dev/internal/store/postgrestest"
)

func TestStoppedServerIsUnavailableAndRecovers(t *testing.T) {
	server := postgrestest.NewServer(t)
	cfg := Config{URL: server.Database(t), Schema: sample()}
	db := opened(t, cfg)
	for name, end := range map[string]func(){"stopped": server.Stop, "killed": server.Kill} {
		if err := db.Write(t.Context(), bump); err != nil {
			t.Fatal(err)
		}
		end()
		if err := db.Write(t.Context(), bump); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: write: %v, want ErrUnavailable", name, err)
		}
		if err := db.Read(t.Context(), query("SELECT 1")); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: read: %v, want ErrUnavailable", name, err)
		}
		if err := db.Check(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: check: %v, want ErrUnavailable", name, err)
		}
		if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: open: %v, want ErrUnavailable", name, err)
		}
		server.Restart(t)
		if err := db.Check(t.Context()); err != nil {
			t.Errorf("%s, and back again: %v", name, err)
		}
	}
	if got := value(t, db, "SELECT value FROM counters"); got != 2 {
		t.Errorf("value %d, want 2: what was acknowledged", got)
	}
}

func TestServerThatComesBackInTimeIsNotNoticed(t *testing.T) {
	server := postgrestest.NewServer(t)
	db := opened(t, Config{URL: server.Database(t), Schema: sample()})
	var wg sync.WaitGroup
	for range 2 * connections { // so that every connection of the pool is a dead one
		wg.Go(func() {
			if err := db.Write(t.Context(), bump); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	server.Restart(t)
	for range connections {
		if err := db.Write(t.Context(), bump); err != nil {
			t.Fatal(err)
		}
	}
	if got := value(t, db, "SELECT value FROM counters"); got != 3*connections {
		t.Errorf("value %d, want %d", got, 3*connections)
	}
}

func TestFrozenServerIsUnavailable(t *testing.T) {
	server := postgrestest.NewServer(t)
	db := opened(t, Config{URL: server.Database(t), Schema: sample()})
	db.patience = 500 * time.Millisecond
	for range 3 {
		if err := db.Write(t.Context(), bump); err != nil {
			t.Fatal(err)
		}
	}
	thaw := server.Freeze(t)
	start := time.Now()
	if err := db.Write(t.Context(), bump); !errors.Is(err, ErrUnavailable) {
		t.Errorf("write: %v, want ErrUnavailable", err)
	}
	if err := db.Read(t.Context(), query("SELECT 1")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("read: %v, want ErrUnavailable", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	thaw()
	db.patience = patience
	if err := db.Write(t.Context(), bump); err != nil {
		t.Errorf("thawed: %v", err)
	}
}

func TestReadOnlyServerIsUnavailableAndRecovers(t *testing.T) {
	server := postgrestest.NewServer(t)
	cfg := Config{URL: server.Database(t), Schema: sample()}
	db := opened(t, cfg)
	set := func(value string) {
		t.Helper()
		server.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = "+value)
		server.Restart(t)
	}
	set("on")
	if err := db.Write(t.Context(), bump); !errors.Is(err, ErrUnavailable) {
		t.Errorf("write: %v, want ErrUnavailable", err)
	}
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrUnavailable) {
		t.Errorf("open: %v, want ErrUnavailable", err)
	}
	set("off")
	if err := db.Write(t.Context(), bump); err != nil {
		t.Errorf("writable again: %v", err)
	}
	// Under a connection that is open, as in a failover.
	db.writer.SetMaxOpenConns(1)
	if _, err := db.writer.Exec("SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), bump); !errors.Is(err, ErrUnavailable) {
		t.Errorf("write: %v, want ErrUnavailable", err)
	}
	if err := db.Check(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("check: %v, want ErrUnavailable", err)
	}
}

func TestFullTablespaceIsUnavailableAndRecovers(t *testing.T) {
	server := postgrestest.NewServer(t)
	makeRoom := server.SmallTablespace(t, "small")
	cfg := Config{URL: with(t, server.Database(t), "default_tablespace", "small"), Schema: sample()}
	db := opened(t, cfg)
	written := 0
	var err error
	for err == nil && written < 10000 {
		if err = db.Write(t.Context(), insertNoise(written)); err == nil {
			written++
		}
	}
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "53100") {
		t.Fatalf("after %d rows: %v, want ErrUnavailable, SQLSTATE 53100", written, err)
	}
	if rows := value(t, db, "SELECT count(*) FROM rows"); rows != written {
		t.Fatalf("%d rows, %d acknowledged", rows, written)
	}
	makeRoom()
	if err := db.Write(t.Context(), insertNoise(written)); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

// insertNoise is insert with bytes that PostgreSQL cannot compress.
func insertNoise(n int) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		const noise = "INSERT INTO rows (id, filler) SELECT $1, decode(string_agg(md5(random()::text), ''), 'hex') FROM generate_series(1, 400)"
		_, err := tx.ExecContext(ctx, noise, n)
		return err
	}
}

func TestCommitThatIsLostIsAnErrorAndNotRunAgain(t *testing.T) {
	db := opened(t, onPostgres(t))
	runs := 0
	err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if err := bump(ctx, tx); err != nil {
			return err
		}
		runs++
		var session int
		if err := tx.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&session); err != nil {
			return err
		}
		// The commit meets a session that an administrator has ended.
		return db.Read(ctx, query("SELECT pg_terminate_backend($1, 10000)", session))
	})
	if !errors.Is(err, ErrUnavailable) || runs != 1 {
		t.Errorf("%v after %d runs, want ErrUnavailable after one", err, runs)
	}
}

func TestBrokenConnectionOfThePoolIsNotNoticed(t *testing.T) {
	db := opened(t, onPostgres(t))
	db.writer.SetMaxOpenConns(1)
	if err := db.Check(t.Context()); err != nil { // used just now, it is not tried before its next use
		t.Fatal(err)
	}
	conn, err := db.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Raw(func(driver any) error { return driver.(*stdlib.Conn).Conn().PgConn().Conn().Close() })
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), bump); err != nil {
		t.Error(err)
	}
}

func TestConnectionThatIsLostBeforeTheCommitRunsAgain(t *testing.T) {
	db := opened(t, onPostgres(t))
	runs := 0
	err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if err := bump(ctx, tx); err != nil {
			return err
		}
		if runs++; runs == 1 {
			return query("SELECT pg_terminate_backend(pg_backend_pid())")(ctx, tx)
		}
		return nil
	})
	if err != nil || runs != 2 {
		t.Errorf("%v after %d runs, want success in the second", err, runs)
	}
	if got := value(t, db, "SELECT value FROM counters"); got != 1 {
		t.Errorf("value %d, want 1", got)
	}
}

func TestServerWithoutConnectionsIsUnavailable(t *testing.T) {
	server := postgrestest.NewServer(t)
	cfg := Config{URL: server.Database(t), Schema: sample()}
	opened(t, cfg).Close()
	server.Exec(t, "CREATE ROLE ordinary LOGIN PASSWORD 'secret' CONNECTION LIMIT 0")
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("ordinary", "secret")
	cfg.URL = u.String()
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "53300") {
		t.Errorf("error %v, want ErrUnavailable, SQLSTATE 53300", err)
	}
}
