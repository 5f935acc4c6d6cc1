package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"barrage/cmd/internal/node"
	"barrage/persistence/clickhouse"
	"barrage/persistence/clickhouse/schema"
)

// clickHousePatience is for reading the schema: a server that takes longer is
// not there.
const clickHousePatience = 30 * time.Second

func newClickHouseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clickhouse",
		Short: "Look after the history that is kept in ClickHouse",
		Args:  onlyCommands,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSchemaCommand())
	return cmd
}

func newSchemaCommand() *cobra.Command {
	var features, database string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the statements that make the tables in ClickHouse",
		Long: `Print the statements that a node would run in ClickHouse when it starts. With
--clickhouse the server is asked what it has and which of them it has run
already; nothing is changed there. Otherwise they are those for an empty server,
one of today or one from 2018.`,
		Example: `  barrage clickhouse schema
  barrage clickhouse schema --features old --clickhouse-cluster events
  barrage clickhouse schema --clickhouse clickhouse://localhost:9000/barrage`,
		Args: argsAre(0, 0, "no argument"),
	}
	addClickHouseFlags(cmd)
	cmd.Flags().Lookup("clickhouse").Usage = "the server to ask: clickhouse://host:9000/database"
	cmd.Flags().StringVar(&features, "features", "modern", "what the server has, without asking one: modern, old")
	cmd.Flags().StringVar(&database, "database", schema.DefaultDatabase, "database of the tables, without asking a server")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		offline := cmd.Flags().Changed("features") || cmd.Flags().Changed("database")
		if offline && cmd.Flags().Changed("clickhouse") {
			return badUsage("--clickhouse goes with neither --features nor --database: the server knows what it has, and the DSN names the database")
		}
		c, err := node.ClickHouseConfig(cfg)
		if err != nil {
			return err
		}
		if c.DSN == "" || offline {
			return printSchema(cmd.OutOrStdout(), schema.Config{Database: database, Cluster: c.Cluster, Retention: c.Retention}, features)
		}
		return printPlan(cmd.Context(), cmd.OutOrStdout(), c)
	}
	return cmd
}

// printSchema prints the statements for an empty server.
func printSchema(out io.Writer, cfg schema.Config, name string) error {
	known := map[string]schema.Features{"modern": schema.Modern(), "old": schema.Old()}
	features, ok := known[name]
	if !ok {
		return badUsage("--features %q is neither modern nor old", name)
	}
	statements, err := schema.Statements(cfg, features)
	if err != nil {
		return &usageError{err}
	}
	return printStatements(out, fmt.Sprintf("Barrage's schema, version %d, for an empty server with %s features.", schema.Version, name), statements)
}

// printPlan prints what is left to run on a server.
func printPlan(ctx context.Context, out io.Writer, c clickhouse.Config) error {
	db, err := clickhouse.Open(c)
	if err != nil {
		return &usageError{err}
	}
	defer db.Close() //nolint:errcheck // only read from
	ctx, cancel := context.WithTimeout(ctx, clickHousePatience)
	defer cancel()
	plan, err := db.Plan(ctx)
	if err != nil {
		return err
	}
	applied := "none"
	if plan.Applied != nil {
		applied = strings.Join(plan.Applied, ", ")
	}
	head := fmt.Sprintf("Applied already: %s.", applied)
	if len(plan.Statements) == 0 {
		head += " Nothing is left to run."
	}
	return printStatements(out, head, plan.Statements)
}

func printStatements(out io.Writer, head string, statements []string) error {
	_, err := fmt.Fprintf(out, "-- %s\n", head)
	for _, statement := range statements {
		_, e := fmt.Fprintf(out, "\n%s\n", statement)
		err = errors.Join(err, e)
	}
	return err
}
