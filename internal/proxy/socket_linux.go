package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// restrictSocket gives a socket its permissions before bind gives it a name: Linux
// makes the name with those of the socket.
func restrictSocket(c syscall.RawConn, mode SocketMode) error {
	var err error
	if failed := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), uint32(mode)) }); failed != nil {
		return failed
	}
	return err
}
