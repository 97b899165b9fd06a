//go:build linux

// Package browser runs the pages of package web in Debian's Chromium, end to end:
// real authorities, real login servers and mail, an application on coreos/go-oidc,
// and people in profiles of their own (flows.test.js, by node and playwright-core).
package browser

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var (
	pictures = flag.String("pictures", "", "directory into which the pages are drawn, such as ../../doc/img")
	flows    = flag.String("flows", "", "only flows whose name matches this expression")
)

// TestPagesInChromium runs every flow.
func TestPagesInChromium(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v\nhint: make tools installs it", err)
	}
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		t.Fatalf("%v\nhint: make tools installs it", err)
	}
	towns, err := json.Marshal(map[string]address{"plain": newTown(t, plain).serve(), "careful": newTown(t, careful).serve(), "chips": newTown(t, chips).serve()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "--test", "--test-reporter=spec", "--test-name-pattern="+cmp.Or(*flows, "."), "flows.test.js")
	node.Env = append(os.Environ(), "MILAGRO_TOWNS="+string(towns), "MILAGRO_CHROMIUM="+chromium)
	if *pictures != "" {
		node.Env = append(node.Env, "MILAGRO_PICTURES="+absolute(t, *pictures))
	}
	node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// Chromium too: it is of node's group.
	node.Cancel = func() error { return syscall.Kill(-node.Process.Pid, syscall.SIGKILL) }
	out, err := node.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
	if *pictures != "" {
		shrink(t, absolute(t, *pictures))
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	at, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
