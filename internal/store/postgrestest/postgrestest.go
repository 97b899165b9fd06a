//go:build unix

// Package postgrestest gives tests a real PostgreSQL server, started by the
// test process itself: of the binaries in /usr/lib/postgresql or on PATH
// (make tools), with its files in a temporary directory, reached over a unix
// socket there, so that no port is taken from anybody.
//
// Start is for tests that want a database. NewServer is for tests that stop,
// kill or freeze the server.
package postgrestest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
)

// skipVariable is set to 1 by who knowingly tests without PostgreSQL.
const skipVariable = "MILAGRO_SKIP_POSTGRES"

// shared is the server of Start: one a test binary, started by the first call.
// It ends with the process, however that ends.
var shared = sync.OnceValues(func() (*Server, error) { return launch() })

// Start returns the URL of a new empty database, which is dropped when the test
// ends. All databases of a test binary are on one server. Where PostgreSQL is
// not installed the test fails; it is skipped when MILAGRO_SKIP_POSTGRES=1.
func Start(t testing.TB) string {
	t.Helper()
	server, err := shared()
	require(t, err)
	return server.Database(t)
}

// require ends a test that cannot have its server.
func require(t testing.TB, err error) {
	t.Helper()
	if err != nil && os.Getenv(skipVariable) == "1" {
		t.Skipf("NOT RUN, %s=1 and no PostgreSQL server: %v", skipVariable, err)
	}
	if err != nil {
		t.Fatalf("no PostgreSQL server to test with: %v\nhint: make tools installs it; %s=1 skips what needs it", err, skipVariable)
	}
}

// Database returns the URL of a new empty database on s, which is dropped when
// the test ends. The URL holds a password.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text())
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A server that the test left stopped takes the database with it.
		if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil && s.running() {
			t.Error(err)
		}
	})
	return s.url(name)
}

// Exec runs a statement as the superuser, in no transaction and in the
// database "postgres": ALTER SYSTEM and the like.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	if err := s.exec(statement); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) exec(statement string) error {
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func (s *Server) url(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {s.dir}}.Encode(),
	}
	return u.String()
}
