//go:build unix

package login_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	t.Parallel()
	s := newStage(t, onPostgres(postgrestest.Start(t)))
	replica, err := s.Replica(t.Context())
	s.done(err)
	defer func() { s.done(replica.Close()) }()
	s.guess(s.Person(t, alice, right), s.Server, replica)
}

// TestReplicasAreOneServer: a login begun at one ends at the other; a lock, an
// unlocking and a revocation at one hold at the other, and its journal learns of it.
func TestReplicasAreOneServer(t *testing.T) {
	t.Parallel()
	o := openPostOffice(t, 0)
	s := newStage(t, func(c *logintest.Config) {
		c.Login.Database, c.Login.Mail = postgrestest.Start(t), o.config()
	})
	replica, err := s.Replica(t.Context())
	s.done(err)
	defer func() { s.done(replica.Close()) }()
	p := s.Person(t, alice, right)
	s.permitted(p)
	a := begun(t, p, right)
	q := proved(t, a)
	if _, err := p.Client.FinishLogin(t.Context(), replica.URL(), q); err != nil {
		t.Error("begun here, finished there:", err)
	}
	for range 3 {
		s.fails(p, wrong)
	}
	for range 2 {
		s.fails(p.At(replica.URL()), wrong)
	}
	s.fails(p, right)
	s.clock.forward(time.Minute)
	s.mailed(o, 1)
	if u, err := replica.Operator().Unlock(t.Context(), p.Name, nil); err != nil || u.Devices != 1 {
		t.Errorf("%+v, %v", u, err)
	}
	s.logsIn(p)
	if r, err := replica.Operator().Revoke(t.Context(), p.Name, nil); err != nil || r.Devices != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	s.fails(p, right)
	s.known(p, 1, 2, 3)
	if n := len(o.taken()); n != 1 {
		t.Errorf("%d letters of one lock", n)
	}
	s.done(s.Login.Reconcile(t.Context()))
	text, err := os.ReadFile(filepath.Join(s.Dir, "revoked"))
	if err != nil || !strings.Contains(string(text), p.Device.Hash().String()) {
		t.Errorf("the journal of the other server: %s, %v", text, err)
	}
}
