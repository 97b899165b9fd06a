package authority_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
	"milagro.dev/keys"
)

// alone runs a test again in a process of its own and reports whether this is
// that process: what it does to the process, nobody else feels.
func alone(t *testing.T) bool {
	t.Helper()
	const marker = "MILAGRO_TEST_ALONE"
	if os.Getenv(marker) == t.Name() {
		return true
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), marker+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// fullDisk makes every write of this process beyond the first n bytes of a file
// fail, as on a full disk (EFBIG in the place of ENOSPC), until restored is
// called. Databases are longer than a page, so none of them can be written.
func fullDisk(t testing.TB, n uint64) (restored func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	nothingFits = 64      // no database, no sealed share
	onlyShares  = 4 << 10 // a sealed share, but no database
)

// TestAnswerIsCommittedBeforeItLeaves crashes the authority as soon as an answer
// is here: for a code, then for a renewal.
func TestAnswerIsCommittedBeforeItLeaves(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	a := newApplicant(t, d, web)
	code := d.Codes(t, a.name, identity.Channel)[1]
	for n, edit := range []func(*dta.Request){withCode(code), nil} {
		q := a.request(t, 1, edit)
		before, err := q.send(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		crash(t, d.Members[0])
		again, err := q.send(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, before, again)
		q.open(t, again)
		if got := issued(t, d.Members[0]); got != int64(n+1) {
			t.Errorf("%d rows in the log, want %d", got, n+1)
		}
	}
	refused(t, newApplicant(t, d, web).ask(t, 1, withCode(code)), problem.CodeUsed)
}

// TestNothingIsIssuedWhenTheLogCannotBeWritten fills the disk under running
// authorities. They refuse, and go on by themselves when there is room.
func TestNothingIsIssuedWhenTheLogCannotBeWritten(t *testing.T) {
	if !alone(t) {
		return
	}
	d := twoOfThree(t, at(noon()))
	a, b := newApplicant(t, d, web), newApplicant(t, d, web)
	a.enrol(t)
	renewal := a.request(t, 1, nil)
	enrolment := b.request(t, 1, withCode(d.Codes(t, b.name, identity.Channel)[1]))
	operator, before := d.Members[0].Operator(), issued(t, d.Members[0])
	restored := fullDisk(t, nothingFits)
	for range 2 {
		for _, q := range []*asked{renewal, enrolment} {
			_, err := q.send(t.Context())
			refused(t, err, problem.LogUnavailable)
		}
	}
	_, err := operator.Register(t.Context(), []identity.Name{a.name}, identity.Channel, time.Now().Add(24*time.Hour))
	refused(t, err, problem.Unavailable)
	_, err = operator.Revoke(t.Context(), a.name, nil)
	refused(t, err, problem.Unavailable)
	if after := issued(t, d.Members[0]); after != before {
		t.Errorf("%d shares issued", after-before)
	}
	restored()
	for _, q := range []*asked{renewal, enrolment} {
		sealed, err := q.send(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		q.open(t, sealed)
	}
	if after := issued(t, d.Members[0]); after != before+2 {
		t.Errorf("%d shares issued, want 2", after-before)
	}
}

// TestConfirmWaitsForTheDisk: no confirmation leaves whose share, or whose row,
// is not on the disk; the run stays, to be confirmed or aborted later.
func TestConfirmWaitsForTheDisk(t *testing.T) {
	if !alone(t) {
		return
	}
	s := stageOf(t, 2, 2)
	shares := filepath.Join(s.Members[0].Dir, "shares")
	for _, end := range []string{"abort", "confirm"} {
		id := s.reveal()
		s.done(os.Rename(shares, shares+".away")) // and the database can be written
		_, err := s.next(1, dkg.Confirm)
		refused(t, err, problem.Unavailable)
		s.done(os.Rename(shares+".away", shares))
		for n, room := range []uint64{nothingFits, onlyShares} {
			restored := fullDisk(t, room)
			_, err := s.next(1, dkg.Confirm)
			refused(t, err, problem.Unavailable)
			_, err = s.abort(1, id)
			refused(t, err, problem.Unavailable)
			restored()
			s.holds(1, n)
			s.is("running", 1)
		}
		if end == "abort" {
			s.said(s.abort(1, id))
			s.holds(1, 0)
			_, err := s.next(1, dkg.Confirm)
			refused(t, err, problem.CeremonyState)
			continue
		}
		s.assemble(s.confirm(1, 2))
		s.holds(1, 1)
	}
	s.activate()
}

// TestClockBehindTheLogIssuesNothing sets the clock ahead, has the log show it,
// and sets it back.
func TestClockBehindTheLogIssuesNothing(t *testing.T) {
	c := at(noon())
	d := twoOfThree(t, c)
	a := newApplicant(t, d, web)
	a.enrol(t)
	code := d.Codes(t, a.name, identity.Channel)[1]
	c.forward(26 * time.Hour)
	if err := a.ask(t, 1, nil); err != nil {
		t.Fatal(err)
	}
	before := issued(t, d.Members[0])
	c.forward(-26 * time.Hour)
	for range 2 {
		refused(t, a.ask(t, 1, nil), problem.Unavailable)
		refused(t, newApplicant(t, d, web).ask(t, 1, withCode(code)), problem.Unavailable)
		if status := statusOf(t, d.Members[0]); status.Ready || !strings.Contains(status.Why, "clock") || status.Issued != before {
			t.Errorf("status %+v", status)
		}
		crash(t, d.Members[0])
	}
	if err := a.ask(t, 2, nil); err != nil {
		t.Error("authority 2 has logged nothing later:", err)
	}
	c.forward(26*time.Hour - 280*time.Second)
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("280 s behind the log:", err)
	}
	if status := statusOf(t, d.Members[0]); !status.Ready || status.Issued != before+1 {
		t.Errorf("status %+v", status)
	}
}

func statusOf(t testing.TB, m *authoritytest.Member) authority.Status {
	t.Helper()
	status, err := m.Operator().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// TestShareThatDoesNotFitIsNotServed puts something else in the place of the
// sealed share (R37). The authority comes up, says why it issues nothing, and
// stamps nothing.
func TestShareThatDoesNotFitIsNotServed(t *testing.T) {
	r := realmOf(t, at(noon()))
	a := newApplicant(t, r.Domain, web)
	a.enrol(t)
	m, g := r.Members[0], r.Published.Document.Generation()
	path, own := shareFile(m, g), stolenShare(t, m, g)
	other := keys.Generation{Counter: g.Counter + 1, Hash: g.Hash}
	whole, err := custody.ReadSecretFile(path)
	r.done(err)
	stranger, err := custody.NewKeyFile(filepath.Join(t.TempDir(), "key"))
	r.done(err)
	mine, err := custody.FromKeyFile(m.KeyFile)
	r.done(err)
	seal := func(p custody.Protector, share keys.MasterShare, purpose string) []byte {
		sealed, err := p.Seal(share.Expose(), purpose)
		r.done(err)
		return sealed
	}
	for _, c := range []struct {
		why string
		put []byte
	}{
		{"not here", nil},
		{"does not fit", seal(mine, stolenShare(t, r.Members[1], g), sharePurpose(g))},
		{"sealed with another key", seal(stranger, own, sharePurpose(g))},
		{"is damaged", whole[:len(whole)-1]},
		{"is damaged", seal(mine, own, sharePurpose(other))},
		{"is damaged", seal(mine, withGeneration(t, own, other), sharePurpose(g))},
	} {
		swap(t, m, path, c.put)
		if status := statusOf(t, m); status.Ready || !strings.Contains(status.Why, c.why) {
			t.Errorf("it is not said that the share %s: %+v", c.why, status)
		}
		refused(t, a.ask(t, 1, nil), problem.Unavailable)
		_, err := r.stamp(1, r.today())
		refused(t, err, problem.Unavailable)
		r.serves(1, r.Published.Document)
	}
	swap(t, m, path, whole)
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("with its share again:", err)
	}
}

// swap stops an authority, puts a file in the place of another one, and starts.
func swap(t testing.TB, m *authoritytest.Member, path string, put []byte) {
	t.Helper()
	halt(t, m)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if put != nil {
		err = errors.Join(err, os.WriteFile(path, put, 0o600))
	}
	if err := errors.Join(err, m.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// withGeneration is a share under the name of another generation.
func withGeneration(t testing.TB, share keys.MasterShare, g keys.Generation) keys.MasterShare {
	t.Helper()
	own := share.Generation()
	renamed, err := keys.ParseMasterShare(bytes.Replace(share.Expose(), own.Bytes(), g.Bytes(), 1))
	if err != nil || renamed.Generation() != g {
		t.Fatal("no share of another generation:", err)
	}
	return renamed
}

// TestOpenRefusesWhatIsNotItsOwn breaks one file at a time of an authority at
// rest. Nothing is made anew in its place.
func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dta")
	protector, err := custody.NewKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Init(t.Context(), dir, protector, "operator", "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	stranger, err := custody.NewKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), b, 0o600) }
	}
	remove := func(name string) func(string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	for name, c := range map[string]struct {
		protector custody.Protector
		hurt      func(dir string) error
		want      error
	}{
		"whole":                 {protector, func(string) error { return nil }, nil},
		"another key file":      {stranger, func(string) error { return nil }, custody.ErrWrongKey},
		"no keys":               {protector, remove("keys.sealed"), fs.ErrNotExist},
		"keys damaged":          {protector, write("keys.sealed", []byte("keys")), custody.ErrDamaged},
		"keys of something":     {protector, resealed(protector, []byte("keys"), "authority keys"), custody.ErrDamaged},
		"keys of another place": {protector, resealed(protector, []byte("keys"), "elsewhere"), custody.ErrPurpose},
		"no state":              {protector, remove("state.db"), fs.ErrNotExist},
		"state empty":           {protector, write("state.db", nil), store.ErrDamaged},
		"state of something":    {protector, write("state.db", bytes.Repeat([]byte("state"), 1000)), store.ErrDamaged},
		"state cut":             {protector, func(dir string) error { return os.Truncate(filepath.Join(dir, "state.db"), 8<<10) }, store.ErrDamaged},
		"state overwritten":     {protector, scribble, store.ErrDamaged},
		"a document overwritten": {protector, inState("INSERT INTO documents (hash, revision, document, signature, received) VALUES (?, 1, ?, ?, 0)",
			make([]byte, 32), []byte("document"), make([]byte, 48)), dta.ErrDocument},
		"open to others": {protector, func(dir string) error { return os.Chmod(dir, 0o750) }, custody.ErrPermissions},
	} {
		t.Run(name, func(t *testing.T) {
			hurt := filepath.Join(t.TempDir(), "dta")
			copyFiles(t, dir, hurt)
			if err := c.hurt(hurt); err != nil {
				t.Fatal(err)
			}
			a, err := authority.Open(t.Context(), authority.Config{Dir: hurt, Protector: c.protector})
			if err == nil {
				err = a.Close()
			}
			if !errors.Is(err, c.want) || err != nil && !strings.HasPrefix(err.Error(), "open authority: ") {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// resealed puts a secret in the place of the keys.
func resealed(p custody.Protector, secret []byte, purpose string) func(string) error {
	return func(dir string) error {
		sealed, err := p.Seal(secret, purpose)
		return errors.Join(err, os.WriteFile(filepath.Join(dir, "keys.sealed"), sealed, 0o600))
	}
}

// scribble writes over the middle of a database, whose header stays.
func scribble(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "state.db"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 32<<10), 4<<10)
	return errors.Join(err, f.Close())
}

// inState changes the state of an authority at rest.
func inState(statement string, args ...any) func(string) error {
	return func(dir string) error {
		ctx := context.Background()
		db, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "state.db"), Schema: store.Authority()})
		if err != nil {
			return err
		}
		return errors.Join(db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, statement, args...)
			return err
		}), db.Close())
	}
}
