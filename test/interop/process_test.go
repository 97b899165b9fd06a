//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopWithin is how long a program may take to stop when it is told to.
const stopWithin = 10 * time.Second

// process is a running program; what it prints goes to a file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	over chan struct{} // closed when it has ended
}

// start runs a program until the test ends.
func start(t testing.TB, name, program string, args ...string) *process {
	t.Helper()
	return startCommand(t, name, exec.Command(program, args...))
}

func startCommand(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, over: make(chan struct{}), log: filepath.Join(t.TempDir(), "log")}
	out := must(os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600))(t)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	// A test process that is killed leaves nothing behind.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v\nhint: make tools installs it", name, err)
	}
	go func() {
		cmd.Wait()
		close(p.over)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.tail(t))
		}
	})
	return p
}

// stop ends the program in order, if it runs.
func (p *process) stop(t testing.TB) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.over:
	case <-time.After(stopWithin):
		t.Errorf("%s did not stop in %v and was killed", p.name, stopWithin)
		p.kill()
	}
}

// kill ends the program as a crash does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.over
}

func (p *process) runs() bool {
	select {
	case <-p.over:
		return false
	default:
		return true
	}
}

// said returns all that the program printed.
func (p *process) said(t testing.TB) string {
	t.Helper()
	return string(must(os.ReadFile(p.log))(t))
}

// mustSay returns an error as long as the program has not printed text.
func (p *process) mustSay(t testing.TB, text string) error {
	t.Helper()
	return p.mustSayMore(t, text, 0)
}

// mustSayMore returns an error as long as it has not printed text more often than
// before.
func (p *process) mustSayMore(t testing.TB, text string, before int) error {
	t.Helper()
	if strings.Count(p.said(t), text) <= before {
		return fmt.Errorf("%s does not say %q", p.name, text)
	}
	return nil
}

// tail returns the last lines of it.
func (p *process) tail(t testing.TB) string {
	lines := strings.Split(strings.TrimSpace(p.said(t)), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
