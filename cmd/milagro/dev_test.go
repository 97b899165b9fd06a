//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is a 'milagro dev' in a process group of its own.
type running struct {
	cmd    *exec.Cmd
	lines  []string // of stdout, up to the one that begins with ready
	stderr *bytes.Buffer
	over   chan error
}

// startDev starts 'milagro dev' and waits until it says that it is ready.
func startDev(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: milagro(t.Context(), append([]string{"dev"}, args...)...), stderr: new(bytes.Buffer), over: make(chan error, 1)}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Stderr = r.stderr
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) })
	out := bufio.NewScanner(stdout)
	for out.Scan() {
		r.lines = append(r.lines, out.Text())
		if strings.HasPrefix(out.Text(), "ready") {
			go func() { r.over <- r.cmd.Wait() }()
			return r
		}
	}
	t.Fatalf("not ready: %v\n%s\n%s", r.cmd.Wait(), strings.Join(r.lines, "\n"), r.stderr)
	return nil
}

// commands returns the lines that dev says to try.
func (r *running) commands() []string {
	at := slices.Index(r.lines, "try:")
	var commands []string
	for _, line := range r.lines[at+1:] {
		if strings.HasPrefix(line, "  ") {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	return commands
}

func (r *running) fingerprint() string {
	for _, line := range r.lines {
		if strings.HasPrefix(line, "milagro1") {
			return line
		}
	}
	return ""
}

// group returns the processes of r's group that live.
func (r *running) group(t *testing.T) []int {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "pid=,pgid=,stat=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var alive []int
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[1] == strconv.Itoa(r.cmd.Process.Pid) && !strings.HasPrefix(f[2], "Z") {
			pid, err := strconv.Atoi(f[0])
			if err != nil {
				t.Fatal(err)
			}
			alive = append(alive, pid)
		}
	}
	return alive
}

// awaitEnd fails unless every process of the group ends.
func (r *running) awaitEnd(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for len(r.group(t)) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("processes %v are left", r.group(t))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// interrupt is Ctrl-C: it reaches the whole group.
func (r *running) interrupt(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-r.over; err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, r.stderr)
	}
	r.awaitEnd(t)
}

// shortTemp is a directory whose sockets have a path that fits.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestDevCommandsWorkWhenPasted(t *testing.T) {
	t.Parallel()
	r := startDev(t)
	if n := len(r.group(t)); n != 9 {
		t.Errorf("%d processes, want dev, three authorities, two services, a login server, an application and a mail server", n)
	}
	commands := r.commands()
	if len(commands) != 10 {
		t.Fatalf("commands %q", commands)
	}
	for _, command := range commands {
		times := 2
		if strings.Contains(command, " mpin register ") { // its codes are used then
			times = 1
		}
		for range times {
			pasted := exec.Command("sh", "-c", command)
			pasted.Stdin = strings.NewReader("472916\n")
			if out, err := pasted.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
			}
		}
	}
	r.interrupt(t)
	if dir := filepath.Dir(r.word(t, "authority 1")); !strings.Contains(dir, "milagro-dev-") || exists(dir) {
		t.Errorf("%s is left", dir)
	}
}

// word returns the last word of the line that begins with head.
func (r *running) word(t *testing.T, head string) string {
	t.Helper()
	words := r.after(t, head)
	return words[len(words)-1]
}

// where returns the word that follows head, with which a line begins.
func (r *running) where(t *testing.T, head string) string {
	t.Helper()
	return r.after(t, head)[0]
}

func (r *running) after(t *testing.T, head string) []string {
	t.Helper()
	for _, line := range r.lines {
		if rest, is := strings.CutPrefix(line, head); is && len(strings.Fields(rest)) > 0 {
			return strings.Fields(rest)
		}
	}
	t.Fatalf("no line %q", head)
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestDevServicesTalk(t *testing.T) {
	t.Parallel()
	r := startDev(t)
	response, err := http.Get(r.where(t, "its last call to api"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var last lastCall
	if err := json.NewDecoder(response.Body).Decode(&last); err != nil {
		t.Fatal(err)
	}
	want := "spiffe://dev.example/api to spiffe://dev.example/web: hello"
	if !last.OK || last.To.String() != "spiffe://dev.example/api" || !strings.HasPrefix(last.Answer, want) {
		t.Errorf("last call %+v", last)
	}
	r.interrupt(t)
}

func TestKilledDevLeavesNoChild(t *testing.T) {
	t.Parallel()
	r := startDev(t)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.over
	r.awaitEnd(t)
	os.RemoveAll(filepath.Dir(r.word(t, "authority 1"))) // nobody was left to do it
}

func TestDevGoesOnWithItsDirectory(t *testing.T) {
	t.Parallel()
	dir := shortTemp(t)
	first := startDev(t, "--dir", dir, "--authorities", "5", "--threshold", "3")
	if !strings.Contains(first.lines[0], "3 of 5 authorities") {
		t.Errorf("first line %q", first.lines[0])
	}
	register := exec.Command("sh", "-c", first.commands()[5])
	register.Stdin = strings.NewReader("472916\n")
	if out, err := register.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	first.interrupt(t)
	second := startDev(t, "--dir", dir)
	if second.fingerprint() == "" || second.fingerprint() != first.fingerprint() {
		t.Errorf("fingerprint %s became %s", first.fingerprint(), second.fingerprint())
	}
	if !slices.Equal(first.commands(), second.commands()) {
		t.Error("the second start says to try other commands")
	}
	for _, kept := range []string{"  invitation", "  application", "  issuer"} {
		if was, is := first.word(t, kept), second.word(t, kept); was != is {
			t.Errorf("%s %s became %s", kept, was, is)
		}
	}
	for _, command := range second.commands() {
		if !strings.Contains(command, " curl ") && !strings.Contains(command, " mpin login ") {
			continue
		}
		pasted := exec.Command("sh", "-c", command)
		pasted.Stdin = strings.NewReader("472916\n")
		if out, err := pasted.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", command, err, out)
		}
	}
	second.interrupt(t)
	for _, other := range [][3]string{{"--authorities", "4", "holds a domain of 5 authorities, 3 of which make a key"},
		{"--login-origin", "http://127.0.0.1:1", "holds a login server elsewhere"}, {"--login-listen", "127.0.0.1:1", "holds a login server elsewhere"}} {
		out, err := milagro(t.Context(), "dev", "--dir", dir, other[0], other[1]).CombinedOutput()
		if err == nil || !strings.Contains(string(out), other[2]) {
			t.Errorf("%v: %v: %s", other, err, out)
		}
	}
}

func TestDevNamesAChildThatEnds(t *testing.T) {
	t.Parallel()
	r := startDev(t)
	for _, pid := range r.group(t) {
		if pid == r.cmd.Process.Pid {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		break
	}
	if err := <-r.over; err == nil || !strings.Contains(r.stderr.String(), " ended: signal: killed") {
		t.Errorf("%v: %s", err, r.stderr)
	}
	r.awaitEnd(t)
}

// TestDevResumesAStartThatWasKilled kills dev at ever later moments, whatever
// it does then; the last start completes.
func TestDevResumesAStartThatWasKilled(t *testing.T) {
	t.Parallel()
	dir := shortTemp(t)
	for moment := 25 * time.Millisecond; moment < 3*time.Second; moment *= 2 {
		r := &running{cmd: milagro(t.Context(), "dev", "--dir", dir)}
		r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := r.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(moment)
		if err := r.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		r.cmd.Wait() // killed
		r.awaitEnd(t)
	}
	startDev(t, "--dir", dir).interrupt(t)
}

func TestDevRefusesWhatCannotBe(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 1}, {3, 4}, {17, 2}} {
		_, stderr, status := execute(t, "dev", "--dir", filepath.Join(shortTemp(t), "dev"), "--authorities", fmt.Sprint(size[0]), "--threshold", fmt.Sprint(size[1]))
		if status != exitFailure || !strings.Contains(stderr, "there are 2 to 16") {
			t.Errorf("%v: status %d, %s", size, status, stderr)
		}
	}
}
