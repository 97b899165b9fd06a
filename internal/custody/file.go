package custody

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds what ReadSecretFile reads: a sealed secret with its envelope.
const maxFile = 2*MaxSecret + 4096

// FileError is an error about one secret file that somebody has to act on.
type FileError struct {
	Path string
	err  error
	hint string
}

// Error returns what is wrong with which file, in one line.
func (e *FileError) Error() string { return e.Path + ": " + e.err.Error() }

// Unwrap returns the cause, which wraps a sentinel of this package or of io/fs.
func (e *FileError) Unwrap() error { return e.err }

// Hint returns what to do next.
func (e *FileError) Hint() string { return e.hint }

// WriteSecretFile writes data to a new file at path, mode 0600. The file
// appears complete or not at all, and is durable when the call returns. An
// existing file is never replaced: fs.ErrExist.
func WriteSecretFile(path string, data []byte) error {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	temp, err := os.CreateTemp(dir, "."+name+".*") // mode 0600
	if err != nil {
		return &FileError{Path: path, err: err}
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return &FileError{Path: path, err: err}
	}
	// link, unlike rename, does not replace.
	if err := os.Link(temp.Name(), path); errors.Is(err, fs.ErrExist) {
		return &FileError{Path: path, err: fs.ErrExist, hint: "secrets are never overwritten: choose another place, or move the old file away"}
	} else if err != nil {
		return &FileError{Path: path, err: err}
	}
	return syncDir(dir)
}

// ReadSecretFile returns the content of the file at path. Errors: ErrPermissions
// when the group or others have any right to it, ErrDamaged when it is no
// regular file or too large to be a secret, and those of the operating system.
func ReadSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &FileError{Path: path, err: cause(err)}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &FileError{Path: path, err: cause(err)}
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{Path: path, err: fmt.Errorf("%w: not a regular file", ErrDamaged)}
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, &FileError{Path: path, err: fmt.Errorf("%w: mode %04o", ErrPermissions, perm),
			hint: "chmod 600 " + path + ", and change the secret if others may have read it"}
	}
	if info.Size() > maxFile {
		return nil, &FileError{Path: path, err: fmt.Errorf("%w: %d bytes, at most %d", ErrDamaged, info.Size(), maxFile)}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, &FileError{Path: path, err: cause(err)}
	}
	return b, nil
}

// RemoveSecretFile overwrites the file at path with zeros, removes it, and
// returns once that is durable; a missing file is no error. Disks and file
// systems that write elsewhere keep the old blocks: what protects a removed
// secret is that it was sealed.
func RemoveSecretFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &FileError{Path: path, err: cause(err)}
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	if err := errors.Join(err, f.Sync(), f.Close(), os.Remove(path)); err != nil {
		return &FileError{Path: path, err: err}
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return &FileError{Path: path, err: cause(err)}
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return &FileError{Path: path, err: err}
	}
	return nil
}

// cause takes the path out of err, since FileError says it.
func cause(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}
