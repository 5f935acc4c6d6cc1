package actors

import (
	"sync/atomic"

	"barrage/actors/wire"
)

// listedVideo is what a node's list shows of a live video that it owns. The
// owner sets it, and anybody reads it.
type listedVideo struct {
	viewers, comments atomic.Uint64
	ended             atomic.Bool
	exists            atomic.Bool
	reactions         atomic.Pointer[map[string]uint64]
}

// list brings the node's list up to date.
func (l *liveVideo) list() {
	if l.retired || !l.loaded {
		return
	}
	if l.listed == nil {
		l.listed = &listedVideo{}
	}
	l.listed.ended.Store(l.room.set.GetEnded().GetEnded())
	totals := l.reactions.video.all()
	l.listed.reactions.Store(&totals)
	l.listCounts()
	l.node.listed.Store(l.id, l.listed)
}

// listCounts brings the numbers in the node's list up to date.
func (l *liveVideo) listCounts() {
	if l.listed == nil {
		return
	}
	l.listed.comments.Store(l.comments())
	l.listed.viewers.Store(l.subscriptions.viewers())
	l.listed.exists.Store(l.exists() || len(l.subscriptions.relays) > 0)
}

// unlist ends the listing of what this activation knows.
func (l *liveVideo) unlist() {
	if l.listed != nil {
		l.node.listed.CompareAndDelete(l.id, l.listed)
		l.listed = nil
		l.node.metrics.held.Sub(float64(l.room.held.waiting))
	}
}

func (v *listedVideo) entry(id string) *wire.ListedVideo {
	return &wire.ListedVideo{
		LiveVideoId: id, Ended: v.ended.Load(), Viewers: v.viewers.Load(), Comments: v.comments.Load(),
		Reactions: *v.reactions.Load(), Active: true,
	}
}
