//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package wallet

import (
	"errors"
	"os"
	"syscall"
)

// tryLock reports whether f is now locked through this open file.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
