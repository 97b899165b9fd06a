//go:build !linux

package custody

import (
	"fmt"
	"runtime"
)

// Harden would keep this process's memory from others of the same user; on
// this system it cannot and says so.
func Harden() error {
	return fmt.Errorf("core dumps and tracing cannot be turned off on %s", runtime.GOOS)
}
