package logintest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// keepers is a directory without its sockets and locks.
type keepers struct{ fs.FS }

// ReadDir returns the regular files and directories of a directory.
func (k keepers) ReadDir(name string) (kept []fs.DirEntry, err error) {
	entries, err := fs.ReadDir(k.FS, name)
	for _, e := range entries {
		if e.IsDir() || e.Type().IsRegular() {
			kept = append(kept, e)
		}
	}
	return kept, err
}

// private takes everybody else's rights from what is in a directory.
func private(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		if e.IsDir() {
			mode = 0o700
		}
		return errors.Join(os.Chmod(path, mode))
	})
}
