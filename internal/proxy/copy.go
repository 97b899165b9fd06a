package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
)

const (
	// bulk is the size of the buffers for plain bytes: four full records.
	bulk = 64 << 10
	// fullRecord is the most that a TLS record holds.
	fullRecord = 16 << 10
)

// buffers are borrowed while bytes move and given back while a connection is
// quiet: thousands of idle ones cost no buffers.
type buffers struct{ bulk, record, joined sync.Pool }

func newBuffers() *buffers {
	return &buffers{
		bulk:   sync.Pool{New: func() any { return new([bulk]byte) }},
		record: sync.Pool{New: func() any { return new([fullRecord]byte) }},
		joined: sync.Pool{New: func() any { return new([joined]byte) }},
	}
}

// copyRecords copies what a TLS connection brings until it is ended by a
// close_notify. A socket that ends without one is io.ErrUnexpectedEOF.
func (b *buffers) copyRecords(to io.Writer, from *tls.Conn, count func(int)) error {
	hooked, ok := from.NetConn().(*hookedConn)
	if !ok || hooked.reader == nil {
		if err := b.copyPlain(to, from, count); err != nil {
			return err
		}
		return ended(from)
	}
	for {
		// TLS holds no bytes back: it got no more than whole records, and what they
		// held was read.
		if err := hooked.await(); errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
		buffer := b.bulk.Get().(*[bulk]byte)
		n, err := readRecords(from, buffer[:])
		if n > 0 {
			if failed := write(to, buffer[:n], count); failed != nil {
				err = failed
			}
		}
		b.bulk.Put(buffer)
		if errors.Is(err, io.EOF) {
			return ended(from)
		}
		if err != nil {
			return err
		}
	}
}

// readRecords reads a record, and those that are here already, as far as there is
// room for them.
func readRecords(from *tls.Conn, into []byte) (int, error) {
	n, err := from.Read(into)
	hooked, ok := from.NetConn().(*hookedConn)
	for ok && err == nil && n+fullRecord <= len(into) && hooked.whole() {
		var more int
		hooked.impatient = true
		more, err = from.Read(into[n:])
		hooked.impatient = false
		n += more
	}
	if errors.Is(err, errNotHere) { // the record was for TLS itself
		err = nil
	}
	return n, err
}

// ended returns nil if the peer has said that this is the end. crypto/tls does not
// tell that from a socket that ended between two records.
func ended(conn *tls.Conn) error {
	if hooked, ok := conn.NetConn().(*hookedConn); ok && hooked.dry.Load() {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// copyPlain is copyReady for connections that cannot say when they are ready.
func (b *buffers) copyPlain(to io.Writer, from net.Conn, count func(int)) error {
	buffer := make([]byte, bulk)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if err := write(to, buffer[:n], count); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
