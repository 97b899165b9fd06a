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

func isNotConnected(error) bool { return false }
