//go:build unix

package login_test

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"milagro.dev/internal/custody"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store/postgrestest"
	"milagro.dev/mpin"
)

// Of the process that dies: the server that it opens, and how far its clock is
// ahead.
const (
	victimDir      = "MILAGRO_TEST_VICTIM_DIR"
	victimKey      = "MILAGRO_TEST_VICTIM_KEY"
	victimDatabase = "MILAGRO_TEST_VICTIM_DATABASE"
	victimAhead    = "MILAGRO_TEST_VICTIM_AHEAD"
)

// TestVictim is no test but the process that is killed: it serves a login server
// and dies, as by kill -9, between the count of an attempt and its pairings.
func TestVictim(t *testing.T) {
	dir := os.Getenv(victimDir)
	if dir == "" {
		t.Skip("it is run by TestKilledAfterTheCountIsCounted alone")
	}
	protector, err := custody.FromKeyFile(os.Getenv(victimKey))
	if err != nil {
		t.Fatal(err)
	}
	ahead, err := strconv.ParseInt(os.Getenv(victimAhead), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	c := new(clock)
	c.forward(time.Duration(ahead))
	server, err := login.Open(t.Context(), login.Config{Dir: dir, Protector: protector, Database: os.Getenv(victimDatabase), Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("serves " + listener.Addr().String() + "\n")
	t.Fatal(http.Serve(listener, login.Traced(server.Public(), func(step string) {
		if step == "pairings" {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})))
}

// victim starts the process, and returns where it serves and what waits for its
// end.
func (s *stage) victim(database string) (url string, wait func() error) {
	s.t.Helper()
	binary, err := os.Executable()
	s.done(err)
	cmd := exec.CommandContext(s.t.Context(), binary, "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victimDir+"="+s.Dir, victimKey+"="+s.KeyFile, victimDatabase+"="+database,
		victimAhead+"="+strconv.FormatInt(s.clock.ahead.Load(), 10))
	out, err := cmd.StdoutPipe()
	s.done(err)
	s.done(cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "serves "); ok {
			return "http://" + address, cmd.Wait
		}
		s.t.Log(lines.Text())
	}
	s.t.Fatal("the victim does not serve: ", cmd.Wait())
	return "", nil
}

// TestKilledAfterTheCountIsCounted: the process dies between the count and the
// answer, five times; the count stands, and no session comes back.
func TestKilledAfterTheCountIsCounted(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			database := ""
			if engine == "postgres" {
				database = postgrestest.Start(t)
			}
			s := newStage(t, onPostgres(database))
			p := s.Person(t, alice, right)
			s.permitted(p)
			s.done(s.Stop())
			for range 5 {
				url, wait := s.victim(database)
				q := proved(t, begun(t, p.At(url), right)) // not even the right one is taken back
				if _, err := p.Client.FinishLogin(t.Context(), url, q); err == nil {
					t.Fatal("an answer from a dead process")
				}
				if err := wait(); err == nil || !strings.Contains(err.Error(), "killed") {
					t.Fatal("it was not killed:", err)
				}
				s.done(s.Start(t.Context()))
				s.done(s.AwaitReady(t.Context()))
				_, err := p.Client.FinishLogin(t.Context(), s.URL(), q)
				refused(t, err, problem.SessionUnknown)
				s.done(s.Stop())
			}
			s.done(s.Start(t.Context()))
			s.done(s.AwaitReady(t.Context()))
			s.counts(p, 5, 5, "locked")
			s.fails(p, right)
			s.audited(p, "refused", "tried", "tried", "tried", "tried", "tried", "row-made")
		})
	}
}

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

// fullDisk makes every write of this process beyond the first 64 bytes of a file
// fail, as on a full disk (EFBIG in the place of ENOSPC), until restored is called.
func fullDisk(t testing.TB) (restored func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDiskCountsNothingTwice fills the disk under a running server, and then
// between the count of an attempt and its outcome.
func TestFullDiskCountsNothingTwice(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	s := newStage(t, nil)
	p, late, clumsy := s.Person(t, alice, right), s.newDevice(bob), s.Person(t, "acct:carol@example.org", right)
	s.fails(clumsy, wrong)
	s.done(late.Register(t.Context(), right))
	s.permitted(p)
	tr := s.traced()
	session, answers := proved(t, begun(t, p, right)), proved(t, begun(t, p.At(tr.URL), right))
	guess := proved(t, begun(t, p.At(tr.URL), wrong))
	restored := fullDisk(t)
	for range 3 {
		_, err := p.Begun(t.Context(), right, none)
		refused(t, err, problem.Unavailable)
		_, err = p.Client.FinishLogin(t.Context(), p.URL, session)
		refused(t, err, problem.Unavailable)
		refused(t, late.ShowRow(t.Context()), problem.Unavailable)
		_, err = s.Operator().Revoke(t.Context(), p.Name, nil)
		refused(t, err, problem.Unavailable)
		_, err = s.Operator().Unlock(t.Context(), clumsy.Name, nil)
		refused(t, err, problem.Unavailable)
	}
	s.counts(p, 0, 0, "active")
	s.counts(clumsy, 1, 1, "active")
	restored()
	if _, err := p.Client.FinishLogin(t.Context(), p.URL, session); err != nil {
		t.Error("the session was lost:", err)
	}
	s.counts(p, 0, 0, "active")
	for n, q := range []any{answers, guess} {
		var undo atomic.Pointer[func()]
		tr.before("pairings", func() {
			restored := fullDisk(t)
			undo.Store(&restored)
		})
		a := answered(t, tr.URL+"/v1/mpin/finish", q)
		(*undo.Load())()
		if a.status != http.StatusServiceUnavailable || strings.Contains(a.body, "statement") {
			t.Errorf("%+v", a)
		}
		s.counts(p, n+1, n+1, "active") // it stays counted, the right PIN too
	}
	s.logsIn(p)
	s.counts(p, 0, 2, "active")
	s.done(late.ShowRow(t.Context()))
	for _, who := range []*logintest.Person{p, clumsy} { // whose first revocation the disk has cut
		if r, err := s.Operator().Revoke(t.Context(), who.Name, nil); err != nil || r.Devices != 1 {
			t.Errorf("revoked %+v, %v", r, err)
		}
	}
	s.done(s.Restart(t.Context()))
	s.counts(p, 0, 2, "revoked")
	s.counts(late, 0, 0, "active")
}

// TestPINChangeCutInItsLastStepLosesNeither: the disk is full when the first login
// of the new device is accepted, which would end the old one.
func TestPINChangeCutInItsLastStepLosesNeither(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	s := newStage(t, nil)
	old, next := s.Person(t, alice, right), s.newDevice(alice)
	vouchers, err := s.intends(old, next)
	s.done(err)
	s.succeeds(old, next, vouchers)
	s.done(next.ShowRow(t.Context()))
	_, err = next.Permit(t.Context(), begun(t, old, right).Login.Epoch)
	s.done(err)
	tr := s.traced()
	a, err := next.At(tr.URL).Begun(t.Context(), newPIN, none)
	s.done(err)
	q := proved(t, a)
	var restored func()
	tr.before("pairings", func() { restored = fullDisk(t) })
	got := answered(t, tr.URL+"/v1/mpin/finish", q)
	restored()
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("%+v", got)
	}
	s.logsIn(old)
	s.done(s.Restart(t.Context()))
	s.logsIn(old)
	s.logsInWith(next, newPIN)
	s.counts(old, 0, 0, "revoked")
	s.counts(next, 0, 1, "active")
}

// TestPostgresAwayIsUnavailable stops the database, and then between the count of
// an attempt and its outcome; the server goes on by itself when it is back.
func TestPostgresAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewServer(t)
	s := newStage(t, onPostgres(database.Database(t)))
	p := s.Person(t, alice, right)
	s.permitted(p)
	tr := s.traced()
	session, cut := proved(t, begun(t, p, right)), proved(t, begun(t, p.At(tr.URL), right))
	database.Stop()
	_, err := p.Begun(t.Context(), right, none)
	refused(t, err, problem.Unavailable)
	_, err = p.Client.FinishLogin(t.Context(), p.URL, session)
	refused(t, err, problem.Unavailable)
	s.says("the database cannot be written")
	database.Restart(t)
	s.done(s.AwaitReady(t.Context()))
	if _, err := p.Client.FinishLogin(t.Context(), p.URL, session); err != nil {
		t.Error("the session was lost:", err)
	}
	s.counts(p, 0, 0, "active")
	tr.before("pairings", func() { database.Stop() })
	if a := answered(t, tr.URL+"/v1/mpin/finish", cut); a.status != http.StatusServiceUnavailable {
		t.Errorf("%+v", a)
	}
	database.Restart(t)
	s.done(s.AwaitReady(t.Context()))
	s.counts(p, 1, 1, "active")
	s.logsIn(p)
}

// TestReadOnlyDatabaseIsUnavailable: a database that can be read alone, as after a
// failover to the wrong server, lets nobody in, counts nothing and loses nothing.
func TestReadOnlyDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewServer(t)
	s := newStage(t, onPostgres(database.Database(t)))
	p := s.Person(t, alice, right)
	s.permitted(p)
	session, wrongOne := proved(t, begun(t, p, right)), proved(t, begun(t, p, wrong))
	set := func(value string) {
		database.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = "+value)
		database.Restart(t)
	}
	set("on")
	_, err := p.Begun(t.Context(), right, none)
	refused(t, err, problem.Unavailable)
	for _, finish := range []mpin.FinishRequest{session, wrongOne} {
		_, err := p.Client.FinishLogin(t.Context(), p.URL, finish)
		refused(t, err, problem.Unavailable)
	}
	s.says("the database cannot be written")
	set("off")
	s.done(s.AwaitReady(t.Context()))
	s.counts(p, 0, 0, "active")
	_, err = p.Client.FinishLogin(t.Context(), p.URL, wrongOne)
	refused(t, err, problem.LoginRefused)
	s.counts(p, 1, 1, "active")
	if _, err := p.Client.FinishLogin(t.Context(), p.URL, session); err != nil {
		t.Error("the session was lost:", err)
	}
	s.counts(p, 0, 1, "active")
}
