//go:build unix

package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// copyReady copies what a socket brings until its end. It borrows a buffer only
// when there is something to read.
func (b *buffers) copyReady(to io.Writer, from net.Conn, count func(int)) error {
	socket, ok := from.(syscall.Conn)
	if !ok {
		return b.copyPlain(to, from, count)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var (
		buffer *[bulk]byte
		n      int
		failed error
	)
	ready := func(fd uintptr) bool {
		buffer = b.bulk.Get().(*[bulk]byte)
		for {
			n, failed = syscall.Read(int(fd), buffer[:])
			if failed != syscall.EINTR {
				break
			}
		}
		if failed != syscall.EAGAIN {
			return true
		}
		b.bulk.Put(buffer)
		return false
	}
	for {
		if err := raw.Read(ready); err != nil {
			return err
		}
		if failed == nil && n > 0 {
			failed = write(to, buffer[:n], count)
		} else if failed == nil {
			failed = io.EOF
		} else {
			failed = &net.OpError{Op: "read", Net: from.LocalAddr().Network(), Addr: from.RemoteAddr(), Err: os.NewSyscallError("read", failed)}
		}
		b.bulk.Put(buffer)
		if errors.Is(failed, io.EOF) {
			return nil
		}
		if failed != nil {
			return failed
		}
	}
}

// isNotConnected reports whether err says that the other end has gone already.
func isNotConnected(err error) bool { return errors.Is(err, syscall.ENOTCONN) }
