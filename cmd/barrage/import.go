package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"barrage/cmd/internal/transfer"
)

// badShown is how many bad lines are shown each; more are only counted.
const badShown = 20

type importOptions struct {
	in, state      string
	skipBad, quiet bool
}

func newImportCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Read history in from JSON lines",
		Long: `Read history in, one comment a line, as 'barrage export' writes it: liveVideoId,
id, userId and message are needed; userName, parentId and createdAt are not. A
createdAt must be the time that is in the id.

It goes into a data folder, whose node must not run, or into ClickHouse. What is
there already, or was deleted there, stays as it is; so importing the same again
changes nothing.

A bad line ends the import; what came before it is imported. With --state, how
far it has come is kept in a file, and the same command goes on from there,
whatever ended it.`,
		Example: `  barrage import --data ./data --in history.jsonl
  barrage import --clickhouse clickhouse://localhost:9000/barrage --in history.jsonl --state history.state
  barrage export --data ./data | barrage import --clickhouse clickhouse://localhost:9000/barrage`,
		Args: argsAre(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.in, "in", "", "file to read; standard input by default")
	flags.StringVar(&o.state, "state", "", "file to keep how far it has come, and to go on from")
	flags.BoolVar(&o.skipBad, "skip-bad", false, "pass over bad lines instead of ending at the first")
	flags.BoolVar(&o.quiet, "quiet", false, "no progress")
	addHistoryFlags(cmd)
	return cmd
}

func (o *importOptions) run(cmd *cobra.Command) (err error) {
	in := cmd.InOrStdin()
	if o.in == "" && transfer.IsTerminal(in) {
		return badUsage("import what? Name a file with --in, or give one as standard input")
	}
	if o.in != "" {
		file, err := os.Open(filepath.Clean(o.in))
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // only read from
		in = file
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	store, err := openHistory(ctx, cmd, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if data, ok := store.(*transfer.Data); ok {
		if partial, err := data.Partial(); err != nil {
			return err
		} else if partial {
			return errors.New("this node has its history in ClickHouse: import it there, with --clickhouse")
		}
	}
	errOut := cmd.ErrOrStderr()
	bad := 0
	i := &transfer.Import{In: in, Target: store, State: o.state, SkipBad: o.skipBad, OnBad: func(line *transfer.LineError) {
		if bad++; bad <= badShown {
			fmt.Fprintf(errOut, "barrage: passed over: %v\n", line)
		}
	}}
	return o.transfer(ctx, i, errOut)
}

func (o *importOptions) transfer(ctx context.Context, i *transfer.Import, errOut io.Writer) error {
	stop := o.progress(i, errOut)
	began := time.Now()
	err := i.Run(ctx)
	stop()
	n, took := i.Done.Load()-i.Resumed, time.Since(began)
	soFar := fmt.Sprintf("%d comments imported", n)
	if i.Resumed > 0 {
		soFar += fmt.Sprintf(" after %d before", i.Resumed)
	}
	if skipped := i.Skipped.Load(); skipped > 0 {
		soFar += fmt.Sprintf(", %d bad lines passed over", skipped)
	}
	if err != nil {
		goOn := "the same command again imports the rest; what is there stays as it is"
		if o.state != "" {
			goOn = "the same command goes on from there"
		}
		return ended(ctx, err, soFar, goOn)
	}
	fmt.Fprintf(errOut, "%s, into the %s, in %s: %s\n", soFar, i.Target.Name(), took.Round(time.Millisecond), transfer.Rate(n, took))
	return nil
}

func (o *importOptions) progress(i *transfer.Import, errOut io.Writer) (stop func()) {
	if o.quiet {
		return func() {}
	}
	p := transfer.Progress{Out: errOut, Label: "importing", Bytes: true, Done: i.Offset.Load, Comments: i.Done.Load}
	if file, ok := i.In.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			p.Total = info.Size()
		}
	}
	return p.Show()
}
