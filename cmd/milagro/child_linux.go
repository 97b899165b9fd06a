package main

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel stop a child whose parent died before the child
// came to look at its stdin.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
