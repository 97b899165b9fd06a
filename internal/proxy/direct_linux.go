package proxy

import (
	"syscall"
	"unsafe"
)

// readNow and writeNow are system calls that the scheduler is not told of. They
// never wait, since the socket is in non-blocking mode, and need none of what it does
// for calls that might: a process that is idle between two small messages would wake
// its monitor at each of them, which costs a third of the processor time of a
// message and comes before the message is passed on.

func readNow(fd uintptr, p []byte) (int, error) { return now(syscall.SYS_READ, fd, p) }

func writeNow(fd uintptr, p []byte) (int, error) { return now(syscall.SYS_WRITE, fd, p) }

// now calls with p, which is not empty.
func now(call, fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
