package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"barrage/cmd/internal/transfer"
)

type exportOptions struct {
	out           string
	resume, quiet bool
	videos        []string
	since, until  string
}

func newExportCommand() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write history out as JSON lines",
		Long: `Write history out, one comment a line, as JSON like the API's. The order is that
of the live videos' ids, then of the comments'. Deleted comments are left out.

History comes from a data folder, whose node must not run, or from ClickHouse.

An export with --out that was interrupted, in whatever way, goes on with
--resume: give the same options. It goes on behind the last whole line, so
comments that were posted meanwhile to live videos before it are not in it.`,
		Example: `  barrage export --data ./data > history.jsonl
  barrage export --data ./data --out history.jsonl
  barrage export --data ./data --out history.jsonl --resume
  barrage export --clickhouse clickhouse://localhost:9000/barrage --video my-show --since 2026-01-01`,
		Args: argsAre(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.out, "out", "", "file to write, must not exist; standard output by default")
	flags.BoolVar(&o.resume, "resume", false, "go on with the file of an export that was interrupted")
	flags.StringArrayVar(&o.videos, "video", nil, "only this live video (may be repeated)")
	flags.StringVar(&o.since, "since", "", "only comments from this time on (2026-01-31 or 2026-01-31T18:00:00Z)")
	flags.StringVar(&o.until, "until", "", "only comments before this time")
	flags.BoolVar(&o.quiet, "quiet", false, "no progress")
	addHistoryFlags(cmd)
	return cmd
}

// check reads the options that can be wrong.
func (o *exportOptions) check() (span transfer.Span, err error) {
	for _, video := range o.videos {
		if err := checkLiveVideo(video); err != nil {
			return span, err
		}
	}
	if o.resume && o.out == "" {
		return span, badUsage("--resume goes on with a file: name it with --out")
	}
	if span.Since, err = parseTime("since", o.since); err != nil {
		return span, err
	}
	if span.Until, err = parseTime("until", o.until); err != nil {
		return span, err
	}
	if err := span.Validate(); err != nil {
		return span, &usageError{err}
	}
	return span, nil
}

func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, badUsage("--%s %q is neither a day like 2026-01-31 nor a time like 2026-01-31T18:00:00Z", flag, text)
}

func (o *exportOptions) run(cmd *cobra.Command) (err error) {
	span, err := o.check()
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	store, err := openHistory(ctx, cmd, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if data, ok := store.(*transfer.Data); ok {
		if partial, err := data.Partial(); err != nil {
			return err
		} else if partial {
			fmt.Fprintln(cmd.ErrOrStderr(), "barrage: this node has its history in ClickHouse; its data folder has a part of it only")
		}
	}
	e := &transfer.Export{Source: store, Out: cmd.OutOrStdout(), Videos: o.videos, Span: span}
	goOn := "what was written is whole lines; with --out, an export can go on"
	if o.out != "" {
		file, after, err := o.open()
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was synced
		e.Out, e.After = file, after
		goOn = "the same command with --resume goes on"
	}
	return o.export(ctx, e, cmd.ErrOrStderr(), goOn)
}

func (o *exportOptions) open() (*os.File, transfer.Position, error) {
	if o.resume {
		return transfer.ResumeOut(o.out)
	}
	file, err := transfer.CreateOut(o.out)
	return file, transfer.Position{}, err
}

func (o *exportOptions) export(ctx context.Context, e *transfer.Export, errOut io.Writer, goOn string) error {
	stop, err := o.progress(ctx, e, errOut)
	if err != nil {
		return err
	}
	began := time.Now()
	err = e.Run(ctx)
	if file, ok := e.Out.(*os.File); ok && o.out != "" {
		err = errors.Join(err, file.Sync())
	}
	stop()
	n, took := e.Done.Load(), time.Since(began)
	soFar := fmt.Sprintf("%d comments exported", n)
	if err != nil {
		return ended(ctx, err, soFar, goOn)
	}
	fmt.Fprintf(errOut, "%s, of %d live videos, in %s: %s\n", soFar, e.Rooms.Load(), took.Round(time.Millisecond), transfer.Rate(n, took))
	return nil
}

func (o *exportOptions) progress(ctx context.Context, e *transfer.Export, errOut io.Writer) (stop func(), err error) {
	if o.quiet || o.out == "" && transfer.IsTerminal(e.Out) { // the lines show it
		return func() {}, nil
	}
	total := int64(0)
	// Of a part nobody knows how much there is.
	if len(e.Videos) == 0 && e.Span == (transfer.Span{}) && e.After == (transfer.Position{}) {
		if total, err = e.Source.Count(ctx); err != nil {
			return nil, err
		}
	}
	p := transfer.Progress{Out: errOut, Label: "exporting", Total: total, Done: e.Done.Load, Comments: e.Done.Load}
	return p.Show(), nil
}
