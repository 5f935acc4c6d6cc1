package persistence

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

// Gather makes larger batches of what a reader hands out: for a store to which
// a batch costs much and a record little. It reads ahead, so that the next
// batch is there when the last one is applied. A batch is handed out when it
// is full, or linger after its first entry.
func Gather(inner EntryReader, linger time.Duration, maxEntries, maxBytes int) EntryReader {
	g := &gather{
		inner: inner, linger: linger, maxEntries: maxEntries, maxBytes: maxBytes,
		batches: make(chan gathered), ended: make(chan struct{}),
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	go g.run()
	return g
}

type gather struct {
	inner                EntryReader
	linger               time.Duration
	maxEntries, maxBytes int

	ctx     context.Context
	cancel  context.CancelFunc
	batches chan gathered
	ended   chan struct{} // closed when run has ended
	close   sync.Once
}

type gathered struct {
	entries []Entry
	err     error
}

// Next implements EntryReader. The bounds are those of Gather.
func (g *gather) Next(ctx context.Context, _, _ int) ([]Entry, error) {
	select {
	case b := <-g.batches:
		return b.entries, b.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close implements EntryReader.
func (g *gather) Close() (err error) {
	g.close.Do(func() {
		g.cancel()
		<-g.ended
		err = g.inner.Close()
	})
	return err
}

func (g *gather) run() {
	defer close(g.ended)
	for g.ctx.Err() == nil {
		entries, err := g.gather()
		if len(entries) > 0 && !g.hand(gathered{entries: entries}) {
			return
		}
		if err != nil && !g.hand(gathered{err: err}) {
			return
		}
	}
}

func (g *gather) hand(b gathered) bool {
	select {
	case g.batches <- b:
		return true
	case <-g.ctx.Done():
		return false
	}
}

const (
	// gatherStep and gatherStepBytes are what is read at a time: a batch has no
	// more than that beyond its bound of bytes.
	gatherStep      = 4096
	gatherStepBytes = 1 << 20
)

func (g *gather) gather() ([]Entry, error) {
	entries, err := g.inner.Next(g.ctx, min(gatherStep, g.maxEntries), min(gatherStepBytes, g.maxBytes))
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(g.ctx, g.linger)
	defer cancel()
	for bytes := sizeOf(entries); len(entries) < g.maxEntries && bytes < g.maxBytes; {
		more, err := g.inner.Next(ctx, min(gatherStep, g.maxEntries-len(entries)), min(gatherStepBytes, g.maxBytes-bytes))
		entries = append(entries, more...)
		bytes += sizeOf(more)
		if ctx.Err() != nil {
			return entries, nil
		}
		if err != nil {
			return entries, err
		}
	}
	return entries, nil
}

func sizeOf(entries []Entry) (bytes int) {
	for _, e := range entries {
		bytes += proto.Size(e.Record)
	}
	return bytes
}
