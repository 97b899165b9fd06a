package bridge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// maxPath is the longest path that the kernel takes for a socket, in bytes.
const maxPath = 107

// Listen makes the socket of the Workload API at path: mode 0600, or 0666 if the
// entries name others than the own user, who must be able to connect. It is there
// with that mode or not at all. One that a dead process left is replaced; one on
// which somebody listens is left alone, and so is anything that is no socket.
// Closing the listener removes it.
func (b *Bridge) Listen(path string) (net.Listener, error) {
	mode := os.FileMode(0o600)
	for _, e := range b.entries {
		if e.Workload != User(uint32(os.Geteuid())) {
			mode = 0o666
		}
	}
	l, err := listen(path, mode)
	if err != nil {
		return nil, fmt.Errorf("workload socket %s: %w", path, err)
	}
	return l, nil
}

// listen binds in a private directory, where the mode is set, and moves the
// socket to its place.
func listen(path string, mode os.FileMode) (net.Listener, error) {
	unlock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := mustBeFree(path); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(filepath.Dir(path), ".")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	first := filepath.Join(private, "s")
	if longest := max(len(first), len(path)); longest > maxPath {
		return nil, fmt.Errorf("the path of a socket has at most %d bytes; here, or while it is made, it has %d: choose a shorter one", maxPath, longest)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would unlink first
	s := &socket{UnixListener: l, path: path}
	if err := os.Chmod(first, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if s.info, err = os.Lstat(first); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := os.Rename(first, path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return s, nil
}

// mustBeFree refuses a path that is in use.
func mustBeFree(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return errors.New("something else is there: name another path, or move it away")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(errors.New("another process serves it: stop that one, or name another path"), conn.Close())
	}
	if !refused(err) {
		return fmt.Errorf("whether somebody serves it is not known: %w", err)
	}
	return nil
}

// socket is a listener that removes its own path, and not that of who came after.
type socket struct {
	*net.UnixListener
	path string
	info os.FileInfo
}

// Addr is net.Listener.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

// Close is net.Listener.
func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.info) {
		err = os.Remove(s.path)
		return errors.Join(s.UnixListener.Close(), err)
	}
	return s.UnixListener.Close()
}
