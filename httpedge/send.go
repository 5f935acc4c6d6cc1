package httpedge

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// send is send(2), without waiting. It takes microseconds and never blocks, so
// Go's scheduler is not told of it (RawSyscall): with it, a fan-out gave its
// processor away again and again.
func send(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), //nolint:gosec // as unix.Write does
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// receive is recv(2), without waiting. At the end of what the client sends it
// gives 0 and no error.
func receive(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), //nolint:gosec // as unix.Read does
		unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
