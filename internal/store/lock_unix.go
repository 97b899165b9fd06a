//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	// lockPatience is how long a lock is asked for again. A process that was
	// killed, or a child between fork and exec, holds its descriptors for a
	// moment longer.
	lockPatience = time.Second
	lockPause    = 10 * time.Millisecond
)

// lockFile takes the lock at path for this process. The kernel frees it when
// the process ends, however it ends; the empty file stays.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for waited := time.Duration(0); errors.Is(err, syscall.EWOULDBLOCK) && waited < lockPatience; waited += lockPause {
		time.Sleep(lockPause)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, &OpenError{
			err:    ErrInUse,
			detail: "locked at " + path,
			hint:   "one process serves one directory: stop the other one first",
		}
	}
	return nil, fmt.Errorf("%w: lock %s: %w", ErrUnavailable, path, err)
}
