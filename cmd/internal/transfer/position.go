package transfer

import (
	"context"
	"errors"
	"time"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Position is a place in the order of an export: behind a comment.
type Position struct {
	LiveVideoID string
	CommentID   uint64
}

// Source gives history.
type Source interface {
	// Scan calls fn with the visible comments behind a position, in the order
	// of the bytes of their live video's id, then of their own; only those of
	// the given live videos, if there are any. It ends with fn's error. fn may
	// keep the comment.
	Scan(ctx context.Context, after Position, videos []string, fn func(*records.Comment) error) error
	// Count is about how many comments there are, -1 if that isn't known.
	Count(ctx context.Context) (int64, error)
	Close() error
}

// Target takes history.
type Target interface {
	// Write adds comments. When it returns nil they survive a crash. One that is
	// there already, or was deleted, stays as it is.
	Write(ctx context.Context, comments []*records.Comment) error
	// Name tells this target from others; it holds no secret.
	Name() string
	Close() error
}

// Span selects comments by their time; a zero time is no bound.
type Span struct {
	Since time.Time // this moment and later
	Until time.Time // before this moment
}

// Validate says what is wrong with the span.
func (s Span) Validate() error {
	if !s.Since.IsZero() && !s.Until.IsZero() && !s.Since.Before(s.Until) {
		return errors.New("the time to begin with is not before the one to end with")
	}
	return nil
}

// ids are the bounds that a span means: from least on, below end.
func (s Span) ids() (least, end uint64) {
	end = 1<<63 - 1 // above every id
	if !s.Since.IsZero() {
		least = persistence.FirstIDAt(s.Since)
	}
	if !s.Until.IsZero() {
		end = persistence.FirstIDAt(s.Until)
	}
	return least, end
}
