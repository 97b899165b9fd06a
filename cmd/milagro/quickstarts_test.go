//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestQuickstarts runs every block of these pages, in one shell each, as their
// readers do: word for word but for the ports.
func TestQuickstarts(t *testing.T) {
	for page, wants := range map[string][]string{
		"quickstart-go.md":    {"spiffe://dev.example/shop may buy shoes", "is not welcome here", "refuses this name"},
		"quickstart-redis.md": {"OK\nshoes\n", "is denied", `"ready":true`, "milagro_proxy_key_end_seconds", "milagro_proxy_revocation_bound_seconds"},
		"quickstart-mtls.md": {"orders for CN=shop", "orders for spiffe://dev.example/shop", "good: 1 would be served",
			"URI:spiffe://dev.example/shop"},
		"quickstart-signin.md": {"portal may sign people in", "Hello alice@dev.example, your account is ", "alice@dev.example is still signed in",
			"Nobody is signed in.</p>", "signed out since"},
		"quickstart-passwords.md": {"account 1, linked: true, password: false", "no account is linked to this sign-in", "account 2, linked: false",
			"this sign-in is linked to another account", "wrong address or password"},
		"quickstart-nginx.md": {"\nThe report is for acct:you@dev.example.\n", "/oauth/forward/start?to=/internal/report\n", "revoked 1 devices"},
	} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			out := runPage(t, page)
			for _, want := range append(wants, "the page is done") {
				if !strings.Contains(out, want) {
					t.Errorf("no %q", want)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// runPage runs the blocks of a page, those in Go saved as main.go, and returns what
// they print.
func runPage(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile("../../doc/" + page)
	if err != nil {
		t.Fatal(err)
	}
	clone, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	steps := "set -eu\ntrap 'kill $(jobs -p) || true; wait' EXIT\n"
	for _, b := range regexp.MustCompile("(?s)```(sh|go)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if b[1] == "go" {
			b[2] = "cat >main.go <<'END OF FILE'\n" + b[2] + "END OF FILE\n"
		}
		steps += b[2]
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "bash", "-c", withFreePorts(t, steps)+"echo the page is done\n")
	cmd.Dir, cmd.Stdout, cmd.Stderr = shortTemp(t), &out, &out
	cmd.Env = append(milagro(t.Context()).Env, "CLONE="+clone)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	timeout := time.AfterFunc(3*time.Minute, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timeout.Stop()
	if err := cmd.Run(); err != nil {
		t.Errorf("the page's steps end with %v", err)
	}
	return out.String()
}
