package embedded

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// DefaultCacheBytes holds the newest pages of many rooms; the kernel caches
	// the rest.
	DefaultCacheBytes = 64 << 20
	// DefaultBallastBytes is more than all memtables, so that giving it up lets
	// everything be flushed that the journal then no longer needs to keep.
	DefaultBallastBytes = 96 << 20

	// Small memtables: a sync flushes them anyway, and their memory is the
	// laptop's.
	memTableBytes = 16 << 20
	memTables     = 4

	// batchBytes bounds a Pebble batch well below half a memtable, from where
	// on Pebble treats it as a table of its own.
	batchBytes = 1 << 20
)

// Config says where the store is. The zero value of each field but Dir means
// its default.
type Config struct {
	Dir        string
	CacheBytes int64
	// BallastBytes is the size of a file that is given up when the disk is
	// full, so that what is in memory can still be written; negative: none.
	BallastBytes int64
	Logger       *slog.Logger
	// Now is the clock by which kept answers grow old.
	Now func() time.Time
	// Fatal is called once, in a goroutine of its own, if the disk failed in a
	// way after which only a restart helps. Reading may go on to work.
	Fatal func(err error)
	// FS is for tests; nil is the machine's file system.
	FS vfs.FS
}

func (c Config) withDefaults() Config {
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	if c.BallastBytes == 0 {
		c.BallastBytes = DefaultBallastBytes
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Fatal == nil {
		c.Fatal = func(error) {}
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	return c
}

// Validate says what is wrong with the configuration, defaults applied.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("embedded store: no folder given"))
	}
	if c.CacheBytes < 0 {
		errs = append(errs, errors.New("embedded store: the cache's size is negative"))
	}
	return errors.Join(errs...)
}

func (c Config) pebbleOptions(h *health) *pebble.Options {
	o := &pebble.Options{
		FS:                          guard(c, h),
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		CacheSize:                   c.CacheBytes,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: memTables,
		MaxOpenFiles:                500, // of the process's limit most belong to viewers
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		// Bursts go into level 0 rather than stop the pump.
		L0CompactionThreshold: 4,
		L0StopWritesThreshold: 40,
		Logger:                pebbleLogger{log: c.Logger, health: h},
		EventListener:         listener(c.Logger, h),
	}
	o.TargetFileSizes[0] = 4 << 20
	for i := range o.Levels {
		// Pages are read in a row, so larger blocks compress better at no cost.
		o.Levels[i].BlockSize = 16 << 10
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}
