//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"milagro.dev/internal/webserver"
)

// TestLoginQuickstart runs every block of doc/login-terminal.md, in one shell at a
// terminal, as its reader does: word for word but for the ports. PINs are typed when
// they are asked for, and must not appear.
func TestLoginQuickstart(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../doc/login-terminal.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 7 {
		t.Fatalf("%d blocks in doc/login-terminal.md", len(blocks))
	}
	steps := "set -e\ntrap 'kill $(jobs -p) || true' EXIT\n"
	for i, b := range blocks {
		steps += fmt.Sprintf("echo 'block %d'\n%s", i+1, b[1])
	}
	terminal := &terminal{answers: map[string]string{
		"new PIN: ": "472916", "new PIN again: ": "472916", "PIN of acct:alice@example.org: ": "472916", "old PIN: ": "472916"}}
	terminal.then = func(prompt string) {
		if prompt == "old PIN: " {
			terminal.answers["new PIN: "], terminal.answers["new PIN again: "] = "830517", "830517"
		}
	}
	out := terminal.run(t, shortTemp(t), withFreePorts(t, steps+"echo 'block last'\n"))
	for _, want := range []string{"block last", "registered acct:alice@example.org at login and logged in", "logged in as acct:alice@example.org at login until",
		"expires", "the PIN of acct:alice@example.org at login is changed", "unlocked 0 devices", "ready"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, pin := range []string{"472916", "830517"} {
		if strings.Contains(out, pin) {
			t.Errorf("PIN %s is shown", pin)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// withFreePorts puts free addresses in the place of those that the page has.
func withFreePorts(t *testing.T, steps string) string {
	t.Helper()
	var fixed []string
	for _, address := range regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(steps, -1) {
		if !strings.Contains(strings.Join(fixed, " "), address) {
			fixed = append(fixed, address)
		}
	}
	free, err := webserver.FreeAddresses(len(fixed))
	if err != nil {
		t.Fatal(err)
	}
	for i, address := range fixed {
		steps = strings.ReplaceAll(steps, address, free[i])
	}
	return steps
}

// terminal is somebody at a terminal who answers prompts.
type terminal struct {
	answers map[string]string
	then    func(prompt string) // is told of each answer that was given
}

// run runs steps in bash, in dir, and returns what the
// terminal shows.
func (a *terminal) run(t *testing.T, dir, steps string) string {
	t.Helper()
	master, slave := openTerminal(t)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", steps)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, slave, slave, slave
	cmd.Env = milagro(t.Context()).Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	shown := a.watch(t, master, over)
	return shown
}

// watch answers prompts until the shell is over.
func (a *terminal) watch(t *testing.T, master *os.File, over chan error) string {
	t.Helper()
	var shown bytes.Buffer
	buffer := make([]byte, 4096)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		select {
		case err := <-over:
			if err != nil {
				t.Errorf("the page's steps end with %v", err)
			}
			return shown.String()
		default:
		}
		if time.Now().After(deadline) {
			t.Errorf("the page's steps do not end")
			return shown.String()
		}
		if err := master.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, _ := master.Read(buffer) // an error says that nothing came, or that all is over
		shown.Write(buffer[:n])
		if n > 0 {
			a.answer(t, master, shown.String())
		}
	}
}

func (a *terminal) answer(t *testing.T, master *os.File, shown string) {
	t.Helper()
	line := shown[strings.LastIndexAny(shown, "\r\n")+1:]
	pin, asked := a.answers[line]
	if !asked {
		return
	}
	if _, err := master.WriteString(pin + "\r"); err != nil {
		t.Fatal(err)
	}
	a.then(line)
}

// openTerminal returns both ends of a new pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatalf("no pseudo-terminal: %v", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	return master, slave
}
