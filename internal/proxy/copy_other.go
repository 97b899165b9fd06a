//go:build !unix

package proxy

import (
	"io"
	"net"
)

// copyReady copies what a socket brings until its end.
func (b *buffers) copyReady(to io.Writer, from net.Conn, count func(int)) error {
	return b.copyPlain(to, from, count)
}

// socketReader is none here: connections are read as they are.
type socketReader struct{}

func (*buffers) reader(net.Conn) *socketReader { return nil }

func (*socketReader) next() (buffer *[bulk]byte, n int, err error) { return nil, 0, io.EOF }

func writerTo(conn net.Conn) io.Writer { return conn }

func isNotConnected(error) bool { return false }
