package balancer

import "syscall"

// asksToEndWithThread lets the kernel end a process when the tests end. It is
// asked to, and not killed, as nginx must end its workers.
func asksToEndWithThread() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
