package actors

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// How many comments a live video has: those in memory, which are all from its
// floor on, and those below it, which are counted. As long as memory has all of
// history, nothing can be wrong. Of more, an owner takes the number over from
// the one before it, or from the store of a node that is alone. If it can't, or
// if what another owner did at the same time may be below the floor, it has the
// stores of all members counted (Config.Count).

// olderCount is the number of comments below memory's floor.
type olderCount struct {
	n int64 // below 0: a total that was taken over had not heard of all
	// sure: n is what history has. known: it is at least what somebody counted.
	sure, known bool
	// askers wait until it is known, for countPatience.
	askers []videoAsker

	running  bool
	before   uint64 // the id below which is being counted
	evicted  int64  // since then
	again    bool   // something below it has changed since then
	failures int    // in a row
}

type (
	// countedOlder comes from countOlder.
	countedOlder struct {
		comments uint64
		err      error
	}
	recount   struct{}
	countLate struct{}
)

const (
	// countPatience is how long who asks for the number of comments waits for
	// it. Then they are told what is known here: a post may wait for it, too
	// (videos.autocreate).
	countPatience = time.Second
	// recountAfter is the pause before comments are counted again because of a
	// change, and the first one after a failure; it doubles with each up to
	// longestRecount.
	recountAfter   = 500 * time.Millisecond
	longestRecount = 5 * time.Second
	countTimeout   = time.Minute
	// maxCounts is how many live videos a node counts at a time.
	maxCounts = 4
)

// comments is how many the live video has in history.
func (l *liveVideo) comments() uint64 {
	return uint64(max(0, l.older.n+int64(len(l.recent.rows))))
}

// beginCount takes over the number of comments from an owner that handed the
// live video over, if it was the only one. Otherwise total is the best that
// stores have counted, with what the store gave to memory; known says whether
// that was all that its node knew of.
func (l *liveVideo) beginCount(total uint64, known bool, m *loadedRoom) {
	o := &l.older
	o.n, o.known, o.sure = int64(total)-int64(len(l.recent.rows)), known, known && l.node.config.Count == nil
	owners := 0
	for _, c := range m.claimed {
		if !c.WasOwner {
			continue
		}
		if owners++; owners == 1 && c.TotalComments != nil {
			o.n, o.known, o.sure = int64(c.GetTotalComments())-int64(len(c.Rows)), true, true
		}
	}
	if o.sure = o.sure && owners <= 1; l.recent.floor <= 1 {
		o.n, o.known, o.sure = 0, true, true
	}
	l.node.log.Debug("older comments", "liveVideoId", l.id, "comments", o.n, "below", l.recent.floor, "sure", o.sure, "owners", owners)
}

// startCount has counted what is not sure.
func (l *liveVideo) startCount() {
	if l.older.sure {
		return
	}
	l.node.after(countPatience, l.self, countLate{})
	l.countOlder()
}

// doubtCount says that history may have, or lack, comments below the floor that
// were not counted so.
func (l *liveVideo) doubtCount() {
	o := &l.older
	switch {
	case l.recent.floor <= 1 || l.node.config.Count == nil || l.retired:
	case o.running:
		o.again = true
	case o.sure:
		o.sure = false
		l.recountAfter(recountAfter)
	} // otherwise it is to be counted anyway
}

func (l *liveVideo) recountAfter(pause time.Duration) {
	l.node.after(pause+rand.N(pause/2), l.self, recount{}) //nolint:gosec // jitter is no secret
}

// countOlder has the members' stores counted below the floor: what left memory
// is in the store, so that no change is under way there but deletions. A node
// that is alone has counted what is its own, and asks for what is elsewhere.
func (l *liveVideo) countOlder() {
	o := &l.older
	o.running, o.before, o.evicted, o.again = true, l.recent.floor, 0, false
	before := o.before
	var deleted []uint64
	for id := range l.recent.deleted {
		if id < before {
			deleted = append(deleted, id)
		}
	}
	l.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, countTimeout)
		defer cancel()
		m := &countedOlder{}
		if l.node.config.Count != nil {
			m.comments, m.err = l.node.countOlder(ctx, l.id, before, deleted)
		} else {
			m.comments, m.err = l.node.store.CountElsewhere(ctx, l.id)
		}
		l.node.root.Send(l.self, m)
	})
}

var errPartial = errors.New("nodes that may have some are out of reach")

func (n *Node) countOlder(ctx context.Context, liveVideoID string, before uint64, deleted []uint64) (uint64, error) {
	if err := n.counts.Acquire(ctx, 1); err != nil {
		return 0, fmt.Errorf("waiting to count comments: %w", err)
	}
	defer n.counts.Release(1)
	if n.owners.Partial() {
		return 0, errPartial
	}
	if err := n.Settle(ctx); err != nil {
		return 0, err
	}
	return n.config.Count(ctx, liveVideoID, before, deleted)
}

func (l *liveVideo) onCountedOlder(m *countedOlder) {
	o := &l.older
	o.running = false
	if l.retired {
		return
	}
	if m.err != nil {
		l.node.log.Debug("counting older comments", "liveVideoId", l.id, "error", m.err)
		l.recountAfter(min(recountAfter<<min(o.failures, 8), longestRecount))
		o.failures++
		return
	}
	if l.node.config.Count == nil {
		o.n += int64(m.comments)
	} else {
		o.n = int64(m.comments) + o.evicted
	}
	o.known, o.sure, o.failures = true, !o.again, 0
	l.node.log.Debug("older comments were counted", "liveVideoId", l.id, "comments", m.comments, "below", o.before, "evicted", o.evicted, "sure", o.sure)
	if o.again {
		l.recountAfter(recountAfter)
	}
	l.answerAskers()
	l.listCounts()
}

// recount comes after a pause.
func (l *liveVideo) recount() {
	if o := &l.older; !l.retired && !o.running && !o.sure {
		l.countOlder()
	}
}

// evicted notes that comments have left memory, and deletedOlder that one below
// its floor was deleted.
func (l *liveVideo) evicted(n int) {
	l.older.n += int64(n)
	l.older.evicted += int64(n)
}

func (l *liveVideo) deletedOlder(id uint64) {
	l.older.n--
	if o := &l.older; o.running && id < o.before && l.node.config.Count != nil {
		o.again = true // it may have been counted, or not
	} else {
		o.evicted--
	}
}

// answerAskers tells who waits how the live video is.
func (l *liveVideo) answerAskers() {
	for _, asker := range l.older.askers {
		l.node.root.Send(asker.pid, l.video(asker.userID))
	}
	l.older.askers = nil
}
