package harness

import "syscall"

// diesWithTests lets the kernel end a process when the tests end, even if they
// are killed.
func diesWithTests() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
