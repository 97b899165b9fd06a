//go:build unix

package login_test

import (
	"testing"

	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/store/postgrestest"
)

// engines runs a test on SQLite and on PostgreSQL.
func engines(t *testing.T, run func(t *testing.T, engine func(*logintest.Config))) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, nil) })
	t.Run("postgres", func(t *testing.T) { run(t, onPostgres(postgrestest.Start(t))) })
}

func onPostgres(url string) func(*logintest.Config) {
	return func(c *logintest.Config) { c.Login.Database = url }
}

// TestParallelGuessesOnTwoReplicas: two servers, one database.
func TestParallelGuessesOnTwoReplicas(t *testing.T) {
	s := newStage(t, onPostgres(postgrestest.Start(t)))
	replica, err := s.Replica(t.Context())
	s.done(err)
	defer func() { s.done(replica.Close()) }()
	s.guess(s.Person(t, alice, right), s.Server, replica)
}
