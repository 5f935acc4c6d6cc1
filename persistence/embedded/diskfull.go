package embedded

import (
	"errors"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	minRetryDelay = 100 * time.Millisecond
	maxRetryDelay = 5 * time.Second

	ballastName = "BALLAST"
	probeName   = "PROBE"
	// probeBytes must fit on the disk before writing is tried again. It is more
	// than any single write of Pebble, which retries a write only once.
	probeBytes = 4 << 20
)

// guard puts three things between Pebble and the disk. A write that meets a
// full disk waits until there is room, as Pebble would give up the process if a
// manifest's write failed. Files can still be removed meanwhile, as that may be
// what makes the room. And after a failed flush, making the next table waits.
func guard(cfg Config, h *health) vfs.FS {
	return guardedFS{
		FS:     vfs.OnDiskFull(cfg.FS, func() { h.diskFull() }),
		inner:  cfg.FS,
		health: h,
	}
}

type guardedFS struct {
	vfs.FS
	inner  vfs.FS
	health *health
}

func (g guardedFS) Unwrap() vfs.FS              { return g.FS }
func (g guardedFS) Remove(name string) error    { return g.inner.Remove(name) }
func (g guardedFS) RemoveAll(name string) error { return g.inner.RemoveAll(name) }

func (g guardedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	g.health.slowDown()
	return g.FS.Create(name, category)
}

// diskFull is called by one goroutine while all that write wait for it. It
// returns when they may try again: once the ballast was given up, there is
// room, or the store closes or is still being opened, where failing is better
// than hanging.
func (h *health) diskFull() {
	if h.ballast.release() {
		h.cfg.Logger.Warn("embedded store: the disk is full, the ballast was given up")
		return
	}
	h.change(func() { h.full = syscall.ENOSPC })
	defer h.change(func() { h.full = nil })
	h.cfg.Logger.Error("embedded store: the disk is full")
	for d := minRetryDelay; !h.isOpening() && !h.ballast.roomFor(probeBytes); d = min(2*d, maxRetryDelay) {
		if !h.sleep(d) {
			return
		}
	}
}

// ballast is a file that takes space so that it can be given back.
type ballast struct {
	cfg  Config
	path string
	off  bool // it can't be made; only restore touches this
}

func newBallast(cfg Config) *ballast {
	return &ballast{cfg: cfg, path: cfg.FS.PathJoin(cfg.Dir, ballastName)}
}

// release gives the space back, and answers whether there was any.
func (b *ballast) release() bool {
	_, err := b.cfg.FS.Stat(b.path)
	return err == nil && b.cfg.FS.Remove(b.path) == nil
}

// restore takes the space again once there is much more than it needs.
func (b *ballast) restore() {
	if b.off || b.cfg.BallastBytes < 0 {
		return
	}
	if _, err := b.cfg.FS.Stat(b.path); err == nil {
		return
	}
	usage, err := b.cfg.FS.GetDiskUsage(b.cfg.Dir)
	if err != nil || usage.AvailBytes < 4*uint64(b.cfg.BallastBytes) {
		return
	}
	if err := b.write(b.path, b.cfg.BallastBytes, false); err != nil {
		b.cfg.Logger.Warn("embedded store: no ballast", "err", err)
		b.off = true
		b.release()
	}
}

// roomFor tries whether so many bytes can be written.
func (b *ballast) roomFor(n int64) bool {
	path := b.cfg.FS.PathJoin(b.cfg.Dir, probeName)
	err := b.write(path, n, true)
	return b.cfg.FS.Remove(path) == nil && err == nil
}

func (b *ballast) write(path string, n int64, fill bool) error {
	f, err := b.cfg.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = f.Preallocate(0, n)
	if err == nil && fill {
		_, err = f.Write(make([]byte, n))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
