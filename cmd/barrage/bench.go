package main

import (
	"context"
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"barrage/cmd/internal/bench"
)

const benchLong = `Measure a running server: open many viewers of one live video, post comments
at a steady rate, and report how fast and how completely every viewer received
them. Linux only; the target is meant to be on this machine or a near one.

What is measured
  Each comment has a due time, fixed by the rate alone. Latency counts from the
  due time until a viewer has read the comment, so a server that makes posts
  wait cannot hide it. Every viewer's stream is checked: each comment that was
  answered with 201 must arrive once, in order, or be announced by a gap event.

Comparing machines
  Times on a shared machine mean little by themselves. With --floor the tool
  also measures a bare loop of write(2) to as many sockets, on one thread, with
  the same frames at the same pace, and reports the server's figures as a ratio
  of that floor.

Tokens
  Posting needs a token. --data names the server's data folder, from which the
  key is read; or give the key (--jwt-secret) or a ready token (--token). Made
  tokens have the role admin, which the server does not rate limit.

Exit status
  0  every stream kept its promises
  1  a comment was lost, doubled or out of order, or nothing could be measured
  2  the flags make no sense`

const benchExample = `  # 1,000 viewers, 100 comments a second for 10 seconds
  barrage bench --data ./data

  # 10,000 viewers with compression, server's CPU and memory, a page with plots
  barrage bench --data ./data --viewers 10000 --rate 200 --gzip --pid $(pgrep -xo barrage) --html report.html

  # how far from the fastest that is possible here
  barrage bench --data ./data --viewers 10000 --rate 50 --pid $(pgrep -xo barrage) --floor

  # time until the last viewer has a comment, with nothing else going on
  barrage bench --data ./data --viewers 5000 --one-at-a-time --floor

  # an unkind audience: 100 viewers stop reading, 50 a second come and go
  barrage bench --data ./data --stalled 100 --churn 50

  # 100,000 reactions a second beside the comments
  barrage bench --data ./data --reactions 100000

  # a deploy: restart the server, then everybody resumes at once
  barrage bench --data ./data --reconnect --restart-cmd 'systemctl restart barrage'

  # only hold idle viewers, and see what memory they take
  barrage bench --viewers 15000 --rate 0 --pid $(pgrep -xo barrage)`

// newBenchCommand is "barrage bench".
func newBenchCommand() *cobra.Command {
	cfg := bench.DefaultConfig()
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure a running server with many viewers, and check every stream",
		Long:    benchLong,
		Example: benchExample,
		Args:    argsAre(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			err := bench.Run(ctx, cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
			if errors.Is(err, bench.ErrUsage) {
				return &usageError{err}
			}
			return err
		},
	}
	benchFlags(cmd, &cfg)
	cmd.AddCommand(&cobra.Command{
		Use:    bench.FloorCommandName,
		Short:  "The writing side of --floor; started by bench itself",
		Args:   argsAre(0, 0, "no arguments"),
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bench.FloorChild(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	})
	return cmd
}

func benchFlags(cmd *cobra.Command, c *bench.Config) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.URL, "url", c.URL, "address of the server")
	f.StringVar(&c.Video, "video", c.Video, "live video to watch and to post to")
	f.IntVar(&c.Viewers, "viewers", c.Viewers, "streams to open")
	f.Float64Var(&c.Rate, "rate", c.Rate, "comments a second in total; 0 posts nothing")
	f.DurationVar(&c.Duration, "duration", c.Duration, "length of the measured load")
	f.DurationVar(&c.Warmup, "warmup", c.Warmup, "posting before the measured load, checked but not measured")
	f.DurationVar(&c.Idle, "idle", c.Idle, "quiet time between joining and posting")
	f.BoolVar(&c.Gzip, "gzip", c.Gzip, "viewers accept gzip")
	f.BoolVar(&c.WebSocket, "ws", c.WebSocket, "viewers open WebSockets instead of server-sent events")

	f.StringVar(&c.DataDir, "data", c.DataDir, "data folder of the server, for its token key")
	f.StringVar(&c.JWTSecret, "jwt-secret", c.JWTSecret, "HS256 key to make tokens with")
	f.StringVar(&c.Token, "token", c.Token, "token to post with")
	f.IntVar(&c.Users, "users", c.Users, "users that the posts are spread over")
	f.StringVar(&c.Role, "role", c.Role, "role of these users: viewer, moderator or admin")
	f.BoolVar(&c.ViewerTokens, "viewer-tokens", c.ViewerTokens, "viewers send a token too")

	f.IntVar(&c.PostWorkers, "post-workers", c.PostWorkers, "keep-alive connections that post; 0: enough for the rate")
	f.DurationVar(&c.PostDeadline, "post-deadline", c.PostDeadline, "try a post again for so long")
	f.IntVar(&c.MessageSize, "message-size", c.MessageSize, "characters in a message")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "seed of the message texts, and of who leaves in churn")

	f.Float64Var(&c.Reactions, "reactions", c.Reactions, "reactions a second in total, beside the comments")
	f.IntVar(&c.ReactionCount, "reaction-count", c.ReactionCount, "reactions in a request, as a client adds them up (1 to 50)")

	f.IntVar(&c.Stalled, "stalled", c.Stalled, "so many of the viewers stop reading after they have joined")
	f.Float64Var(&c.Churn, "churn", c.Churn, "viewers a second that leave during the load, each replaced by a new one")
	f.BoolVar(&c.OneAtATime, "one-at-a-time", c.OneAtATime, "post the next comment when the last viewer has the one before; --rate is ignored")
	f.BoolVar(&c.Reconnect, "reconnect", c.Reconnect, "after the load restart the server, and let everybody resume at once")
	f.StringVar(&c.RestartCmd, "restart-cmd", c.RestartCmd, "shell command that restarts the server; without it you are asked to")
	f.IntVar(&c.Missed, "missed", c.Missed, "comments to post while the server restarts")

	f.IntVar(&c.PID, "pid", c.PID, "process id of the server, for its CPU time, and, if it was just started, its memory per viewer")
	f.BoolVar(&c.Floor, "floor", c.Floor, "measure a bare write loop too, and compare")
	f.Float64Var(&c.FloorFrames, "floor-frames", c.FloorFrames, "frames a second of the floor; 0: as many as the server sent")
	f.DurationVar(&c.FloorDuration, "floor-duration", c.FloorDuration, "length of the floor; 0: as long as the load, up to 10s")
	f.IntVar(&c.FloorSendBuffer, "floor-sndbuf", c.FloorSendBuffer, "SO_SNDBUF of the floor's sockets in bytes; 0: the kernel's choice")

	f.StringVar(&c.Out, "out", c.Out, "write the report as JSON to this file; - prints it instead of the text")
	f.StringVar(&c.HTML, "html", c.HTML, "write the report as one HTML page with plots to this file")
	f.BoolVar(&c.Quiet, "quiet", c.Quiet, "no progress bar")

	f.IntVar(&c.Readers, "readers", c.Readers, "threads that read the streams")
	f.IntVar(&c.JoinConcurrency, "join-concurrency", c.JoinConcurrency, "joins under way at once")
	f.DurationVar(&c.Settle, "settle", c.Settle, "wait for missing comments until nothing has arrived for so long")
}
