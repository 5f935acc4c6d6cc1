package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"barrage/cmd/internal/node"
	"barrage/cmd/internal/transfer"
	"barrage/configs"
)

// historyStore is a store that can be moved from and to.
type historyStore interface {
	transfer.Source
	transfer.Target
}

// addHistoryFlags lets a command be told where history is. The password has no
// flag: other users of the machine could see it.
func addHistoryFlags(cmd *cobra.Command) {
	configs.AddFlags(cmd.Flags(), "data")
	addClickHouseFlags(cmd)
	cmd.Flags().Lookup("data").Usage = "data folder of a node that doesn't run"
	cmd.Flags().Lookup("clickhouse").Usage = "ClickHouse instead: clickhouse://host:9000[,host:9000]/database"
}

func addClickHouseFlags(cmd *cobra.Command) {
	configs.AddFlags(cmd.Flags(), "clickhouse.dsn", "clickhouse.user", "clickhouse.password_file",
		"clickhouse.ca_file", "clickhouse.cert_file", "clickhouse.key_file", "clickhouse.cluster", "clickhouse.retention_days")
	addConfigFlag(cmd)
}

// openHistory opens the store that cmd's flags and settings name. With create
// it is made where there is none.
func openHistory(ctx context.Context, cmd *cobra.Command, create bool) (historyStore, error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	inClickHouse := cfg.ClickHouse.DSN != ""
	switch data, dsn := cmd.Flags().Changed("data"), cmd.Flags().Changed("clickhouse"); {
	case data && dsn:
		return nil, badUsage("--data and --clickhouse can't be given together: which one is meant?")
	case dsn && !inClickHouse:
		return nil, badUsage("--clickhouse is empty")
	case data:
		inClickHouse = false
	}
	if cfg.LogLevel == "info" {
		cfg.LogLevel = "warn" // what is worth a line of a node's log is noise here
	}
	log := newLogger(cfg, cmd.ErrOrStderr())
	if inClickHouse {
		return openClickHouse(ctx, cfg, create, log)
	}
	return transfer.OpenData(ctx, cfg, create, log)
}

func openClickHouse(ctx context.Context, cfg *configs.Config, create bool, log *slog.Logger) (historyStore, error) {
	c, err := node.ClickHouseConfig(cfg)
	if err != nil {
		return nil, err
	}
	c.Logger = log
	return transfer.OpenClickHouse(ctx, c, create)
}

// interruptible answers a context that the first SIGINT or SIGTERM ends. A
// second one ends the process at once, which loses nothing either.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// ended says how a transfer that did not come to its end can go on.
func ended(ctx context.Context, err error, soFar, goOn string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted") // whatever it ended in
	}
	return fmt.Errorf("%w (%s); %s", err, soFar, goOn)
}
