package authority

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/store"
)

// upTo returns the authority's schema as an earlier release had it: with the
// migrations of these files alone.
func upTo(t *testing.T, files ...string) store.Schema {
	t.Helper()
	schema, old := store.Authority(), fstest.MapFS{}
	for _, name := range files {
		text, err := fs.ReadFile(schema.Migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		old[name] = &fstest.MapFile{Data: text}
	}
	schema.Migrations = old
	return schema
}

// firstRelease makes a state as the release without M-Pin left it, with a code and
// two rows in the log.
func firstRelease(t *testing.T, path string, code [32]byte, now time.Time) {
	t.Helper()
	db, err := store.Create(t.Context(), store.Config{Path: path, Schema: upTo(t, "0001_state.sql")})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if _, err := exec(ctx, tx, `INSERT INTO codes (hash, name, purpose, expires, made) VALUES (?, ?, 'channel', ?, ?)`,
			code[:], "spiffe://example.org/web", micros(now.Add(time.Hour)), micros(now)); err != nil {
			return err
		}
		for n, basis := range []string{"code", "renewal"} {
			if _, err := exec(ctx, tx, `INSERT INTO issuances (sequence, time, request, basis, name, purpose, service, device, epoch_start,
				epoch_length, generation) VALUES (?, ?, ?, ?, 'spiffe://example.org/web', 'channel', ?, ?, 0, 60, ?)`,
				n+1, micros(now), append(make([]byte, 31), byte(n)), basis, []byte{}, make([]byte, 32), make([]byte, 40)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStateOfTheFirstReleaseKeepsItsRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), stateFile)
	now, code := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), [32]byte{7}
	firstRelease(t, path, code, now)
	db, err := store.Open(t.Context(), store.Config{Path: path, Schema: store.Authority()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := &state{db: db}
	if n, err := s.issued(t.Context(), now); n != 2 || err != nil {
		t.Errorf("%d rows in the log, %v", n, err)
	}
	web, err := identity.ParseName("spiffe://example.org/web")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.lookAt(t.Context(), code, identity.Key{Purpose: identity.Channel, Name: web}, now); err != nil {
		t.Error("a code of the first release:", err)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if err := consumeCode(ctx, tx, code, identity.Key{Purpose: identity.Channel, Name: web}, now); err != nil {
			return err
		}
		_, err := exec(ctx, tx, `INSERT INTO issuances (sequence, time, request, basis, name, purpose, service, device, epoch_start,
			epoch_length, generation) SELECT 3, time, ?, 'succession', name, 'mpin', device, device, 0, 0, generation FROM issuances WHERE sequence = 1`,
			append(make([]byte, 31), 9))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
