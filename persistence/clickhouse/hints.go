package clickhouse

import (
	"context"
	"math"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// hintedVideos are the live videos whose hints are kept.
	hintedVideos = 10_000
	// boundsAge is how long the ends of a video's history are taken for what
	// they were. What is newer is found anyhow; comments older than all (an
	// import) may be missed for so long.
	boundsAge = time.Minute
	// boundsPatience is how old they may be while they are read again.
	boundsPatience = time.Hour
	// wideningFactor is how much wider the next window is if one has too few.
	wideningFactor = 8
)

// hint is what is known of a live video's history: where it begins and ends,
// and how close its comments are.
type hint struct {
	first, last uint64 // ids; no comment: MaxUint64 and 0
	readAt      time.Time
	perComment  uint64 // ids from one comment to the next
}

type hints struct{ byVideo *lru.Cache[string, hint] }

func newHints() *hints {
	cache, err := lru.New[string, hint](hintedVideos)
	if err != nil { // only for a size that is not positive
		panic(err)
	}
	return &hints{cache}
}

// hint gives what is known of a live video. Only who asks first waits for it.
func (db *DB) hint(ctx context.Context, liveVideoID string) (hint, error) {
	h, known := db.guard.hints.byVideo.Get(liveVideoID)
	switch age := time.Since(h.readAt); {
	case known && age < boundsAge:
		return h, nil
	case known && age < boundsPatience:
		go func() {
			// It fails as the pages do that are read with it.
			_, _ = db.readHint(context.WithoutCancel(ctx), liveVideoID)
		}()
		return h, nil
	}
	return db.readHint(ctx, liveVideoID)
}

func (db *DB) readHint(ctx context.Context, liveVideoID string) (hint, error) {
	return shared(ctx, db.guard, "ends "+liveVideoID, func(ctx context.Context) (hint, error) {
		h := hint{readAt: time.Now()}
		var n uint64
		err := db.row(ctx, db.endsQuery(liveVideoID), &n, &h.first, &h.last)
		if err != nil {
			return h, err
		}
		if n == 0 {
			h.first = math.MaxUint64 // not to be remembered: it begins any moment
			return h, nil
		}
		// Until a page says better; where there are pauses, they are closer.
		h.perComment = (h.last-h.first)/n + 1
		if before, ok := db.guard.hints.byVideo.Get(liveVideoID); ok {
			h.perComment = before.perComment
		}
		db.guard.hints.byVideo.Add(liveVideoID, h)
		return h, nil
	})
}

// learn notes how close the comments of a page are.
func (h *hints) learn(liveVideoID string, rows []stored) {
	if len(rows) < 2 {
		return
	}
	known, ok := h.byVideo.Get(liveVideoID)
	if !ok {
		return
	}
	from, to := rows[0].comment.Id, rows[len(rows)-1].comment.Id
	known.perComment = (max(from, to)-min(from, to))/uint64(len(rows)-1) + 1
	h.byVideo.Add(liveVideoID, known)
}

// width is the window that should hold a page.
func (h hint) width(limit int) uint64 {
	// Twice as many as needed, for a stretch that is thinner.
	return times(h.perComment, 2*uint64(limit)+1)
}

// times multiplies, up to the highest number there is.
func times(a, b uint64) uint64 {
	if a > math.MaxUint64/b {
		return math.MaxUint64
	}
	return a * b
}
