//go:build linux

// Package interop runs what others wrote over what we wrote: programs of Debian,
// unmodified, between two sidecars; gRPC and HTTP/2 services that link the library;
// and hosts in network namespaces of their own. The authorities are processes, their
// keys come from a ceremony, and every wallet was enrolled with codes.
//
// Programs are those that 'make tools' installs. They run on free ports or sockets in
// temporary directories, and die with the test process, however that ends.
package interop

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// roleVariable makes this test binary play a part in a process of its own.
const roleVariable = "MILAGRO_INTEROP_ROLE"

// setUpWithin bounds what tests wait for: a process that starts, a port that opens.
const setUpWithin = 30 * time.Second

// TestMain also plays the parts that tests start in processes of their own.
func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case roleService:
		os.Exit(reportRole(service(context.Background(), os.Args[1:])))
	}
	// Debian keeps daemons where only root looks.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	// Tests wait for clocks and other processes: more of them at once than processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err) // a flag of package testing
	}
	status := m.Run()
	for _, done := range atEnd {
		done()
	}
	os.Exit(status)
}

func reportRole(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// atEnd is run when all tests are over.
var atEnd []func()

// milagro returns the path of the command, built once. A second test process, in
// namespaces of its own, uses that of the first.
var milagro = sync.OnceValues(func() (string, error) {
	if built := os.Getenv("MILAGRO_INTEROP_BINARY"); built != "" {
		return built, nil
	}
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return "", err
	}
	atEnd = append(atEnd, func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "milagro")
	if out, err := exec.Command("go", "build", "-o", path, "milagro.dev/cmd/milagro").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must returns v to be had with a test: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// await asks until the answer is nil.
func await(t testing.TB, what string, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(setUpWithin)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
