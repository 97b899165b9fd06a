package login

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
	"milagro.dev/mpin"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

// vectorServed is what a server goes by under the document of the vectors.
func vectorServed(t *testing.T, p *spec.Page) *served {
	t.Helper()
	for _, c := range p.Accept {
		if c["what"] != "document" {
			continue
		}
		d, err := dta.ParseDocument(spectest.Bytes(t, c["document"]))
		if err != nil {
			t.Fatal(err)
		}
		service, ok := d.Service("login")
		return &served{document: d, service: service, id: d.ServiceID(service), listed: ok}
	}
	t.Fatal("no document among the vectors")
	return nil
}

// newRegistrar has no row yet, and a clock that stands.
func newRegistrar(t *testing.T, s *served) *registrar {
	t.Helper()
	db, err := store.Create(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), stateFile), Schema: store.Login()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &registrar{realm: new(realm), state: &state{db: db}, log: slog.New(slog.DiscardHandler)}
	r.realm.now.Store(s)
	return r
}

func (r *registrar) shown(t *testing.T, c spec.Case) error {
	t.Helper()
	r.clock = func() time.Time { return time.Unix(int64(spectest.Number(t, c["now"])), 0) }
	return r.enrol(t.Context(), mpin.RowRequest{Device: spectest.Bytes(t, c["spki"]), Time: spectest.Number(t, c["time"]), Statements: spectest.List(t, c["statements"]),
		Signature: spectest.Bytes(t, c["signature"])})
}

// rows returns how many devices have a row.
func (r *registrar) rows(t *testing.T) (n int) {
	t.Helper()
	if err := r.state.read(t.Context(), func(ctx context.Context, tx transaction) error {
		_, err := tx.one(ctx, []any{&n}, "SELECT COUNT(*) FROM devices")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRowVectors shows the vectors of rows to a server that lists their service.
func TestRowVectors(t *testing.T) {
	p := spectest.Load(t, "mpin")
	s := vectorServed(t, p)
	for _, c := range p.Accept {
		if c["what"] != "row" {
			continue
		}
		r := newRegistrar(t, s)
		if err := r.shown(t, c); err != nil {
			t.Errorf("%d statements at %s: %v", len(spectest.List(t, c["statements"])), c["now"], err)
			continue
		}
		device, err := identity.ParseDevice(spectest.Bytes(t, c["spki"]))
		if err != nil {
			t.Fatal(err)
		}
		made, err := r.state.place(t.Context(), subject{s.id, c["name"], device.Hash()})
		if err != nil || !made.row.known || uint64(made.row.kind) != spectest.Number(t, c["channelKind"]) || r.rows(t) != 1 {
			t.Errorf("row %+v, error %v, %d rows", made.row, err, r.rows(t))
		}
	}
	r := newRegistrar(t, s)
	kinds := map[string]problem.Kind{"malformed": problem.Malformed, "time": problem.StaleTime, "signature": problem.Possession, "statements": problem.RowRefused}
	for _, c := range p.Refuse {
		if c["what"] != "row" {
			continue
		}
		if err := r.shown(t, c); !errors.Is(err, kinds[c["check"]]) {
			t.Errorf("%s: %v, want %q", c["reason"], err, string(kinds[c["check"]]))
		}
	}
	if n := r.rows(t); n != 0 {
		t.Errorf("%d rows of what was refused", n)
	}
}
