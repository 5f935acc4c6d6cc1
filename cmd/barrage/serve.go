package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"barrage/cmd/internal/node"
	"barrage/configs"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node",
		Long: `Run a node until SIGTERM or SIGINT: then it takes no new streams, ends the
open ones, writes everything out and exits. A second signal ends it at once.

It works without any flag. Every setting can be given by a flag, by an
environment variable or in a YAML file, in this precedence; the flags shown
below are the usual ones, 'barrage settings' lists them all.`,
		Example: `  barrage serve
  barrage serve --http :8080 --data /var/lib/barrage
  barrage serve --config configs/production.yaml --stream-heartbeat 20s
  BARRAGE_AUTH_GUEST=true barrage serve`,
		Args: argsAre(0, 0, "no argument"),
	}
	configs.AddFlags(cmd.Flags())
	addConfigFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		log := newLogger(cfg, cmd.ErrOrStderr())
		for _, warning := range cfg.Warnings() {
			log.Warn(warning)
		}
		ctx, stop := untilSignalled(cmd.Context(), log)
		defer stop()
		return node.Run(ctx, cfg, version, log)
	}
	return cmd
}

// sameSignal is how long after the first a signal counts as the same one: what
// runs the process may send it to the process and to its whole group.
const sameSignal = 500 * time.Millisecond

// untilSignalled answers a context that the first SIGTERM or SIGINT ends. The
// second one ends the process.
func untilSignalled(parent context.Context, log *slog.Logger) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		select {
		case s := <-signals:
			log.Info("draining; a second signal ends the process at once", "signal", s.String())
			cancel()
		case <-ctx.Done():
			return
		}
		for began := time.Now(); ; {
			<-signals
			if time.Since(began) > sameSignal {
				log.Error("ended before everything was drained")
				os.Exit(1)
			}
		}
	}()
	return ctx, cancel
}

func newLogger(cfg *configs.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		level = slog.LevelInfo // not reached: the level was checked on loading
	}
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
