//go:build linux

package interop

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"milagro.dev/internal/store/postgrestest"
)

// newPostgres starts a server on a unix socket.
func newPostgres(t *testing.T) *program {
	server := postgrestest.NewServer(t, postgrestest.WithoutFsync())
	server.Exec(t, "ALTER SYSTEM SET log_connections = on")
	server.Exec(t, "SELECT pg_reload_conf()")
	at := must(url.Parse(server.Database(t)))(t)
	dir := at.Query().Get("host")
	return &program{title: "postgres", path: "postgres", target: "unix:" + filepath.Join(dir, ".s.PGSQL.5432"),
		quick: func(address string) error {
			_, err := run(nil, "psql", psql(at, address, "SELECT 1")...)
			return err
		},
		works: func(t *testing.T, address, _ string) { postgresWorks(t, at, address) },
		connections: func(t *testing.T) int {
			return strings.Count(string(must(os.ReadFile(filepath.Join(dir, "log")))(t)), "connection received")
		}}
}

// psql returns the arguments that have psql execute SQL on a database.
func psql(database *url.URL, address, statement string) []string {
	at := *database
	at.Host, at.RawQuery = address, "connect_timeout=5"
	return []string{"--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set", "ON_ERROR_STOP=1", at.String(), "--command", statement}
}

func postgresWorks(t *testing.T, at *url.URL, address string) {
	says(t, "", nil, "psql", psql(at, address, "CREATE TABLE mine (n BIGINT, text TEXT)")...)
	says(t, "", nil, "psql", psql(at, address, "INSERT INTO mine SELECT n, repeat('x', 1000) FROM generate_series(1, 5000) n")...)
	says(t, "5000|12502500", nil, "psql", psql(at, address, "SELECT count(*), sum(n) FROM mine")...)
	says(t, strings.TrimSpace(strings.Repeat(strings.Repeat("x", 1000)+"\n", 5000)), nil, "psql", psql(at, address, "COPY (SELECT text FROM mine) TO STDOUT")...)
	says(t, "2", strings.NewReader("1\tone\n2\ttwo\n"), "psql", append(psql(at, address, "COPY mine FROM STDIN"), "--command", "SELECT count(*) FROM mine WHERE length(text) = 3")...)
}
