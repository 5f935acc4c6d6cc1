package bench

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// floorReader reads the floor's sockets with the same epoll and the same reads
// as a reader of streams, and counts whole frames by their length.
type floorReader struct {
	clk    clock
	poll   *poller
	buf    []byte
	length int64
	conns  []floorConn
	frames []*frame // arrivals of the k-th frame at all sockets
	have   []int    // sockets that have the k-th frame

	complete atomic.Int64  // frames that all sockets have
	notify   chan struct{} // one entry after complete has changed

	quit chan struct{}
	done chan struct{}
	err  error
}

type floorConn struct {
	fd  int
	got int64
}

// dialFloor connects so many sockets to the floor's child.
func dialFloor(clk clock, d *dialer, viewers, frameBytes int) (*floorReader, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	r := &floorReader{
		clk: clk, poll: poll, buf: make([]byte, readBuffer), length: int64(frameBytes),
		notify: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	for i := range viewers {
		fd, err := d.dial(i, 0)
		if err == nil {
			r.conns = append(r.conns, floorConn{fd: fd})
			err = waitWritable(fd)
		}
		if err == nil {
			err = r.poll.add(fd, int32(i), 0)
		}
		if err != nil {
			r.close()
			return nil, fmt.Errorf("floor, socket %d: %w", i, err)
		}
	}
	return r, nil
}

// waitWritable waits for a connection to be made. On loopback it is there at
// once, unless the queue of the other end is full.
func waitWritable(fd int) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(fds, int(joinTimeout/time.Millisecond))
		if err == unix.EINTR { // an errno
			continue
		}
		if err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("no connection within %s", joinTimeout)
		}
		return dialError(fd)
	}
}

func (r *floorReader) loop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(r.done)
	for {
		events, err := r.poll.wait(-1)
		if err != nil {
			r.err = err
			return
		}
		now := r.clk.now()
		for i := range events {
			if i%stampEvery == stampEvery-1 {
				now = r.clk.now()
			}
			if events[i].Fd != wakeSlot {
				r.read(&r.conns[events[i].Fd], now)
				continue
			}
			r.poll.woken()
			select {
			case <-r.quit:
				return
			default:
			}
		}
	}
}

func (r *floorReader) read(c *floorConn, now int64) {
	for {
		n, errno := rawRead(c.fd, r.buf)
		if n <= 0 && errno != unix.EINTR {
			return
		}
		before := c.got / r.length
		c.got += int64(n)
		for k := before; k < c.got/r.length; k++ {
			r.arrive(int(k), now)
		}
		if n < len(r.buf) {
			return
		}
	}
}

func (r *floorReader) arrive(k int, now int64) {
	for len(r.frames) <= k {
		r.frames = append(r.frames, &frame{})
		r.have = append(r.have, 0)
	}
	r.frames[k].arrive(now)
	r.have[k]++
	if r.have[k] == len(r.conns) {
		r.complete.Store(int64(k) + 1)
		select {
		case r.notify <- struct{}{}:
		default:
		}
	}
}

// stop ends the loop. What it found can be read afterwards.
func (r *floorReader) stop() {
	close(r.quit)
	r.poll.wake()
	<-r.done
}

func (r *floorReader) close() {
	for _, c := range r.conns {
		_ = unix.Close(c.fd)
	}
	r.poll.close()
}
