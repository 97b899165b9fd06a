package bridge

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// callerOf asks the kernel who connected. What it says is of the moment of
// connect(2): a process that gave its connection away answers for it.
func callerOf(conn net.Conn) (caller, error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return caller{}, errors.New("only a unix socket knows its caller")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return caller{}, err
	}
	var who *unix.Ucred
	var failure error
	err = raw.Control(func(fd uintptr) {
		who, failure = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, failure); err != nil {
		return caller{}, fmt.Errorf("who calls: %w", err)
	}
	return caller{uid: who.Uid, gid: who.Gid, pid: uint32(who.Pid)}, nil
}
