package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"

	"milagro.dev/internal/custody"
	"milagro.dev/internal/login"
	"milagro.dev/internal/telemetry"
)

// loginServe is the first argument of this program as a login server.
const loginServe = "serve-login"

// profileEnv names a file to which such a server writes a profile of its
// processor time.
const profileEnv = "MILAGRO_BENCH_PROFILE"

// serving says how such a server serves.
type serving struct {
	batching login.Batching
	openID   login.OpenID
}

// usage is what a process has used.
type usage struct {
	Processor int64 `json:"processor"` // nanoseconds, user and kernel
	Resident  int64 `json:"resident"`  // bytes, after a collection of garbage
}

// process is a login server in a process of its own, with its own cores and heap.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// startLogin runs this very program as the login server in dir; it is stopped by
// stop, or by the end of this process.
func startLogin(dir, keyFile, address string, how serving) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self, loginServe, dir, keyFile, address, fmt.Sprint(how.batching), fmt.Sprint(how.openID))}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", cores))
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// usage asks the process what it has used up to now.
func (p *process) usage() (u usage, err error) { return u, p.ask("usage", &u) }

// settle is usage once the process has given back the memory that it does not need.
func (p *process) settle() (u usage, err error) { return u, p.ask("settle", &u) }

func (p *process) ask(question string, u *usage) error {
	if _, err := fmt.Fprintln(p.stdin, question); err != nil {
		return fmt.Errorf("login server: %w", err)
	}
	answer, err := p.stdout.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("login server: %w", err)
	}
	return json.Unmarshal(answer, u)
}

func (p *process) stop() error { return errors.Join(p.stdin.Close(), p.cmd.Wait()) }

// serveLogin is that process: it serves as 'milagro login serve' does, log and all,
// until stdin closes, and answers what it is asked there.
func serveLogin(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 5 {
		return fmt.Errorf("%s DIR KEYFILE ADDRESS BATCHING OPENID", loginServe)
	}
	login.RelaxGC()
	protector, err := custody.FromKeyFile(args[1])
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(args[0], "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cfg := login.Config{Dir: args[0], Protector: protector, Logger: telemetry.NewLogger(log, slog.LevelInfo)}
	if args[3] == fmt.Sprint(login.Singly) {
		cfg.Batching = login.Singly
	}
	if args[4] == fmt.Sprint(login.WithOpenID) {
		cfg.OpenID = login.WithOpenID
		slog.SetDefault(cfg.Logger) // where zitadel/oidc logs
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server, err := login.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer server.Close()
	var l login.Listeners
	if l.Admin, err = server.ListenAdmin(); err != nil {
		return err
	}
	if l.Public, err = net.Listen("tcp", args[2]); err != nil {
		return err
	}
	stop, err := profile()
	if err != nil {
		return err
	}
	defer stop()
	go func() {
		defer cancel()
		answer(stdin, stdout)
	}()
	return server.Run(ctx, l)
}

func profile() (stop func(), err error) {
	path := os.Getenv(profileEnv)
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, pprof.StartCPUProfile(f)
}

// answer answers each line of stdin with what this process has used.
func answer(stdin io.Reader, stdout io.Writer) {
	lines, enc := bufio.NewScanner(stdin), json.NewEncoder(stdout)
	for lines.Scan() {
		u := usage{Processor: int64(processor())}
		if lines.Text() == "settle" {
			runtime.GC()
			debug.FreeOSMemory()
			u.Resident = resident()
		}
		if enc.Encode(u) != nil {
			return
		}
	}
}

// resident returns the bytes of memory that this process has; 0 where there is no
// /proc.
func resident() int64 {
	n, err := residentOf("self")
	if err != nil {
		return 0
	}
	return n
}

// residentOf returns the bytes of memory that a process has.
func residentOf(pid string) (int64, error) {
	var total, pages int64
	b, err := os.ReadFile(filepath.Join("/proc", pid, "statm"))
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(b), &total, &pages)
	return pages * int64(os.Getpagesize()), err
}
