package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

const (
	// rising is how long the processes of a path may take until bytes pass.
	rising = 20 * time.Second
	// falling is how long one of them may take to end before it is killed.
	falling = 3 * time.Second
)

// path is the way of a program's bytes through two processes with mutual TLS
// between them.
type path struct {
	dir    string // of configuration, keys and logs
	entry  string // where the client's process takes plain connections
	middle string // where the server's process takes TLS
	target string
	all    []*exec.Cmd
	ends   []func()
}

// pathMaker makes a path to a target.
type pathMaker func(target string) (*path, error)

// absentError is a program to compare with that is not installed.
type absentError struct{ program string }

func (e *absentError) Error() string {
	return e.program + " is not installed ('make bench-tools' installs it)"
}

// find returns the path of a program, of the administrator's too.
func find(program string) (string, error) {
	if found, err := exec.LookPath(program); err == nil {
		return found, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if found, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return found, nil
		}
	}
	return "", &absentError{program}
}

func newPath(target string) (*path, error) {
	dir, err := os.MkdirTemp("", "milagro-bench-")
	if err != nil {
		return nil, err
	}
	p := &path{dir: dir, target: target}
	p.atEnd(func() { os.RemoveAll(dir) })
	addresses, err := webserver.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	p.entry, p.middle = addresses[0], addresses[1]
	return p, nil
}

// complete starts the processes, the server's first, and waits until bytes pass.
func (p *path) complete(commands ...*exec.Cmd) (*path, error) {
	for i, c := range commands {
		if err := p.start(c, fmt.Sprintf("log-%d", i)); err != nil {
			p.close()
			return nil, err
		}
	}
	err := p.await()
	for deadline := time.Now().Add(rising); err != nil && time.Now().Before(deadline); err = p.await() {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		err = fmt.Errorf("%s: nothing passes: %w%s", commands[0].Path, err, p.logs())
		p.close()
		return nil, err
	}
	return p, nil
}

// start starts a process, whose words go to a file.
func (p *path) start(c *exec.Cmd, log string) error {
	f, err := os.Create(filepath.Join(p.dir, log))
	if err != nil {
		return err
	}
	defer f.Close()
	c.Stdout, c.Stderr = f, f
	if err := c.Start(); err != nil {
		return err
	}
	p.all = append(p.all, c)
	p.atEnd(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(falling, func() { _ = c.Process.Kill() })
		defer kill.Stop()
		_ = c.Wait() // it was told to end, and says so
	})
	return nil
}

// await has echo and drain answer: both take eight zero bytes.
func (p *path) await() error {
	conn, err := net.Dial("tcp", p.entry)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(rising)); err != nil {
		return err
	}
	if _, err := conn.Write(make([]byte, 8)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// logs is the end of what the processes have said.
func (p *path) logs() string {
	var all strings.Builder
	for i := range p.all {
		if b, err := os.ReadFile(filepath.Join(p.dir, fmt.Sprintf("log-%d", i))); err == nil {
			all.WriteString("\n" + string(b[max(0, len(b)-2000):]))
		}
	}
	return all.String()
}

func (p *path) atEnd(f func()) { p.ends = append(p.ends, f) }

// close ends what belongs to the path, the last first.
func (p *path) close() {
	for i := len(p.ends) - 1; i >= 0; i-- {
		p.ends[i]()
	}
	p.ends = nil
}

// sidecarPath is two processes of 'milagro proxy', with a wallet of a real domain.
// Nothing renews the keys, which are good for the day: the domain ends at once.
func sidecarPath(target string) (*path, error) {
	p, err := newPath(target)
	if err != nil {
		return nil, err
	}
	program, err := buildMilagro()
	if err != nil {
		p.close()
		return nil, err
	}
	vault := filepath.Join(p.dir, "wallet")
	if err := enrolPair(vault); err != nil {
		p.close()
		return nil, err
	}
	sidecar := func(mode string, more ...string) *exec.Cmd {
		return exec.Command(program, append([]string{"proxy", mode, "--dir", vault, "--keep", "off"}, more...)...)
	}
	return p.complete(
		sidecar("server", "--as", api, "--listen", p.middle, "--target", p.target, "--allow", web),
		sidecar("client", "--as", web, "--listen", p.entry, "--target", p.middle, "--to", api))
}

// buildMilagro returns the path of this tree's milagro, which stays where it is, so
// that one that is up to date is not linked again.
func buildMilagro() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "milagro-bench", "milagro")
	if out, err := exec.Command("go", "build", "-o", program, "milagro.dev/cmd/milagro").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

// enrolPair makes a domain and a wallet in dir with two of its names.
func enrolPair(dir string) error {
	ctx := context.Background()
	d, err := newDomain(2, 2)
	if err != nil {
		return err
	}
	return errors.Join(enrolBoth(ctx, d, dir), d.Close())
}

func enrolBoth(ctx context.Context, d *authoritytest.Domain, dir string) error {
	w, err := wallet.Open(wallet.Config{Dir: dir})
	if err != nil {
		return err
	}
	if _, err := w.Pin(ctx, d.Members[0].URL(), d.Published.Document.ID()); err != nil {
		return err
	}
	for _, text := range []string{web, api} {
		name := mustName(text)
		codes, err := d.Register(ctx, name, identity.Channel)
		if err != nil {
			return err
		}
		if _, err := w.Enrol(ctx, name, identity.Channel, codes); err != nil {
			return err
		}
	}
	return nil
}

// ticks is how many a second the kernel counts processor time in: USER_HZ.
const ticks = 100

// processor returns the processor time of all processes of the path, and of those
// of their threads that have ended.
func (p *path) processor() (time.Duration, error) {
	var all time.Duration
	for _, c := range p.all {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:])) // from the third on: proc(5)
		var user, kernel int64
		if _, err := fmt.Sscan(strings.Join(fields[11:13], " "), &user, &kernel); err != nil {
			return 0, err
		}
		all += time.Duration(user+kernel) * time.Second / ticks
	}
	return all, nil
}

// resident returns the bytes of memory of all processes of the path.
func (p *path) resident() (int64, error) {
	var all int64
	for _, c := range p.all {
		n, err := residentOf(fmt.Sprint(c.Process.Pid))
		if errors.Is(err, fs.ErrNotExist) {
			return 0, errors.New("there is no /proc")
		}
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}
