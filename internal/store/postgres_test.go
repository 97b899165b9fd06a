package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"

	"milagro.dev/internal/store/postgrestest"
)

func onPostgres(t *testing.T) Config {
	t.Helper()
	return Config{URL: postgrestest.Start(t), Schema: sample()}
}

// with returns raw with a parameter more.
func with(t *testing.T, raw, name, value string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	params := u.Query()
	params.Set(name, value)
	u.RawQuery = params.Encode()
	return u.String()
}

func TestConfigNamesOnePlace(t *testing.T) {
	both := Config{Path: at(t).Path, URL: "postgres://localhost/x", Schema: sample()}
	for _, cfg := range []Config{{Schema: sample()}, both} {
		if db, err := Open(t.Context(), cfg); err == nil {
			db.Close()
			t.Error("opened")
		}
	}
	if _, err := Create(t.Context(), both); err == nil {
		t.Error("created")
	}
}

func TestReplicasMayOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	cfg := onPostgres(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := Open(t.Context(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if err := db.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := value(t, opened(t, cfg), "SELECT count(*) FROM counters"); got != 1 {
		t.Errorf("the first migration ran %d times", got)
	}
}

func TestOpenRefusesTheDatabaseOfOthers(t *testing.T) {
	cfg := onPostgres(t)
	opened(t, cfg)
	cfg.Schema.Name = "login"
	refuseForeign(t, cfg)

	strange := onPostgres(t)
	db, err := sql.Open("pgx", strange.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE theirs (n BIGINT)"); err != nil {
		t.Fatal(err)
	}
	refuseForeign(t, strange)
	var tables int
	if err := db.QueryRow("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables != 1 {
		t.Errorf("%d tables in the refused database, %v", tables, err)
	}
}

func refuseForeign(t *testing.T, cfg Config) {
	t.Helper()
	_, err := Open(t.Context(), cfg)
	var hint interface{ Hint() string }
	if !errors.Is(err, ErrDamaged) || !errors.As(err, &hint) || hint.Hint() == "" {
		t.Errorf("error %v, want ErrDamaged with a hint", err)
	}
}

func TestEverySessionIsDurableAndBounded(t *testing.T) {
	cfg := onPostgres(t)
	cfg.URL = with(t, cfg.URL, "synchronous_commit", "off")
	db := opened(t, cfg)
	settings := map[string]string{"synchronous_commit": "on", "statement_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
	for name, want := range settings {
		var got string
		if err := db.writer.QueryRow("SHOW " + name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, want %q (%v)", name, got, want, err)
		}
	}
	isolation := func(run func(context.Context, func(context.Context, *sql.Tx) error) error) (got string) {
		t.Helper()
		err := run(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
			const show = "SELECT current_setting('transaction_isolation') || ', read-only ' || current_setting('transaction_read_only')"
			return tx.QueryRowContext(ctx, show).Scan(&got)
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := isolation(db.Write); got != "read committed, read-only off" {
		t.Errorf("writes: %s", got)
	}
	if got := isolation(db.Read); got != "repeatable read, read-only on" {
		t.Errorf("reads: %s", got)
	}
}

// TestPasswordIsInNoError shows it for each way to fail, however the error is printed.
func TestPasswordIsInNoError(t *testing.T) {
	const secret = "hunter2"
	good, err := url.Parse(postgrestest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	host := good.Query().Get("host")
	for name, text := range map[string]string{
		"wrong password":    "postgres://postgres:" + secret + "@" + good.Path + "?host=" + url.QueryEscape(host),
		"no such user":      "postgres://nobody:" + secret + "@" + good.Path + "?host=" + url.QueryEscape(host),
		"no server":         "postgres://postgres:" + secret + "@127.0.0.1:1/x",
		"no host":           "postgres://postgres:" + secret + "@no-such-host.invalid/x",
		"stray slash":       "postgres://postgres:" + secret + "/" + secret + "@localhost/x",
		"stray percent":     "postgres://postgres:" + secret + "%zz@localhost/x",
		"as a port":         "postgres://postgres@localhost:" + secret + "/x",
		"bad parameter":     "postgres://postgres:" + secret + "@localhost/x?sslmode=" + secret,
		"not a URL":         "user=postgres password=" + secret,
		"other scheme":      "mysql://postgres:" + secret + "@localhost/x",
		"unknown parameter": "postgres://postgres:" + good.User.String()[len("postgres:"):] + "@" + good.Path + "?password2=" + secret + "&host=" + url.QueryEscape(host),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), Config{URL: text, Schema: sample()})
			if err == nil {
				t.Fatal("opened")
			}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Error("open", "err", err)
			for e := err; e != nil; e = errors.Unwrap(e) {
				fmt.Fprintf(&log, "%v %+v %#v", e, e, e)
			}
			if strings.Contains(log.String(), secret) {
				t.Errorf("shown: %s", log.String())
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
}

func TestDeadlockRunsAgain(t *testing.T) {
	db := opened(t, onPostgres(t))
	if err := db.Write(t.Context(), query("INSERT INTO counters (name, value) VALUES ('other', 0)")); err != nil {
		t.Fatal(err)
	}
	const add = "UPDATE counters SET value = value + 1 WHERE name = $1"
	var both sync.WaitGroup
	both.Add(2)
	runs := make(chan int, 10)
	cross := func(first, second string) func(context.Context, *sql.Tx) error {
		meet := sync.OnceFunc(func() { both.Done(); both.Wait() }) // each has its first row
		return func(ctx context.Context, tx *sql.Tx) error {
			runs <- 1
			if err := query(add, first)(ctx, tx); err != nil {
				return err
			}
			meet()
			return query(add, second)(ctx, tx)
		}
	}
	var wg sync.WaitGroup
	for _, fn := range []func(context.Context, *sql.Tx) error{cross("tries", "other"), cross("other", "tries")} {
		wg.Go(func() {
			if err := db.Write(t.Context(), fn); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(runs) != 3 {
		t.Errorf("%d runs, want 3", len(runs))
	}
	if got := value(t, db, "SELECT min(value) + max(value) FROM counters"); got != 4 {
		t.Errorf("values make %d, want 4", got)
	}
}

func TestSwallowedErrorKeepsNothing(t *testing.T) {
	db := opened(t, onPostgres(t))
	err := db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if err := bump(ctx, tx); err != nil {
			return err
		}
		query("SELECT no_such_function()")(ctx, tx)
		return nil
	})
	if err == nil {
		t.Error("acknowledged")
	}
	if got := value(t, db, "SELECT value FROM counters"); got != 0 {
		t.Errorf("value %d, want 0", got)
	}
}

func TestBackupOfPostgresIsUnsupported(t *testing.T) {
	if err := opened(t, onPostgres(t)).Backup(t.Context(), at(t).Path); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v, want errors.ErrUnsupported", err)
	}
}
