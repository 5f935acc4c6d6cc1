package transfer

import (
	"bufio"
	"context"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"barrage/persistence/records"
)

const (
	writeBytes  = 256 << 10
	encodeBatch = 1000 // comments that go from reading to encoding at once
)

// Export says what to export. Done may be read while it runs.
type Export struct {
	Source Source
	Out    io.Writer
	After  Position // comments up to here are in Out already
	Videos []string // only these; none: all
	Span   Span

	Done  atomic.Int64 // comments
	Rooms atomic.Int64 // live videos that had any
}

// Run writes the comments to Out, reading the next while it encodes others.
// Whatever ends it, what was read is written out first; only whole lines are.
func (e *Export) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []*records.Comment, 4)
	group.Go(func() error {
		defer close(batches)
		return e.read(ctx, batches)
	})
	group.Go(func() error { return e.write(batches) })
	return group.Wait()
}

func (e *Export) read(ctx context.Context, batches chan<- []*records.Comment) error {
	least, end := e.Span.ids()
	batch := make([]*records.Comment, 0, encodeBatch)
	send := func() error {
		select {
		case batches <- batch:
			batch = make([]*records.Comment, 0, encodeBatch)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := e.Source.Scan(ctx, e.After, e.Videos, func(c *records.Comment) error {
		if c.GetId() < least || c.GetId() >= end {
			return nil
		}
		if batch = append(batch, c); len(batch) < encodeBatch {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	return send()
}

func (e *Export) write(batches <-chan []*records.Comment) error {
	out := bufio.NewWriterSize(e.Out, writeBytes)
	video := ""
	var line []byte
	for batch := range batches {
		for _, c := range batch {
			line = AppendLine(line[:0], c)
			if _, err := out.Write(line); err != nil {
				return err
			}
			if c.GetLiveVideoId() != video {
				video = c.GetLiveVideoId()
				e.Rooms.Add(1)
			}
		}
		e.Done.Add(int64(len(batch)))
	}
	return out.Flush()
}
