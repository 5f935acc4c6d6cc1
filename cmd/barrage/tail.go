package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
)

type tailOptions struct {
	history int
	json    bool
	verbose bool
}

func newTailCommand() *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail VIDEO…",
		Short: "Follow live videos in a terminal",
		Long: `Print the comments of one or more live videos as they come. When the connection
is lost it comes back and goes on where it was; what the node could not deliver
is fetched from history.`,
		Example: `  barrage tail my-show
  barrage tail my-show other-show --history 50
  barrage tail my-show --json | jq -r .message`,
		Args: argsAre(1, -1, "one or more live videos"),
		RunE: func(cmd *cobra.Command, videos []string) error { return o.run(cmd, videos) },
	}
	addClientFlags(cmd)
	flags := cmd.Flags()
	flags.IntVar(&o.history, "history", 10, "begin with so many past comments (0 to 200)")
	flags.BoolVar(&o.json, "json", false, "print each comment as the JSON that the node sent, other events as {\"event\":…}")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "tell of reactions, too; say how many watch, and each loss of the connection (to standard error)")
	return cmd
}

func (o *tailOptions) run(cmd *cobra.Command, videos []string) error {
	for _, video := range videos {
		if err := checkLiveVideo(video); err != nil {
			return err
		}
	}
	if o.history < 0 || o.history > 200 {
		return badUsage("--history %d is not between 0 and 200", o.history)
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	asked, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancelCause(asked)
	defer cancel(nil)
	out := &printer{
		out:     bufio.NewWriter(cmd.OutOrStdout()),
		errOut:  cmd.ErrOrStderr(),
		json:    o.json,
		verbose: o.verbose,
		several: len(videos) > 1,
		failed:  cancel,
	}
	var all sync.WaitGroup
	for _, video := range videos {
		all.Go(func() {
			f := &follower{client: c, video: video, history: o.history, out: out}
			if err := f.run(ctx); err != nil {
				cancel(fmt.Errorf("%s: %w", video, err))
			}
		})
	}
	all.Wait()
	if cause := context.Cause(ctx); ctx.Err() != nil && asked.Err() == nil {
		return cause
	}
	return nil
}
