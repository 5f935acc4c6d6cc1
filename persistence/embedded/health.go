package embedded

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFailed says that the disk failed so that Pebble can't go on. What is shown
// stays readable as far as possible; a restart recovers.
var ErrFailed = errors.New("embedded store: failed, a restart is needed")

// ErrTrouble says that the disk is full or a flush failed. Pebble keeps trying;
// until that works nothing more is taken, so that no caller hangs in Pebble.
var ErrTrouble = errors.New("embedded store: can't write now")

// health is what is known of Pebble's ability to write.
type health struct {
	cfg     Config
	ballast *ballast

	failed  chan struct{} // closed by the first fatal error
	closing chan struct{}

	mu      sync.Mutex
	fatal   error
	full    error         // the disk is full and callers wait for room
	flush   error         // the last flush failed
	trouble chan struct{} // closed while any of the above is set
	opening bool
	delay   time.Duration // before a table may be made again
}

func newHealth(cfg Config, b *ballast) *health {
	return &health{
		cfg:     cfg,
		ballast: b,
		failed:  make(chan struct{}),
		closing: make(chan struct{}),
		trouble: make(chan struct{}),
		opening: true,
	}
}

// err answers why nothing can be written, nil if it can.
func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.errLocked()
}

func (h *health) errLocked() error {
	switch {
	case h.fatal != nil:
		return fmt.Errorf("%w: %w", ErrFailed, h.fatal)
	case h.full != nil:
		return fmt.Errorf("%w: %w", ErrTrouble, h.full)
	case h.flush != nil:
		return fmt.Errorf("%w: %w", ErrTrouble, h.flush)
	}
	return nil
}

// watch answers a channel that is closed as soon as err is not nil.
func (h *health) watch() (<-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trouble, h.errLocked()
}

// change lets f change the state, and adjusts the channel to it.
func (h *health) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.errLocked() != nil
	f()
	switch is := h.errLocked() != nil; {
	case is && !was:
		close(h.trouble)
	case was && !is:
		h.trouble = make(chan struct{})
	}
}

// fail notes a fatal error.
func (h *health) fail(err error) {
	first := false
	h.change(func() {
		if first = h.fatal == nil; first {
			h.fatal = err
			close(h.failed)
		}
	})
	if first {
		h.cfg.Logger.Error("embedded store: failed", "err", err)
		go h.cfg.Fatal(err) // Pebble's locks may be held here
	}
}

// flushed notes how a flush ended. Pebble tries a failed one again at once;
// the delay, which slowDown waits, keeps that from burning a core.
func (h *health) flushed(err error) {
	h.change(func() {
		h.flush = err
		if err == nil {
			h.delay = 0
			return
		}
		h.delay = min(max(2*h.delay, minRetryDelay), maxRetryDelay)
	})
}

func (h *health) slowDown() {
	h.mu.Lock()
	d := h.delay
	h.mu.Unlock()
	if d > 0 {
		h.sleep(d)
	}
}

// sleep answers false if the store is closed meanwhile.
func (h *health) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-h.closing:
		return false
	}
}

// opened ends the time in which a full disk is an error at once.
func (h *health) opened() {
	h.change(func() { h.opening = false })
}

func (h *health) isOpening() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.opening
}

func (h *health) close() { close(h.closing) }
