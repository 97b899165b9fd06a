package proxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

const (
	// recordHeader is the size of a TLS record's header.
	recordHeader = 5
	// joined is the size of the buffer for the records of one write of bulk bytes.
	joined = bulk + 1<<10
)

// hookedConn is the socket below TLS. It says when it is closed, whoever closes it.
// It reads ahead and hands out record by record, so that it knows whether the next
// one is here, and it joins the records of one write. While the connection is quiet
// it holds no buffer.
type hookedConn struct {
	net.Conn
	buffers *buffers
	session *session    // of the identity TLS over it; nil if there is none
	dry     atomic.Bool // the socket has ended

	// Of the goroutine that reads.
	reader    *socketReader // nil if the socket is read as it is
	ahead     *[bulk]byte   // nil if nothing was read ahead
	unread    []byte        // of ahead
	header    [recordHeader]byte
	have      int  // of header
	rest      int  // of the record that has begun
	impatient bool // do not wait for bytes

	writing sync.Mutex // of all below
	writer  io.Writer  // to the socket
	joined  *[joined]byte
	unsent  []byte // of joined

	mu     sync.Mutex // of all below
	closed bool
	hooks  func()
}

// hook returns raw with everything of a hookedConn.
func (b *buffers) hook(raw net.Conn) *hookedConn {
	return &hookedConn{Conn: raw, buffers: b, reader: b.reader(raw), writer: writerTo(raw)}
}

// errNotHere says that a read would have to wait. It is temporary: crypto/tls goes
// on where it was at the next read.
var errNotHere net.Error = notHere{}

type notHere struct{}

// Error returns the text.
func (notHere) Error() string { return "no bytes here yet" }

// Timeout reports that it is none.
func (notHere) Timeout() bool { return false }

// Temporary reports that the next read may succeed.
func (notHere) Temporary() bool { return true }

// Read reads from the socket, no further than to the end of a header or record.
func (c *hookedConn) Read(p []byte) (int, error) {
	if c.reader == nil {
		n, err := c.Conn.Read(p)
		c.dry.CompareAndSwap(false, errors.Is(err, io.EOF))
		return n, err
	}
	if len(c.unread) == 0 {
		if c.impatient {
			return 0, errNotHere
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := c.hand(p)
	if len(c.unread) == 0 {
		c.buffers.bulk.Put(c.ahead)
		c.ahead, c.unread = nil, nil
	}
	return n, nil
}

// hand moves bytes that were read ahead into p, up to the end of a header or record.
func (c *hookedConn) hand(p []byte) int {
	n := 0
	if c.rest > 0 {
		n = copy(p[:min(len(p), c.rest)], c.unread)
		c.rest -= n
	} else {
		n = copy(p[:min(len(p), recordHeader-c.have)], c.unread)
		c.have += copy(c.header[c.have:], p[:n])
		if c.have == recordHeader {
			c.have, c.rest = 0, int(binary.BigEndian.Uint16(c.header[3:]))
		}
	}
	c.unread = c.unread[n:]
	return n
}

// await waits until there are bytes to read.
func (c *hookedConn) await() error {
	if len(c.unread) > 0 {
		return nil
	}
	return c.fill()
}

func (c *hookedConn) fill() error {
	buffer, n, err := c.reader.next()
	if err != nil {
		c.dry.CompareAndSwap(false, errors.Is(err, io.EOF))
		return err
	}
	c.ahead, c.unread = buffer, buffer[:n]
	return nil
}

// whole reports whether the next record is here, complete.
func (c *hookedConn) whole() bool {
	if c.rest > 0 || c.have > 0 || len(c.unread) < recordHeader {
		return false
	}
	return len(c.unread) >= recordHeader+int(binary.BigEndian.Uint16(c.unread[3:]))
}

// Write writes to the socket, or to the records that are collected.
func (c *hookedConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.joined == nil {
		return c.writer.Write(p)
	}
	if len(c.unsent)+len(p) > joined {
		if err := c.send(); err != nil {
			return 0, err
		}
	}
	if len(p) > joined {
		return c.writer.Write(p)
	}
	c.unsent = append(c.unsent, p...)
	return len(p), nil
}

// collect has writes wait for release.
func (c *hookedConn) collect() {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.joined == nil {
		c.joined = c.buffers.joined.Get().(*[joined]byte)
		c.unsent = c.joined[:0]
	}
}

// release writes what was collected.
func (c *hookedConn) release() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.send()
	c.buffers.joined.Put(c.joined)
	c.joined, c.unsent = nil, nil
	return err
}

func (c *hookedConn) send() error {
	if len(c.unsent) == 0 {
		return nil
	}
	_, err := c.writer.Write(c.unsent)
	c.unsent = c.unsent[:0]
	return err
}

// then has f called once when c is closed, at once if it is.
func (c *hookedConn) then(f func()) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.hooks = f
	}
	c.mu.Unlock()
	if closed {
		f()
	}
}

// Close closes the connection.
func (c *hookedConn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	f := c.hooks
	c.closed, c.hooks = true, nil
	c.mu.Unlock()
	if f != nil {
		f()
	}
	return err
}
