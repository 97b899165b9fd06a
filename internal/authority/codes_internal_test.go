package authority

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
)

// emptyState returns a new authority's state.
func emptyState(t *testing.T) *state {
	t.Helper()
	db, err := store.Create(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), stateFile), Schema: store.Authority()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &state{db: db}
}

// TestConsumingACodeTrustsNoEarlierLook consumes codes that a look a moment
// before would have let pass: between the two anything may have happened.
func TestConsumingACodeTrustsNoEarlierLook(t *testing.T) {
	s, now := emptyState(t), time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	web, err := identity.ParseName("spiffe://example.org/web")
	if err != nil {
		t.Fatal(err)
	}
	api, err := identity.ParseName("spiffe://example.org/api")
	if err != nil {
		t.Fatal(err)
	}
	hash, key := [32]byte{1}, identity.Key{Purpose: identity.Channel, Name: web}
	expires := now.Add(time.Hour)
	if err := s.addCodes(t.Context(), []pending{{hash: hash, name: web, purpose: identity.Channel, expires: expires}}, now); err != nil {
		t.Fatal(err)
	}
	consume := func(hash [32]byte, key identity.Key, now time.Time) error {
		return s.db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { return consumeCode(ctx, tx, hash, key, now) })
	}
	for _, c := range []struct {
		what string
		hash [32]byte
		key  identity.Key
		now  time.Time
		want error
	}{
		{"unknown", [32]byte{2}, key, now, problem.CodeUnknown},
		{"another name", hash, identity.Key{Purpose: identity.Channel, Name: api}, now, problem.NameRefused},
		{"another purpose", hash, identity.Key{Purpose: identity.Decrypt, Name: web}, now, problem.PurposeRefused},
		{"expired", hash, key, expires, problem.CodeExpired},
		{"the last moment", hash, key, expires.Add(-time.Microsecond), nil},
		{"again", hash, key, now, problem.CodeUsed},
		{"again, expired", hash, key, expires, problem.CodeUsed},
	} {
		if err := consume(c.hash, c.key, c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
}

// TestCodesAreStoredAllOrNone has the last of some codes collide with one that
// is there, as a full disk might stop it.
func TestCodesAreStoredAllOrNone(t *testing.T) {
	s, now := emptyState(t), time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	web, err := identity.ParseName("spiffe://example.org/web")
	if err != nil {
		t.Fatal(err)
	}
	code := func(n byte) pending {
		return pending{hash: [32]byte{n}, name: web, purpose: identity.Channel, expires: now.Add(time.Hour)}
	}
	if err := s.addCodes(t.Context(), []pending{code(1)}, now); err != nil {
		t.Fatal(err)
	}
	if err := s.addCodes(t.Context(), []pending{code(2), code(3), code(1)}, now); err == nil {
		t.Error("one code is stored twice")
	}
	if l, err := s.list(t.Context(), "", (&served{}).called); err != nil || len(l.Codes) != 1 {
		t.Errorf("%d codes wait: %v", len(l.Codes), err)
	}
}
