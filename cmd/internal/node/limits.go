package node

import (
	"context"
	"log/slog"

	"golang.org/x/sys/unix"
)

// reservedFiles are the files that a node needs besides streams: its store,
// the journal, and the connections of requests.
const reservedFiles = 1000

// maxStreams gives how many streams a node takes: what the config says, or as
// many as the process may open files, less a reserve.
func maxStreams(configured int) int {
	var limit unix.Rlimit
	if configured > 0 || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return configured
	}
	files := int(min(limit.Cur, 1<<30))
	return max(files-reservedFiles, files/2)
}

// quieter passes on a library's warnings and errors only: what it finds worth
// an info is not worth an operator's.
func quieter(log *slog.Logger) *slog.Logger { return slog.New(warnings{log.Handler()}) }

type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
