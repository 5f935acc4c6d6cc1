package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// floorOrder is the first line the floor's child process reads; the frame's
// bytes follow. Then come commands, one a line:
//
//	run START EVERY COUNT   write COUNT frames to all sockets, the first at START
//	                        (CLOCK_MONOTONIC, nanoseconds), EVERY nanoseconds apart
//	begin                   start to measure CPU time
//	one                     write one frame to all sockets now
//	end                     stop to measure
//
// It answers with its port, with "ready" when all viewers are connected, and
// after run and end with "done CPU", in nanoseconds.
type floorOrder struct {
	Viewers    int `json:"viewers"`
	FrameBytes int `json:"frame_bytes"`
	SendBuffer int `json:"send_buffer"`
}

// FloorChild is the child process of --floor: the least a server could do. It
// accepts connections, and writes the same bytes to each in a bare loop.
func FloorChild(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	var order floorOrder
	if err := json.Unmarshal(first, &order); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	frame := make([]byte, order.FrameBytes)
	if _, err := io.ReadFull(lines, frame); err != nil {
		return fmt.Errorf("read the frame: %w", err)
	}
	if len(frame) == 0 {
		return fmt.Errorf("%w: an empty frame", io.ErrUnexpectedEOF)
	}
	fds, err := acceptViewers(order, out)
	if err != nil {
		return err
	}
	return obey(lines, out, fds, frame)
}

// acceptViewers listens on a port of the kernel's choice and takes so many
// connections.
func acceptViewers(order floorOrder, out io.Writer) ([]int, error) {
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(ln) }()
	if err := unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(ln, unix.SOMAXCONN); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	name, err := unix.Getsockname(ln)
	if err != nil {
		return nil, fmt.Errorf("getsockname: %w", err)
	}
	if _, err := fmt.Fprintln(out, name.(*unix.SockaddrInet4).Port); err != nil {
		return nil, fmt.Errorf("tell the port: %w", err)
	}
	fds := make([]int, order.Viewers)
	for i := range fds {
		fd, _, err := unix.Accept4(ln, unix.SOCK_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("accept: %w", err)
		}
		fds[i] = fd
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return nil, fmt.Errorf("TCP_NODELAY: %w", err)
		}
		if order.SendBuffer > 0 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, order.SendBuffer); err != nil {
				return nil, fmt.Errorf("SO_SNDBUF: %w", err)
			}
		}
	}
	_, err = fmt.Fprintln(out, "ready")
	return fds, err
}

func obey(lines *bufio.Reader, out io.Writer, fds []int, frame []byte) error {
	var since time.Duration
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF { // bufio returns it bare
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a command: %w", err)
		}
		switch command := strings.TrimSpace(line); command {
		case "begin":
			since = ownCPU()
		case "one":
			err = writeAll(fds, frame)
		case "end":
			_, err = fmt.Fprintf(out, "done %d\n", ownCPU()-since)
		default:
			var start, every int64
			var count int
			if _, err := fmt.Sscanf(command, "run %d %d %d", &start, &every, &count); err != nil {
				return fmt.Errorf("command %q: %w", command, err)
			}
			since = ownCPU()
			for i := 0; i < count && err == nil; i++ {
				sleepUntil(start + int64(i)*every)
				err = writeAll(fds, frame)
			}
			if err == nil {
				_, err = fmt.Fprintf(out, "done %d\n", ownCPU()-since)
			}
		}
		if err != nil {
			return err
		}
	}
}

// writeAll is the bare loop. The sockets block: there is nothing better to do
// than to wait for a full one.
func writeAll(fds []int, frame []byte) error {
	for _, fd := range fds {
		for rest := frame; len(rest) > 0; {
			n, errno := rawWrite(fd, rest)
			if errno != 0 && errno != unix.EINTR {
				return fmt.Errorf("write: %w", errno)
			}
			rest = rest[n:]
		}
	}
	return nil
}

// sleepUntil sleeps to a time of CLOCK_MONOTONIC in nanoseconds; it returns at
// once if that is past.
func sleepUntil(at int64) {
	ts := unix.NsecToTimespec(at)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
			uintptr(unsafe.Pointer(&ts)), 0, 0, 0) //nolint:gosec // the kernel reads the time given
		if errno != unix.EINTR {
			return
		}
	}
}

// monotonic is the present time of CLOCK_MONOTONIC in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
