package membership

import (
	"io"
	"log/slog"
	"runtime/pprof"
)

func newLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func lookupGoroutines(w io.Writer) error { return pprof.Lookup("goroutine").WriteTo(w, 1) }
