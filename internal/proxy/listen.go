package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// listen opens a socket. A unix socket is made with its mode, so that there is no
// moment at which others could connect; one that a killed process left behind is
// replaced, one that answers is not.
func listen(ctx context.Context, a Address, mode SocketMode) (net.Listener, error) {
	var config net.ListenConfig
	path := a.Path()
	if path != "" {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		config.Control = func(_, _ string, c syscall.RawConn) error { return restrictSocket(c, mode) }
	}
	l, err := config.Listen(ctx, a.Network(), a.Text())
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w (after the start a proxy with hardening opens only what its first configuration named: restart it)", err)
	}
	if err != nil {
		return nil, err
	}
	if path != "" {
		if err := chmod(path, mode); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

func chmod(path string, mode SocketMode) error { return os.Chmod(path, os.FileMode(mode)) }

// removeStale removes the socket at path if nobody listens on it.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is there and no socket", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s: another process listens there", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}
