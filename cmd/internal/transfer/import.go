package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"barrage/persistence/records"
)

const (
	// importBatch is written at once: large enough for ClickHouse, and a sync
	// of the embedded store, to be cheap for each comment.
	importBatch = 50_000
	// importBytes bounds a batch of long comments.
	importBytes = 32 << 20
)

// Import says what to import. The counts may be read while it runs.
type Import struct {
	In     io.Reader
	Target Target
	// State is where to keep how far it has come; empty: nowhere.
	State string
	// SkipBad passes over bad lines instead of ending at the first.
	SkipBad bool
	// OnBad is told of each bad line that is passed over, in another goroutine.
	OnBad func(*LineError) // may be nil
	Now   func() time.Time // nil: time.Now
	batch int              // 0: importBatch

	Offset  atomic.Int64 // bytes of In that are read
	Done    atomic.Int64 // comments that the target keeps, with those of earlier runs
	Skipped atomic.Int64 // bad lines, with those of earlier runs
	Resumed int64        // Done at the beginning
}

// chunk is a batch of comments and the place behind the last of them.
type chunk struct {
	comments []*records.Comment
	skipped  int64 // bad lines up to its end, with those of earlier runs
	end      place
}

// Run reads lines and gives them to the target, reading the next while a batch
// is written. What came before a bad line is written. It ends with ctx even
// while it waits for input.
func (i *Import) Run(ctx context.Context) error {
	if i.Now == nil {
		i.Now = time.Now
	}
	if i.batch == 0 {
		i.batch = importBatch
	}
	if i.OnBad == nil {
		i.OnBad = func(*LineError) {}
	}
	at, err := i.begin()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	chunks := make(chan chunk)
	var failed error // of reading; set before chunks is closed
	go func() {
		defer close(chunks)
		failed = i.read(ctx, newLines(i.In, at), chunks)
	}()
	for {
		select {
		case c, more := <-chunks:
			if !more {
				return failed
			}
			if err := i.write(ctx, c); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin skips what an earlier run imported.
func (i *Import) begin() (place, error) {
	if i.State == "" {
		return place{}, nil
	}
	s, err := readState(i.State)
	if err != nil || s == nil {
		return place{}, err
	}
	if s.Target != i.Target.Name() {
		return place{}, fmt.Errorf("%s is of an import into another target, %s; without the file this one begins anew", i.State, s.Target)
	}
	at, err := s.rejoin(i.In)
	if err != nil {
		return place{}, fmt.Errorf("going on from %s: %w", i.State, err)
	}
	i.Offset.Store(s.Offset)
	i.Done.Store(s.Comments)
	i.Skipped.Store(s.Skipped)
	i.Resumed = s.Comments
	return at, nil
}

// read gives chunks to the writer, until the end or a bad line that is not
// passed over.
func (i *Import) read(ctx context.Context, in *lines, chunks chan<- chunk) error {
	skipped := i.Skipped.Load()
	var comments []*records.Comment
	from := in.at.offset
	send := func() error {
		select {
		case chunks <- chunk{comments, skipped, in.where()}:
			comments, from = make([]*records.Comment, 0, i.batch), in.at.offset
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		c, err := i.next(in)
		var bad *LineError
		switch {
		case errors.Is(err, io.EOF):
			return send()
		case errors.As(err, &bad) && i.SkipBad:
			skipped++
			i.OnBad(bad)
			if in.torn {
				return send() // up to this line, as more of it may be written yet
			}
		case err != nil:
			return errors.Join(err, send())
		default:
			comments = append(comments, c)
		}
		if err := in.accept(); err != nil {
			return errors.Join(err, send())
		}
		i.Offset.Store(in.at.offset)
		if len(comments) >= i.batch || in.at.offset-from >= importBytes {
			if err := send(); err != nil {
				return err
			}
		}
	}
}

func (i *Import) next(in *lines) (*records.Comment, error) {
	text, err := in.next()
	if err != nil {
		return nil, err
	}
	c, err := ParseLine(text, i.Now())
	if err != nil && in.torn {
		err = fmt.Errorf("the file ends within it: %w", err)
	}
	if err != nil {
		return nil, &LineError{in.at.number + 1, err}
	}
	return c, nil
}

// write makes a chunk durable first, and then how far that is.
func (i *Import) write(ctx context.Context, c chunk) error {
	if len(c.comments) > 0 {
		if err := i.Target.Write(ctx, c.comments); err != nil {
			return err
		}
	}
	i.Skipped.Store(c.skipped)
	done := i.Done.Add(int64(len(c.comments)))
	if i.State == "" {
		return nil
	}
	s := stateAt(c.end)
	s.Target, s.Comments, s.Skipped = i.Target.Name(), done, c.skipped
	return s.write(i.State)
}
