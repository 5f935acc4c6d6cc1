package embedded

import (
	"fmt"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
)

// pebbleLogger passes Pebble's messages on; what Pebble calls information is of
// interest to its developers only.
type pebbleLogger struct {
	log    *slog.Logger
	health *health
}

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Warn("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return. Pebble's default ends the process, but the node can
// go on without history: the journal still takes comments. So only the
// goroutine ends, nearly always one of Pebble's own that flushes or compacts;
// its deferred calls give its locks back, so that readers don't hang.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fatalError{text: "pebble: " + fmt.Sprintf(format, args...)}
	for _, a := range args {
		if cause, ok := a.(error); ok {
			err.cause = cause
		}
	}
	l.health.fail(err)
	runtime.Goexit()
}

// fatalError is a message of Pebble that keeps the error within.
type fatalError struct {
	text  string
	cause error
}

func (e fatalError) Error() string { return e.text }
func (e fatalError) Unwrap() error { return e.cause }

// emptyFlush is how Pebble says, as an error, that nothing had to be written.
const emptyFlush = "pebble: empty table"

// listener watches what decides about health.
func listener(log *slog.Logger, h *health) *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			log.Warn("embedded store: background work failed", "err", err)
		},
		FlushEnd: func(info pebble.FlushInfo) {
			err := info.Err
			if err != nil && err.Error() == emptyFlush {
				err = nil
			}
			h.flushed(err)
		},
		// By default this is fatal. A damaged table fails the reads that need
		// it, which is bad enough.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			log.Error("embedded store: damaged", "file", info.Path, "err", info.Details)
		},
	}
}
