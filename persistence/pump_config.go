package persistence

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// EntryReader is what the pump reads: a *journal.Reader.
type EntryReader interface {
	// Next waits for at least one durable entry past the reader's position.
	Next(ctx context.Context, maxEntries, maxBytes int) ([]Entry, error)
	Close() error
}

// Log is what the pump needs of a journal besides reading it.
type Log interface {
	// LastLSN is the last durable position.
	LastLSN() LSN
	// Trim lets go of what is up to and including a position.
	Trim(upTo LSN) error
}

// PumpConfig wires a pump. Zero values of the numbers mean their defaults.
type PumpConfig struct {
	Log Log
	// Read begins to read behind a position.
	Read  func(after LSN) EntryReader
	Store Target
	// Name is what log lines call it: "history".
	Name string

	// BatchEntries and BatchBytes bound what is applied at once; 4096 and
	// 1 MiB. A store that is slow per batch (ClickHouse) wants more.
	BatchEntries int
	BatchBytes   int
	// SyncBytes and SyncInterval say when the store is synced and the journal
	// trimmed: after so much, or so long after the first unsynced entry.
	// 32 MiB and 30 s.
	SyncBytes    int
	SyncInterval time.Duration
	// RetryMin and RetryMax bound the delay after an error: 50 ms and 10 s.
	RetryMin, RetryMax time.Duration

	Logger *slog.Logger
	Events PumpEvents
}

// PumpEvents tells what happens, for metrics. All run on the pump's goroutine.
// Any may be nil.
type PumpEvents struct {
	// Applied: so many entries became visible in history, which took so long.
	Applied func(entries int, took time.Duration)
	// Synced: the store keeps everything up to a position, which took so long.
	Synced func(upTo LSN, took time.Duration)
	// Failed: an operation ("read", "apply", "sync" or "trim") failed and will
	// be tried again.
	Failed func(operation string, err error)
	// Missed: the journal no longer has the records from one position to
	// another, both included; history goes on without them.
	Missed func(from, to LSN)
}

func (c PumpConfig) withDefaults() PumpConfig {
	setInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	setDuration := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	setInt(&c.BatchEntries, 4096)
	setInt(&c.BatchBytes, 1<<20)
	setInt(&c.SyncBytes, 32<<20)
	setDuration(&c.SyncInterval, 30*time.Second)
	setDuration(&c.RetryMin, 50*time.Millisecond)
	setDuration(&c.RetryMax, 10*time.Second)
	if c.Name == "" {
		c.Name = "history"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("to", c.Name)
	if c.Events.Applied == nil {
		c.Events.Applied = func(int, time.Duration) {}
	}
	if c.Events.Synced == nil {
		c.Events.Synced = func(LSN, time.Duration) {}
	}
	if c.Events.Failed == nil {
		c.Events.Failed = func(string, error) {}
	}
	if c.Events.Missed == nil {
		c.Events.Missed = func(LSN, LSN) {}
	}
	return c
}

// Validate says what is missing or impossible.
func (c PumpConfig) Validate() error {
	var errs []error
	if c.Log == nil || c.Read == nil || c.Store == nil {
		errs = append(errs, errors.New("pump: a log, a way to read it and a store are needed"))
	}
	if c.BatchEntries < 0 || c.BatchBytes < 0 || c.SyncBytes < 0 ||
		c.SyncInterval < 0 || c.RetryMin < 0 || c.RetryMax < 0 {
		errs = append(errs, errors.New("pump: a bound is negative"))
	}
	return errors.Join(errs...)
}
