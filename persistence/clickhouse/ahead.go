package clickhouse

import (
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Who scrolls back asks for page after page. A page costs ClickHouse about as
// much as many: so for readers who go on where a page ended, more is read than
// they ask for, and kept for a moment.

const (
	// aheadRows are read at a time for who goes on.
	aheadRows = 512
	// aheadBlocks bounds what is kept, to some 30 MB.
	aheadBlocks = 256
	// AheadTime is how long it is kept. A deletion is not noticed here: whoever
	// reads through this must know of deletions for longer than this.
	AheadTime = 10 * time.Second
)

// block is a stretch of a live video's history.
type block struct {
	liveVideoID string
	// It has all visible comments between these ids, both exclusive.
	after, before uint64
	comments      []*records.Comment // oldest first
	readAt        time.Time
}

// ahead keeps stretches of history that were read lately.
type ahead struct {
	mu      sync.Mutex
	blocks  *simplelru.LRU[*block, struct{}]
	byVideo map[string][]*block
}

func newAhead() *ahead {
	a := &ahead{byVideo: map[string][]*block{}}
	blocks, err := simplelru.NewLRU(aheadBlocks, func(b *block, _ struct{}) { a.forget(b) })
	if err != nil { // only for a size that is not positive
		panic(err)
	}
	a.blocks = blocks
	return a
}

// forget takes a block that the LRU let go out of the index.
func (a *ahead) forget(b *block) {
	rest := slices.DeleteFunc(a.byVideo[b.liveVideoID], func(x *block) bool { return x == b })
	if a.byVideo[b.liveVideoID] = rest; len(rest) == 0 {
		delete(a.byVideo, b.liveVideoID)
	}
}

// page answers the comments of a range if they are here. Otherwise goesOn says
// whether its beginning is: then its reader comes from the page before.
func (a *ahead) page(liveVideoID string, r persistence.Range) (comments []*records.Comment, ok, goesOn bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.byVideo[liveVideoID] {
		if !b.begins(r) || time.Since(b.readAt) > AheadTime {
			continue
		}
		goesOn = true
		if comments, ok := b.pick(r); ok {
			a.blocks.Get(b)
			return comments, true, true
		}
	}
	return nil, false, goesOn
}

// begins says whether the first ids of a range are in the block.
func (b *block) begins(r persistence.Range) bool {
	if r.Desc {
		return r.Before != 0 && b.after+1 < r.Before && r.Before <= b.before
	}
	return b.after <= r.After && r.After+1 < b.before
}

// pick answers the comments of a range that begins in the block, if all of them
// are in it.
func (b *block) pick(r persistence.Range) ([]*records.Comment, bool) {
	at := func(id uint64) int {
		i, _ := slices.BinarySearchFunc(b.comments, id, func(c *records.Comment, id uint64) int {
			if c.GetId() < id {
				return -1
			}
			return 1
		})
		return i
	}
	low, high := at(r.After+1), len(b.comments)
	if r.Before != 0 {
		high = at(r.Before)
	}
	low = min(low, high)
	all := b.after <= r.After && r.Before != 0 && r.Before <= b.before
	if high-low < r.Limit && !all {
		return nil, false
	}
	if r.Desc {
		picked := slices.Clone(b.comments[max(low, high-r.Limit):high])
		slices.Reverse(picked)
		return picked, true
	}
	return slices.Clone(b.comments[low:min(high, low+r.Limit)]), true
}

// keep keeps what was read of a range at a time.
func (a *ahead) keep(liveVideoID string, r persistence.Range, comments []*records.Comment, readAt time.Time) {
	n := len(comments)
	if n == 0 || r.Limit > aheadRows || r.Desc && r.Before == 0 {
		return
	}
	b := &block{liveVideoID: liveVideoID, after: r.After, before: r.Before, comments: slices.Clone(comments), readAt: readAt}
	switch last := comments[n-1].GetId(); {
	case r.Desc:
		slices.Reverse(b.comments)
		if n == r.Limit {
			b.after = last - 1
		}
	case n == r.Limit || r.Before == 0: // what is newer may come any moment
		b.before = last + 1
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	// What it holds as well, and what is too old, is of no use any more.
	for _, old := range slices.Clone(a.byVideo[liveVideoID]) {
		if b.after <= old.after && old.before <= b.before || time.Since(old.readAt) > AheadTime {
			a.blocks.Remove(old)
		}
	}
	a.byVideo[liveVideoID] = append(a.byVideo[liveVideoID], b)
	a.blocks.Add(b, struct{}{})
}
