package authority_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
)

// revokedAt returns the list of authority index, verified.
func revokedAt(t testing.TB, d *authoritytest.Domain, index uint32) *dta.Revocations {
	t.Helper()
	signed, err := new(dta.Client).Revocations(t.Context(), d.Members[index-1].URL())
	if err != nil {
		t.Fatal(err)
	}
	list, err := dta.ParseRevocations(d.Published.Document, index, signed)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (a *applicant) revocation(t testing.TB) dta.Revocation {
	return dta.Revocation{Name: a.name, Device: deviceOf(t, a.device)}
}

func TestRevokedDeviceIsListed(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	a, b := newApplicant(t, d, web), newApplicant(t, d, web)
	a.enrol(t)
	b.enrol(t)
	first := revokedAt(t, d, 1)
	if len(first.Entries) != 0 || first.Sequence == 0 || first.Time != d.Now() {
		t.Fatalf("before anything is revoked: %+v", first)
	}
	device := deviceOf(t, a.device)
	if _, err := d.Members[0].Operator().Revoke(t.Context(), a.name, &device); err != nil {
		t.Fatal(err)
	}
	c.forward(time.Second)
	one := revokedAt(t, d, 1)
	if !slices.Equal(one.Entries, []dta.Revocation{a.revocation(t)}) || one.Sequence <= first.Sequence {
		t.Errorf("%+v after %+v", one, first)
	}
	if other := revokedAt(t, d, 2); len(other.Entries) != 0 {
		t.Errorf("another authority lists %v", other.Entries)
	}
	if _, err := d.Members[0].Operator().Revoke(t.Context(), a.name, nil); err != nil {
		t.Fatal(err)
	}
	c.forward(time.Second)
	if both := revokedAt(t, d, 1); len(both.Entries) != 2 || both.Sequence <= one.Sequence {
		t.Errorf("all devices of the name: %+v", both)
	}
	fresh := newApplicant(t, d, web)
	fresh.enrol(t)
	c.forward(time.Second)
	if slices.Contains(revokedAt(t, d, 1).Entries, fresh.revocation(t)) {
		t.Error("a device that enrolled later is listed")
	}
}

// TestRevokedDeviceIsListedWhereItNeverEnrolled: the authority was away when the
// others enrolled it, and may be one of the n−t+1 that must name it.
func TestRevokedDeviceIsListedWhereItNeverEnrolled(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	a := newApplicant(t, d, web)
	code := d.Codes(t, a.name, identity.Channel)[1]
	device := deviceOf(t, a.device)
	if r, err := d.Members[0].Operator().Revoke(t.Context(), a.name, &device); err != nil || r.Enrolments != 0 {
		t.Fatal(r, err)
	}
	if list := revokedAt(t, d, 1); !slices.Equal(list.Entries, []dta.Revocation{a.revocation(t)}) {
		t.Errorf("%+v", list)
	}
	refused(t, a.ask(t, 1, withCode(code)), problem.Revoked)
	if err := newApplicant(t, d, web).ask(t, 1, withCode(code)); err != nil {
		t.Error("another device:", err)
	}
	elsewhere := mustName(t, "spiffe://example.com/web")
	if _, err := d.Members[0].Operator().Revoke(t.Context(), elsewhere, &device); err != nil {
		t.Fatal(err)
	}
	c.forward(time.Second)
	if list := revokedAt(t, d, 1); len(list.Entries) != 1 {
		t.Errorf("a name of another domain is listed: %+v", list.Entries)
	}
}

func TestListOfRevocationsTellsItsAge(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	last := revokedAt(t, d, 1)
	for range 20 { // who asks often gets the same
		if again := revokedAt(t, d, 1); again.Sequence != last.Sequence {
			t.Fatalf("%d after %d", again.Sequence, last.Sequence)
		}
	}
	for range 3 {
		c.forward(time.Minute)
		next := revokedAt(t, d, 1)
		if next.Sequence <= last.Sequence || next.Time+1 < d.Now() {
			t.Errorf("at %d: %+v after %+v", d.Now(), next, last)
		}
		last = next
	}
}

// TestSequenceOfRevocationsNeverFalls restarts the authority, with its clock set
// back and with a state that is older.
func TestSequenceOfRevocationsNeverFalls(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	m := d.Members[0]
	a := newApplicant(t, d, web)
	a.enrol(t)
	before := revokedAt(t, d, 1)
	if _, err := m.Operator().Revoke(t.Context(), a.name, nil); err != nil {
		t.Fatal(err)
	}
	c.forward(-time.Hour)
	if err := m.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := revokedAt(t, d, 1)
	if after.Sequence <= before.Sequence || len(after.Entries) != 1 {
		t.Errorf("%+v after %+v", after, before)
	}
	c.forward(2 * time.Hour)
	if last := revokedAt(t, d, 1); last.Sequence < uint64(c.Now().Add(-time.Second).UnixMicro()) {
		t.Errorf("sequence %d is behind the clock: a state that is restored would have to catch up", last.Sequence)
	}
}

// TestListOfRevocationsIsBounded: of 100,000 devices the newest are named.
func TestListOfRevocationsIsBounded(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	m := d.Members[0]
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	const many = 100_000
	insertRevocations(t, m, many, c.Now())
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := revokedAt(t, d, 1)
	if len(list.Entries) != dta.MaxRevocations {
		t.Fatalf("%d entries", len(list.Entries))
	}
	newest := mustName(t, fmt.Sprintf("spiffe://example.org/%06d", many-1))
	if list.Entries[len(list.Entries)-1].Name != newest {
		t.Errorf("the last is %v", list.Entries[len(list.Entries)-1].Name)
	}
	c.forward(31 * 24 * time.Hour)
	if old := revokedAt(t, d, 1); len(old.Entries) != 0 {
		t.Errorf("%d devices are named that were revoked a month ago", len(old.Entries))
	}
}

func TestListOfRevocationsNeedsADomain(t *testing.T) {
	d, err := authoritytest.Prepare(t.Context(), authoritytest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = new(dta.Client).Revocations(t.Context(), d.Members[0].URL())
	refused(t, err, problem.NotActive)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// insertRevocations gives a member that is down so many revoked devices, one
// revoked each microsecond up to now.
func insertRevocations(t testing.TB, m *authoritytest.Member, many int, now time.Time) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(m.Dir, "state.db"), Schema: store.Authority()})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
			INSERT INTO revocations (name, device, revoked) SELECT printf('spiffe://example.org/%06d', i), randomblob(32), ? + i FROM n`,
			many, now.UnixMicro()-int64(many))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
