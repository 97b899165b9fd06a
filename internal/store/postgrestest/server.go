//go:build unix

package postgrestest

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	superuser = "postgres"
	// startTimeout bounds starting and stopping, on a machine that is busy.
	startTimeout = 60 * time.Second
	pollPause    = 20 * time.Millisecond
)

// Server is a PostgreSQL server of its own for one test.
type Server struct {
	bin      string // directory of initdb and postgres
	dir      string // holds data, the socket and the log
	password string
	uid, gid uint32 // whom root runs it as
	settings []string
	guard    io.Closer

	mu      sync.Mutex
	process *os.Process // nil while the server is down
	ended   chan struct{}
}

// Option is a setting of NewServer.
type Option func(*Server)

// WithoutFsync makes a server that is faster and not durable: for tests that
// end no server and measure nothing.
func WithoutFsync() Option {
	return func(s *Server) { s.settings = append(s.settings, "fsync=off") }
}

// NewServer starts a server that belongs to the test and ends with it. Where
// PostgreSQL is not installed, as Start.
func NewServer(t testing.TB, options ...Option) *Server {
	t.Helper()
	s, err := launch(options...)
	require(t, err)
	t.Cleanup(s.remove)
	return s
}

// launch makes a cluster and starts its server.
func launch(options ...Option) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, password: rand.Text()}
	if err := s.account(); err != nil {
		return nil, err
	}
	for _, set := range options {
		set(s)
	}
	if s.dir, err = os.MkdirTemp("", "milagro-postgres-"); err != nil {
		return nil, err
	}
	if err := errors.Join(s.own(s.dir), s.watch()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := errors.Join(s.initialize(), s.start()); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// watch starts a shell that waits for the end of this process, however it
// ends, then kills the server and removes its files. The shell sees the end
// because its input closes.
func (s *Server) watch() error {
	const script = `trap '' INT TERM HUP
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid"; kill -CONT "$pid"
  for _ in $(seq 200); do [ -e "$1/data/postmaster.pid" ] || break; sleep 0.05; done
  kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1"`
	cmd := s.command("/bin/sh", "-c", script, "guard", s.dir)
	guard, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.guard = guard
	go cmd.Wait()
	return nil
}

// remove is the end of a server of one test.
func (s *Server) remove() {
	s.Kill()
	os.RemoveAll(s.dir)
	s.guard.Close()
}

// initialize makes the files of a cluster.
func (s *Server) initialize() error {
	file := filepath.Join(s.dir, "password")
	if err := errors.Join(os.WriteFile(file, []byte(s.password+"\n"), 0o600), s.own(file)); err != nil {
		return err
	}
	defer os.Remove(file)
	cmd := s.command(filepath.Join(s.bin, "initdb"), "--pgdata", s.data(), "--username", superuser, "--pwfile", file,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, tail(out))
	}
	return nil
}

// start starts the server on the files that are there, and returns when it
// takes connections.
func (s *Server) start() error {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=100")
	for _, setting := range s.settings {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	s.mu.Lock()
	s.process, s.ended = cmd.Process, ended
	s.mu.Unlock()
	return s.ready()
}

// ready waits until the server takes connections.
func (s *Server) ready() error {
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	deadline := time.Now().Add(startTimeout)
	for {
		err := db.PingContext(context.Background())
		if err == nil {
			return nil
		}
		if !s.running() || time.Now().After(deadline) {
			out, _ := os.ReadFile(s.log())
			return fmt.Errorf("server does not start: %w: %s", err, tail(out))
		}
		time.Sleep(pollPause)
	}
}

// Stop ends the server in order: sessions are cut, what is committed is kept.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server as a crash does: nothing is tidied up, and the next
// start recovers from the write-ahead log.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

// Restart starts the server after Stop or Kill, or stops it first.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) end(signal os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	s.process.Signal(signal)
	s.process.Signal(syscall.SIGCONT)
	select {
	case <-s.ended:
	case <-time.After(startTimeout):
		s.process.Kill()
		<-s.ended
	}
	s.process = nil
}

// Freeze stops every process of the server where it is, as a machine does that
// hangs: connections stay open and nothing answers, until thaw is called.
func (s *Server) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	s.process.Signal(syscall.SIGSTOP) // first, so that it forks no more
	pids := []int{s.process.Pid}
	var list string
	if err := db.QueryRow("SELECT string_agg(pid::text, ' ') FROM pg_stat_activity").Scan(&list); err != nil {
		t.Error(err)
	}
	for _, field := range strings.Fields(list) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	signal := func(sig syscall.Signal) {
		for _, pid := range pids {
			syscall.Kill(pid, sig)
		}
	}
	signal(syscall.SIGSTOP)
	thaw = sync.OnceFunc(func() { signal(syscall.SIGCONT) })
	t.Cleanup(thaw)
	return thaw
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
func (s *Server) log() string  { return filepath.Join(s.dir, "log") }

// command prepares a program that runs as an ordinary user, since PostgreSQL
// refuses root, and in a session of its own, which no Ctrl-C reaches.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: s.uid, Gid: s.gid}
	}
	return cmd
}

// own gives path to the user of the server.
func (s *Server) own(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, int(s.uid), int(s.gid))
}

// account finds the user to whom root hands the server.
func (s *Server) account() error {
	if os.Geteuid() != 0 {
		return nil
	}
	who, err := user.Lookup(superuser)
	if err != nil {
		return err
	}
	uid, uidErr := strconv.ParseUint(who.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(who.Gid, 10, 32)
	s.uid, s.gid = uint32(uid), uint32(gid)
	return errors.Join(uidErr, gidErr)
}

// binaries returns the directory of initdb and postgres: the newest of Debian's,
// or where PATH says.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		path, err := exec.LookPath("postgres")
		return filepath.Dir(path), err
	}
	newest := slices.MaxFunc(found, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) // 9 before 15
	})
	return filepath.Dir(newest), nil
}

// tail returns the last lines of what a program wrote, as one.
func tail(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}
