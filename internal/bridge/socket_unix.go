//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bridge

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockPatience is how long another process may take to make its socket.
const lockPatience = 5 * time.Second

// lockDirectory lets one process at a time look who serves a socket and take its
// place.
func lockDirectory(path string) (unlock func() error, err error) {
	directory, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	// Whoever can read the directory can hold its lock: do not wait for ever.
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err = syscall.Flock(int(directory.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || time.Now().After(end) || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock of %s: %w", path, err), directory.Close())
	}
	return directory.Close, nil
}

// refused reports whether nobody listens at a socket that is there.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
