package wallet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// lockFile is the name of the file by which a directory is locked.
const lockFile = "lock"

// lockPause lies between two tries to take a lock that another process holds.
const lockPause = 20 * time.Millisecond

// lock makes this goroutine the only writer in dir, in all processes, until
// unlock is called. It waits for as long as ctx allows, then says ErrBusy. The
// kernel frees the lock of a process that dies.
func (w *Wallet) lock(ctx context.Context, dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fileError(path, err)
	}
	for {
		held, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fileError(path, err)
		}
		if held {
			return func() { f.Close() }, w.disk.sweep(dir)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, &FileError{Path: path, Err: fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx)),
				hint: "wait for it to finish, or stop it"}
		case <-time.After(lockPause):
		}
	}
}
