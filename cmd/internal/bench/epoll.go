package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	eventBatch = 512 // events taken from the kernel at once
	wakeSlot   = -1  // slot of the poller's own eventfd
)

// Sockets are watched edge triggered, for everything at once, and are never
// changed again: one epoll_ctl in a connection's life.
const watchFor = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// poller is an epoll with an eventfd that wakes it from other goroutines. An
// event's Fd holds the slot and its Pad the generation given to add.
type poller struct {
	fd     int
	events [eventBatch]unix.EpollEvent

	mu     sync.Mutex // so that a late wake doesn't write to what has the number next
	wakeFD int        // -1 once closed
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &poller{fd: fd, wakeFD: wake}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, wake, &ev); err != nil {
		p.close()
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	return p, nil
}

func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = unix.Close(p.fd)
	_ = unix.Close(p.wakeFD)
	p.wakeFD = -1
}

func (p *poller) add(fd int, slot, gen int32) error {
	ev := unix.EpollEvent{Events: watchFor, Fd: slot, Pad: gen}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

func (p *poller) remove(fd int) error {
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// wait returns the events that are there, or that come within the timeout
// (negative: any time). The slice is overwritten by the next wait. epoll_pwait2
// takes nanoseconds, so that a schedule is kept to the microsecond.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	var ts *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	events, until := unsafe.Pointer(&p.events), unsafe.Pointer(ts) //nolint:gosec // the kernel fills the array given
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(events), eventBatch, uintptr(until), 0, 0)
	if errno == unix.ENOSYS {
		return p.waitMillis(timeout)
	}
	if errno != 0 && errno != unix.EINTR {
		return nil, fmt.Errorf("epoll_pwait2: %w", errno)
	}
	if errno != 0 {
		n = 0
	}
	return p.events[:n], nil
}

// waitMillis is wait for kernels before 5.11.
func (p *poller) waitMillis(timeout time.Duration) ([]unix.EpollEvent, error) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.EpollWait(p.fd, p.events[:], ms)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return nil, fmt.Errorf("epoll_wait: %w", err)
	}
	return p.events[:max(n, 0)], nil
}

// wake makes a wait in progress, or the next one, return. Any goroutine may
// call it, at any time.
func (p *poller) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wakeFD < 0 {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(p.wakeFD, one[:]) // fails only if it is as awake as can be
}

// woken consumes the wake-ups so far.
func (p *poller) woken() {
	var b [8]byte
	_, _ = unix.Read(p.wakeFD, b[:])
}

// rawRead is read(2) on a non-blocking socket without a word to the Go
// scheduler: it never blocks, and a reader does it hundreds of thousands of
// times a second.
func rawRead(fd int, buf []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf))) //nolint:gosec // the kernel fills the slice given
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// rawWrite is write(2) on a non-blocking socket in the same way.
func rawWrite(fd int, buf []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf))) //nolint:gosec // the kernel reads the slice given
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
