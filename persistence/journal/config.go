package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"barrage/persistence"
)

const (
	// DefaultSegmentBytes keeps the number of files small, and what is read at
	// Open within a tenth of a second.
	DefaultSegmentBytes = 64 << 20
	// DefaultMaxBytes holds an hour of 10,000 comments a second while the
	// history store is away.
	DefaultMaxBytes = 10 << 30
	// DefaultMaxPendingBytes is seconds of work for a disk; whoever would wait
	// longer is better told to come back.
	DefaultMaxPendingBytes = 64 << 20
	// DefaultFreeReserveBytes is left to the history store, which needs room to
	// take over what the journal holds before anything can be trimmed.
	DefaultFreeReserveBytes = 64 << 20

	maxSegmentBytes = 1 << 30 // a segment is read into memory at Open
	minSegmentBytes = 4 << 10
	maxCommitBytes  = 4 << 20 // bounds how long the first of a backlog waits
)

// Config says where the journal is and how large it may become. The zero value
// of each field but Dir means its default.
type Config struct {
	Dir string
	// SegmentBytes is the usual size of a segment file, which is also the unit
	// of Trim.
	SegmentBytes int64
	// MaxBytes bounds all segment files together; at least two segments.
	MaxBytes int64
	// MaxPendingBytes bounds what waits to be written.
	MaxPendingBytes int64
	// FreeReserveBytes is how much of the disk must stay free.
	FreeReserveBytes int64
	// After is a position that is known to be in use, usually the store's
	// AppliedLSN: new records come after it even if the journal was lost or is
	// older than the store.
	After persistence.LSN
	// SkipDamaged passes over damaged commits, logging each, instead of
	// reporting a CorruptError. It is the operator's way on after damage; what
	// is passed over is lost to history.
	SkipDamaged bool
	Logger      *slog.Logger
	Events      Events
	FS          FS
}

// Events tells what happens, for metrics. All run on the journal's goroutine
// and must not block. Any may be nil.
type Events struct {
	// Committed: so many records and bytes became durable in one write and
	// sync, which took so long.
	Committed func(records, bytes int, took time.Duration)
	// Unavailable: from now on Append fails.
	Unavailable func(err error)
	// Available: Append works again.
	Available func()
}

func (c Config) withDefaults() Config {
	if c.SegmentBytes == 0 {
		c.SegmentBytes = DefaultSegmentBytes
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.MaxPendingBytes == 0 {
		c.MaxPendingBytes = DefaultMaxPendingBytes
	}
	if c.FreeReserveBytes == 0 {
		c.FreeReserveBytes = DefaultFreeReserveBytes
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.FS == nil {
		c.FS = OS()
	}
	if c.Events.Committed == nil {
		c.Events.Committed = func(int, int, time.Duration) {}
	}
	if c.Events.Unavailable == nil {
		c.Events.Unavailable = func(error) {}
	}
	if c.Events.Available == nil {
		c.Events.Available = func() {}
	}
	return c
}

// Validate says what is wrong with the configuration, defaults applied.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("journal: no folder given"))
	}
	if c.SegmentBytes < minSegmentBytes || c.SegmentBytes > maxSegmentBytes {
		errs = append(errs, fmt.Errorf("journal: segments of %d bytes; from %d to %d are possible",
			c.SegmentBytes, minSegmentBytes, maxSegmentBytes))
	}
	if c.MaxBytes < 2*c.SegmentBytes {
		errs = append(errs, fmt.Errorf("journal: %d bytes in all don't hold two segments of %d", c.MaxBytes, c.SegmentBytes))
	}
	if c.MaxPendingBytes < 0 || c.FreeReserveBytes < 0 {
		errs = append(errs, errors.New("journal: a limit is negative"))
	}
	return errors.Join(errs...)
}
