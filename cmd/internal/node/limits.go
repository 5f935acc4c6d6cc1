package node

import (
	"context"
	"log/slog"
	"strings"

	"golang.org/x/sys/unix"

	"barrage/configs"
	"barrage/httpedge"
)

// reservedFiles are the files that a node needs besides streams: its store,
// the journal, and the connections of requests.
const reservedFiles = 1000

// ownFiles of those are never a client's.
const ownFiles = 600

// limitEdge sets what clients may ask for.
func limitEdge(c *httpedge.Config, l configs.Limits) {
	c.Posts = httpedge.Rates{
		User: l.PostsPerSecond, UserBurst: l.PostsBurst, Address: l.PostsPerSecondPerAddress, Room: l.PostsPerSecondPerRoom,
	}
	c.Reactions = httpedge.Rates{
		User: l.ReactionsPerSecond, UserBurst: l.ReactionsBurst,
		Address: l.ReactionsPerSecondPerAddress, Room: l.ReactionsPerSecondPerRoom,
	}
	c.Reads = httpedge.Rates{User: l.ReadsPerSecondPerUser, Address: l.ReadsPerSecondPerAddress, Room: l.ReadsPerSecondPerRoom}
	c.Joins = httpedge.Rates{User: l.JoinsPerSecondPerUser, Address: l.JoinsPerSecondPerAddress, Room: l.JoinsPerSecondPerRoom}
	c.StreamsPerAddress, c.StreamsPerUser, c.JoinsPerSecond = l.StreamsPerAddress, l.StreamsPerUser, l.JoinsPerSecond
	files := maxFiles()
	c.MaxStreams = maxStreams(l.StreamsPerNode, files)
	if files > 0 {
		c.MaxSockets = max(files-ownFiles, files/2)
	}
}

// maxFiles is how many files the process may open, 0 if that is not known.
func maxFiles() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}

// maxStreams gives how many streams a node takes: what the config says, or as
// many as the process may open files, less a reserve.
func maxStreams(configured, files int) int {
	if configured > 0 || files == 0 {
		return configured
	}
	return max(files-reservedFiles, files/2)
}

// quieter passes on a library's warnings and errors only: what it finds worth
// an info is not worth an operator's.
func quieter(log *slog.Logger) *slog.Logger { return slog.New(warnings{log.Handler()}) }

type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// Handle makes little of what protoactor says of connections: a node that is
// away is told of by package cluster, once.
func (w warnings) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "Endpoint") {
		if r.Level = slog.LevelDebug; !w.Handler.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return w.Handler.Handle(ctx, r)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
