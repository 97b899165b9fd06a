package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"milagro.dev/internal/webserver"
)

// TestMain makes this very binary the command milagro of every script and test
// here.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"milagro": main})
}

// TestScripts runs the command as people do: testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// The path of a socket has at most 107 bytes, and that of $WORK is long.
			dir, err := os.MkdirTemp("", "dta")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(dir) })
			env.Setenv("D", dir)
			env.Setenv("MILAGRO_WALLET", "")
			env.Setenv("MILAGRO_DTA_DIR", "")
			env.Setenv("XDG_CONFIG_HOME", dir+"/config")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"addresses": setAddresses,
			"await":     awaitCommand,
			"awaitout":  awaitOutput,
			"extract":   extract,
		},
	})
}

// setAddresses sets each named variable to a free loopback address.
func setAddresses(ts *testscript.TestScript, _ bool, names []string) {
	addresses, err := webserver.FreeAddresses(len(names))
	ts.Check(err)
	for i, name := range names {
		ts.Setenv(name, addresses[i])
	}
}

// awaitCommand runs a command until it succeeds or, after "!", until it fails.
func awaitCommand(ts *testscript.TestScript, _ bool, args []string) {
	neg := args[0] == "!"
	if neg {
		args = args[1:]
	}
	deadline := time.Now().Add(time.Minute)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if neg == (err != nil) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("await %s: %v", strings.Join(args, " "), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// awaitOutput runs a command until it succeeds and prints what a pattern matches.
func awaitOutput(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	deadline := time.Now().Add(time.Minute)
	for {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("await %s: %v", strings.Join(args, " "), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// extract sets a variable to what follows a word in a file: extract NAME FILE
// WORD.
func extract(ts *testscript.TestScript, _ bool, args []string) {
	words := strings.Fields(ts.ReadFile(args[1]))
	for i, w := range words[:len(words)-1] {
		if w == args[2] {
			ts.Setenv(args[0], words[i+1])
			return
		}
	}
	ts.Fatalf("no %q in %s", args[2], args[1])
}

// milagro returns the command as a process of its own.
func milagro(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "milagro", args...)
	cmd.Env = append(os.Environ(), "MILAGRO_WALLET=", "MILAGRO_DTA_DIR=")
	return cmd
}

// execute runs the command line in this process.
func execute(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs strings.Builder
	err := run(t.Context(), args, strings.NewReader(""), &out, &errs)
	status = report(&errs, err)
	return out.String(), errs.String(), status
}

func TestHintsAreGivenOnceEach(t *testing.T) {
	inner := withHint(errors.New("a"), "try again")
	err := errors.Join(withHint(inner, "look there"), inner)
	var out strings.Builder
	if status := report(&out, err); status != exitFailure {
		t.Errorf("status %d", status)
	}
	if want := "milagro: a\na\nhint: look there\nhint: try again\n"; out.String() != want {
		t.Errorf("report = %q, want %q", out.String(), want)
	}
}

func TestUsageErrorsExitWithTwo(t *testing.T) {
	for _, line := range []string{"frobnicate", "dta", "dta frobnicate", "dta init", "dta init --frobnicate", "dta list a b",
		"ceremony plan", "ceremony plan card", "ceremony run", "ceremony run plan", "ceremony verify file", "enrol", "enrol spiffe://example.org/web",
		"curl https://127.0.0.1", "curl --as spiffe://example.org/web https://127.0.0.1", "domain pin http://127.0.0.1", "version extra"} {
		t.Run(line, func(t *testing.T) {
			t.Setenv("MILAGRO_DTA_DIR", "")
			_, stderr, status := execute(t, strings.Fields(line)...)
			if status != exitUsage || !strings.HasPrefix(stderr, "milagro: ") || !strings.Contains(stderr, "--help'") {
				t.Errorf("status %d, stderr %q", status, stderr)
			}
		})
	}
}
