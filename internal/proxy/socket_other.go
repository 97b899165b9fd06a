//go:build !linux

package proxy

import "syscall"

// restrictSocket does nothing: the socket gets its permissions once it has a name.
func restrictSocket(syscall.RawConn, SocketMode) error { return nil }
