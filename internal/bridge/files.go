package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"milagro.dev/identity"
)

// current is the link to the directory of the present answer. What begins with
// two dots, programs that read a whole directory leave alone.
const current = "..data"

// Files is one SVID for programs that read certificates from a disk.
type Files struct {
	// Name is the name in the SVID.
	Name identity.Name
	// NotAfter is when the SVID ends.
	NotAfter time.Time

	svid, key, bundle []byte // PEM
}

func newFiles(s *x509svid.SVID, bundle *x509bundle.Bundle) (*Files, error) {
	name, err := identity.ParseName(s.ID.String())
	if err != nil {
		return nil, err
	}
	f := &Files{Name: name, NotAfter: s.Certificates[0].NotAfter}
	if f.svid, f.key, err = s.Marshal(); err != nil {
		return nil, err
	}
	f.bundle, err = bundle.Marshal()
	return f, err
}

// Write puts svid.pem, key.pem (mode 0600) and bundle.pem into dir, which it makes
// if need be. The three are links through ..data to the files of one answer, and
// one rename switches ..data: who opens them one after the other between two
// switches has three that belong together. What Write did not make it leaves.
func (f *Files) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	contents := map[string][]byte{"svid.pem": f.svid, "key.pem": f.key, "bundle.pem": f.bundle}
	for name := range contents {
		if err := mustBeLink(dir, name); err != nil {
			return err
		}
	}
	fresh, err := os.MkdirTemp(dir, "..")
	if err != nil {
		return err
	}
	old, err := f.replace(dir, fresh, contents)
	if err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	for name := range contents {
		if err := os.Symlink(filepath.Join(current, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if old == "" {
		return nil
	}
	return os.RemoveAll(old)
}

// mustBeLink refuses to replace a file that Write did not make.
func mustBeLink(dir, name string) error {
	path := filepath.Join(dir, name)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if target, err := os.Readlink(path); err != nil || target != filepath.Join(current, name) {
		return &advised{fmt.Errorf("%s is there and is not of this command", path), "name another directory, or move the file away"}
	}
	return nil
}

// replace fills the directory fresh and makes it the current one. It returns the
// one that was, "" if there was none.
func (f *Files) replace(dir, fresh string, contents map[string][]byte) (old string, err error) {
	for name, text := range contents {
		mode := fs.FileMode(0o644)
		if name == "key.pem" {
			mode = 0o600
		}
		if err := writeFile(filepath.Join(fresh, name), mode, text); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return "", err
	}
	if target, err := os.Readlink(filepath.Join(dir, current)); err == nil && filepath.Base(target) == target {
		old = filepath.Join(dir, target)
	}
	link := fresh + ".link"
	if err := os.Symlink(filepath.Base(fresh), link); err != nil {
		return "", err
	}
	if err := os.Rename(link, filepath.Join(dir, current)); err != nil {
		return "", errors.Join(err, os.Remove(link))
	}
	return old, nil
}

func writeFile(path string, mode fs.FileMode, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	// Chmod: the umask of a service may be anything.
	return errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
}
