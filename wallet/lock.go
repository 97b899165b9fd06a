package wallet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"milagro.dev/identity"
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
			break
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, &FileError{Path: path, Err: fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx)),
				hint: "wait for it to finish, or stop it"}
		case <-time.After(lockPause):
		}
	}
	if err := w.disk.sweep(dir); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// lockName is lock for a name that was enrolled once, else ErrNotEnrolled.
func (w *Wallet) lockName(ctx context.Context, n identity.Name) (unlock func(), err error) {
	if _, err := os.Stat(w.nameDir(n)); missing(err) {
		return nil, notEnrolled(n)
	}
	return w.lock(ctx, w.nameDir(n))
}
