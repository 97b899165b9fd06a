//go:build unix

package proxy

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// copyReady copies what a socket brings until its end. It borrows a buffer only
// when there is something to read.
func (b *buffers) copyReady(to io.Writer, from net.Conn, count func(int)) error {
	reader := b.reader(from)
	if reader == nil {
		return b.copyPlain(to, from, count)
	}
	for {
		buffer, n, err := reader.next()
		if err == nil {
			err = write(to, buffer[:n], count)
			b.bulk.Put(buffer)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// socketReader reads a socket into buffers that it borrows once there is something
// to read.
type socketReader struct {
	conn   net.Conn
	raw    syscall.RawConn
	ready  func(fd uintptr) bool
	buffer *[bulk]byte
	n      int
	err    error
}

// reader returns a reader of conn, nil if conn is no socket.
func (b *buffers) reader(conn net.Conn) *socketReader {
	raw := rawOf(conn)
	if raw == nil {
		return nil
	}
	r := &socketReader{conn: conn, raw: raw}
	r.ready = func(fd uintptr) bool {
		r.buffer = b.bulk.Get().(*[bulk]byte)
		for {
			r.n, r.err = readNow(fd, r.buffer[:])
			if r.err != syscall.EINTR {
				break
			}
		}
		if r.err == nil && r.n > 0 {
			return true
		}
		b.bulk.Put(r.buffer)
		r.buffer = nil
		return r.err != syscall.EAGAIN
	}
	return r
}

// next waits for bytes; the buffer is to be put back. The end is io.EOF.
func (r *socketReader) next() (buffer *[bulk]byte, n int, err error) {
	if err := r.raw.Read(r.ready); err != nil {
		return nil, 0, err
	}
	switch {
	case r.err != nil:
		return nil, 0, failedTo("read", r.conn, r.err)
	case r.buffer == nil:
		return nil, 0, io.EOF
	}
	buffer, r.buffer = r.buffer, nil
	return buffer, r.n, nil
}

// isNotConnected reports whether err says that the other end has gone already.
func isNotConnected(err error) bool { return errors.Is(err, syscall.ENOTCONN) }
