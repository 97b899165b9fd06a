package wallet

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// keepEvidence stores b under a name among the evidence against authorities of a
// domain, unless there is some of that name already, and returns its path.
func (w *Wallet) keepEvidence(domain, name string, b []byte) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), localWait)
	defer cancel()
	dir := filepath.Join(w.evidenceDir(), domain)
	if err := w.disk.makeDir(dir); err != nil {
		return "", err
	}
	unlock, err := w.lock(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	path := filepath.Join(dir, name)
	if err := w.disk.create(path, b); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return path, nil
}
