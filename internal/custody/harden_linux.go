package custody

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps this process's memory from others of the same user: it writes
// no core dump and cannot be traced or read through /proc by anyone but root.
// Call it before the first secret is read. It holds for the whole process and
// is not inherited through exec.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("turn tracing off: %w", err)
	}
	return nil
}
