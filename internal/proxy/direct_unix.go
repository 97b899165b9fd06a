//go:build unix

package proxy

import (
	"io"
	"net"
	"os"
	"syscall"
)

// socketWriter writes to a socket. One goroutine writes at a time.
type socketWriter struct {
	conn  net.Conn
	raw   syscall.RawConn
	ready func(fd uintptr) bool
	rest  []byte
	err   error
}

// writerTo returns what writes to conn: conn itself if it is no socket.
func writerTo(conn net.Conn) io.Writer {
	raw := rawOf(conn)
	if raw == nil {
		return conn
	}
	w := &socketWriter{conn: conn, raw: raw}
	w.ready = func(fd uintptr) bool {
		for len(w.rest) > 0 {
			n, err := writeNow(fd, w.rest)
			switch err {
			case nil:
				w.rest = w.rest[n:]
			case syscall.EINTR:
			case syscall.EAGAIN:
				return false
			default:
				w.err = err
				return true
			}
		}
		return true
	}
	return w
}

// Write writes all of p, unless there is an error.
func (w *socketWriter) Write(p []byte) (int, error) {
	w.rest, w.err = p, nil
	err := w.raw.Write(w.ready)
	n := len(p) - len(w.rest)
	w.rest = nil
	if err == nil && w.err != nil {
		err = failedTo("write", w.conn, w.err)
	}
	return n, err
}

// rawOf returns the socket of conn, nil if it is none.
func rawOf(conn net.Conn) syscall.RawConn {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// failedTo is the error of package net for a system call.
func failedTo(do string, conn net.Conn, err error) error {
	return &net.OpError{Op: do, Net: conn.LocalAddr().Network(), Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: os.NewSyscallError(do, err)}
}
