// Command mutants shows that the tests can fail: it breaks the code one line
// at a time, in an overlay that touches no file or in a copy, and expects the
// test named beside each break to turn red (R56).
//
//	go run ./test/mutants            all of them
//	go run ./test/mutants -run NAME  those whose name matches
//
// It prints a line for each and exits 0 only if every break was noticed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// A mutant is one line of the code, broken.
type mutant struct {
	name        string // what the broken code does
	requirement string // the R… that it breaks
	file        string // from the module's root
	old, new    string // old occurs exactly once in file
	pkg, test   string // the test that must turn red; pkg is a file, if the test is in JavaScript
}

// timeout bounds one mutant's build and test; a test that hangs is red too.
const timeout = 4 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	pattern := flags.String("run", "", "only mutants whose name or requirement matches")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	tried, survived := 0, 0
	for _, m := range mutants {
		if !match.MatchString(m.name) && !match.MatchString(m.requirement) {
			continue
		}
		tried++
		began := time.Now()
		verdict := "red"
		if err := m.kill(ctx); err != nil {
			verdict = "SURVIVED: " + err.Error()
			survived++
		}
		fmt.Fprintf(out, "%-4s %-62s %s.%s %s (%.1fs)\n", m.requirement, m.name, m.pkg, m.test, verdict, time.Since(began).Seconds())
	}
	fmt.Fprintf(out, "mutants: %d passed, %d failed\n", tried-survived, survived)
	if survived > 0 || tried == 0 {
		return fmt.Errorf("%d of %d breaks went unnoticed", survived, tried)
	}
	return nil
}

// kill returns nil iff the test is green without the break and red with it.
func (m mutant) kill(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if m.inNode() {
		return m.killInNode(ctx, dir)
	}
	overlay, err := m.overlay(dir)
	if err != nil {
		return err
	}
	if out, err := m.goTest(ctx); err != nil {
		return fmt.Errorf("the test is red without the break: %s", lastLines(out))
	}
	out, err := m.goTest(ctx, "-overlay", overlay)
	switch {
	case err == nil:
		return errors.New("the test is green with the break")
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "no tests to run"):
		return fmt.Errorf("the break does not build: %s", lastLines(out))
	}
	return ctx.Err()
}

func (m mutant) goTest(ctx context.Context, extra ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	args := append([]string{"test", "-count=1", "-run", "^" + m.test + "$"}, extra...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+m.pkg)...)
	out, err := cmd.CombinedOutput()
	if err == nil && strings.Contains(string(out), "no tests to run") {
		err = errors.New("no such test")
	}
	return string(out), err
}

// broken returns the file as it is, and with the break.
func (m mutant) broken() (source, broken string, err error) {
	b, err := os.ReadFile(m.file)
	if err != nil {
		return "", "", err
	}
	source = string(b)
	if n := strings.Count(source, m.old); n != 1 {
		return "", "", fmt.Errorf("%s has the line %d times, it must once", m.file, n)
	}
	return source, strings.Replace(source, m.old, m.new, 1), nil
}

// overlay writes the broken file and the overlay that puts it in place.
func (m mutant) overlay(dir string) (string, error) {
	_, source, err := m.broken()
	if err != nil {
		return "", err
	}
	broken := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(broken, []byte(source), 0o600); err != nil {
		return "", err
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {original: broken}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, b, 0o600)
}

func lastLines(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], " | ")
}
