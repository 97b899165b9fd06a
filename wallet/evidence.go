package wallet

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// keepEvidence stores b under a name in the evidence directory, unless there is
// evidence of that name already, and returns its path.
func (w *Wallet) keepEvidence(name string, b []byte) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), localWait)
	defer cancel()
	unlock, err := w.lock(ctx, w.evidenceDir())
	if err != nil {
		return "", err
	}
	defer unlock()
	path := filepath.Join(w.evidenceDir(), name)
	if err := w.disk.create(path, b); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return path, nil
}
