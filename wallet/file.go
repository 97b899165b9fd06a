package wallet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds what is read of any file of a wallet, in bytes.
const maxFile = 1 << 20

// disk is how a wallet touches its files. Every file appears complete or not at
// all, and is durable before the call returns.
type disk struct {
	// step, in tests, is told of each change before it happens: the process may be
	// killed there, and an error is taken for the system's.
	step func(operation string) error
}

func (d disk) before(operation string) error {
	if d.step == nil {
		return nil
	}
	return d.step(operation)
}

// read returns the content of a file that nobody else may read.
func (d disk) read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fileError(path, err)
	}
	if err := private(path, info); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, damaged(path, errors.New("not a file that a wallet writes"))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fileError(path, err)
	}
	return b, nil
}

// private refuses what the group or others have any right to.
func private(path string, info fs.FileInfo) error {
	perm := info.Mode().Perm()
	if perm&0o077 == 0 {
		return nil
	}
	want := "600"
	if info.IsDir() {
		want = "700"
	}
	return &FileError{Path: path, Err: fmt.Errorf("%w: mode %04o", ErrPermissions, perm),
		hint: "chmod " + want + " " + path + "; enrol anew under another device key if others may have read it"}
}

// create writes a file that is not there yet: fs.ErrExist. The caller holds the
// lock of its directory.
func (d disk) create(path string, data []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return fileError(path, fs.ErrExist)
	}
	return d.replace(path, data)
}

// replace writes a file in place of the one at path, if there is one. The
// caller holds the lock of its directory.
func (d disk) replace(path string, data []byte) error {
	dir, name := filepath.Split(path)
	if err := d.before("make " + name); err != nil {
		return fileError(path, err)
	}
	temp, err := os.CreateTemp(dir, "."+name+".*") // mode 0600
	if err != nil {
		return fileError(path, err)
	}
	if err := d.fill(temp, name, data); err != nil {
		return fileError(path, errors.Join(err, os.Remove(temp.Name())))
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return fileError(path, errors.Join(err, os.Remove(temp.Name())))
	}
	if err := d.before("sync the directory of " + name); err != nil {
		return fileError(path, err)
	}
	return syncDir(dir)
}

// fill writes data to temp, which is to become the file of that name, and closes it.
func (d disk) fill(temp *os.File, name string, data []byte) error {
	err := d.before("write " + name)
	if err == nil {
		_, err = temp.Write(data)
	}
	err = errors.Join(err, d.before("sync "+name), temp.Sync(), temp.Close())
	return errors.Join(err, d.before("rename "+name))
}

// erase overwrites a file with zeros and removes it. File systems that write
// elsewhere keep the old blocks; what ends the use of an old key is its epoch.
func (d disk) erase(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if missing(err) {
		return nil
	}
	if err != nil {
		return fileError(path, err)
	}
	err = d.before("erase " + filepath.Base(path))
	if info, statErr := f.Stat(); err == nil && statErr == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	err = errors.Join(err, f.Sync(), f.Close(), d.before("remove "+filepath.Base(path)))
	if err != nil {
		return fileError(path, err)
	}
	if err := os.Remove(path); err != nil {
		return fileError(path, err)
	}
	return syncDir(filepath.Dir(path))
}

// makeDir makes a directory that only the owner enters, if it is not there.
func (d disk) makeDir(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if err := d.before("make directory " + filepath.Base(path)); err != nil {
		return fileError(path, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fileError(path, err)
	}
	return syncDir(filepath.Dir(path))
}

// sweep erases the unfinished files of a killed process in dir, whose lock the
// caller holds: there may be a secret in them.
func (d disk) sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fileError(dir, err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := d.erase(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fileError(path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fileError(path, err)
	}
	return nil
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func damaged(path string, cause error) error {
	return &FileError{Path: path, Err: fmt.Errorf("%w: %w", ErrDamaged, cause),
		hint: "it was left as it is: restore it from a copy, or move it away"}
}

// fileError takes the path out of err, since FileError says it.
func fileError(path string, err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		err = at.Err
	}
	return &FileError{Path: path, Err: err}
}
