package servers

import "syscall"

// diesWithThread lets the kernel end a process when the thread that started it
// ends, which it does when the tests are killed.
func diesWithThread() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
