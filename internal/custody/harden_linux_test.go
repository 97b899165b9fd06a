package custody

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain also plays the child process of the test below: what Harden does
// cannot be undone.
func TestMain(m *testing.M) {
	if os.Getenv("CUSTODY_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	err := Harden()
	var cores unix.Rlimit
	limitErr := unix.Getrlimit(unix.RLIMIT_CORE, &cores)
	dumpable, prctlErr := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Println(err, limitErr, prctlErr, cores.Cur, cores.Max, dumpable)
}

func TestHardenedProcessDumpsNothing(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "CUSTODY_TEST_CHILD=1")
	said, err := cmd.Output()
	if err != nil || string(said) != "<nil> <nil> <nil> 0 0 0\n" {
		t.Fatalf("child said %q, %v: want no error, core size 0 (hard limit too), not dumpable", said, err)
	}
}
