package actors

import (
	"context"
	"errors"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
)

// join gives a viewer what it missed and adds it to a fan-out. What the ring
// no longer has is read from history first.
func (r *relay) join(v *viewer) {
	c := v.config
	switch {
	case !r.subscribed || r.isAhead(v):
		r.waiting = append(r.waiting, v)
	case !c.Resume:
		from := r.ring.last(c.History, r.sent)
		r.open(v, r.ring.idBefore(from, 0), r.replay(v, from))
	case c.After+1 >= r.ring.floor:
		from := min(r.ring.after(c.After), r.sent)
		r.open(v, c.After, r.replay(v, from))
	default:
		r.readBacklog(c.After, v)
	}
}

// replay gives what a viewer lacks of the ring, from a number on: all of it, or
// of a sample so much as it shows in a second. Ahead of that are deletions that
// may be new to it.
func (r *relay) replay(v *viewer, from uint64) (frames []*Frame) {
	if v.config.Resume {
		if f := r.ring.late.frame(from, v.config.After); f != nil {
			frames = append(frames, f)
		}
	}
	rate := v.config.Rate
	if rate == 0 {
		return append(frames, r.ring.replay(span{from, r.sent})...)
	}
	events := r.ring.events[from-r.ring.first : r.sent-r.ring.first]
	comments := countComments(events)
	chosen := evenly(events, min(rate, comments), comments)
	counts := tally{}
	counts.add(events, chosen)
	if f := compose(chosen, counts.events(r.liveVideoID)...); f != nil {
		frames = append(frames, f)
	}
	return frames
}

// isAhead says whether a viewer already has a comment that is still to be sent
// here: it has it from another node, or as the answer to its own post. Would
// it join now, it would get that comment twice. One that the owner does not
// know either, asked after the viewer came, is taken for a mistake.
func (r *relay) isAhead(v *viewer) bool {
	c := v.config
	if !c.Resume || c.After <= r.sentID {
		return false
	}
	if c.After <= r.ring.lastID {
		return true // it will be in the next frame
	}
	if c.joinAt == 0 {
		c.joinAt = r.synced + 1
		if r.asking {
			c.joinAt++ // that may have been answered before the viewer came
		}
		r.subscribe()
	}
	return r.synced < c.joinAt
}

// joinWaiting lets those join who wait, as far as they can.
func (r *relay) joinWaiting() {
	waiting := r.waiting
	r.waiting = nil
	for _, v := range waiting {
		r.join(v)
	}
}

// open adds a viewer to the audience. after is the last comment that the
// viewer has, frames are what it gets first.
func (r *relay) open(v *viewer, after uint64, frames []*Frame) {
	if r.ended {
		r.node.root.Send(v.self, letGo{})
		return
	}
	if after > r.ring.lastID && r.plausible(after) {
		v.joinedAfter = after
		r.ahead = append(r.ahead, v)
	}
	r.audience.add(v, &opening{after: after, frames: frames, state: r.room.opening(v.who), viewers: r.viewers.frame(r.liveVideoID)})
	r.countViewer(1)
}

// plausible says whether a comment of which nobody here knows may come yet: it
// is of an owner that is cut off. Other ids are mistakes.
func (r *relay) plausible(id uint64) bool {
	age := r.node.now().Sub(persistence.IDTime(id))
	return age > -time.Second && age < plausibleAge
}

// plausibleAge is longer than nodes are usually cut off.
const plausibleAge = 10 * time.Minute

func (r *relay) countViewer(change int) {
	r.viewers.own = uint64(int(r.viewers.own) + change)
	r.reportViewers()
}

func (r *relay) leave(v *viewer) {
	if v.fan == nil { // it has not joined yet
		r.waiting = without(r.waiting, v)
		for _, b := range r.backlogs {
			b.viewers = without(b.viewers, v)
		}
		return
	}
	r.ahead = without(r.ahead, v)
	r.audience.remove(v)
	r.countViewer(-1)
}

func without(viewers []*viewer, v *viewer) []*viewer {
	for i := range viewers {
		if viewers[i] == v {
			return append(viewers[:i], viewers[i+1:]...)
		}
	}
	return viewers
}

// backlog is a reading of history for viewers that resume from before the
// ring's beginning; all who resume at the same comment share it.
type backlog struct {
	viewers []*viewer
	rows    []*wire.Row
	gap     bool // there is more than is read for a replay
	// told are gaps that were announced meanwhile: what is missed so may have
	// come into history behind the reading.
	told [][]byte
}

type backlogRead struct {
	after  uint64
	before uint64
	rows   []*wire.Row
	more   bool
	err    error
}

func (r *relay) readBacklog(after uint64, v *viewer) {
	b, reading := r.backlogs[after]
	if !reading {
		b = &backlog{}
		r.backlogs[after] = b
		r.readHistory(after, after)
	}
	b.viewers = append(b.viewers, v)
}

// readHistory reads the newest comments between an id and the ring, up to
// ReplayLimit of them, for the backlog of those who resume at key.
func (r *relay) readHistory(key, after uint64) {
	before := r.ring.floor
	r.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, subscribeTimeout)
		defer cancel()
		m := &backlogRead{after: key, before: before}
		if m.err = r.node.backlogReads.Acquire(ctx, 1); m.err == nil {
			defer r.node.backlogReads.Release(1)
			limit := r.node.config.ReplayLimit + 1
			m.rows, m.err = r.node.history.Rows(ctx, r.liveVideoID, persistence.Range{After: after, Before: before, Limit: limit, Desc: true})
			if len(m.rows) == limit {
				m.rows, m.more = m.rows[:limit-1], true
			}
			if errors.Is(m.err, persistence.ErrUnavailable) {
				// Live with a gap is better than not at all.
				m.more, m.err = true, nil
			}
		}
		r.node.root.Send(r.self, m)
	})
}

func (r *relay) onBacklog(m *backlogRead) {
	b := r.backlogs[m.after]
	if m.err != nil {
		// The viewers are let go, to come back with the same resume point.
		r.node.log.Warn("reading history for a resumed stream", "liveVideoId", r.liveVideoID, "error", m.err)
		delete(r.backlogs, m.after)
		for _, v := range b.viewers {
			r.node.root.Send(v.self, letGo{})
		}
		return
	}
	for i := len(m.rows) - 1; i >= 0; i-- { // newest first, as read
		b.rows = append(b.rows, m.rows[i])
	}
	b.gap = b.gap || m.more
	if r.ring.floor > m.before && !m.more && len(b.rows) <= r.node.config.ReplayLimit {
		r.readHistory(m.after, m.before-1) // the ring has moved on meanwhile
		return
	}
	delete(r.backlogs, m.after)
	frames, last := r.backlogFrames(m.after, b)
	from := min(r.ring.after(last), r.sent)
	if r.ring.floor > m.before {
		from = r.ring.first
		frames = append(frames, newFrame(gapEvent(r.liveVideoID, last, r.ring.floor)))
	}
	for _, v := range b.viewers {
		r.open(v, m.after, append(frames[:len(frames):len(frames)], r.replay(v, from)...))
	}
}

// backlogFrames makes the frames of a backlog, and says which comment is the
// last in them.
func (r *relay) backlogFrames(after uint64, b *backlog) ([]*Frame, uint64) {
	var frames []*Frame
	if b.gap {
		first := r.ring.floor
		if len(b.rows) > 0 {
			first = b.rows[0].Id
		}
		frames = append(frames, newFrame(gapEvent(r.liveVideoID, after, first)))
		r.node.metrics.gaps.Add(float64(len(b.viewers)))
	}
	last := after
	for rows := b.rows; len(rows) > 0; {
		n := min(blockEvents, len(rows))
		parts := make([][]byte, n)
		for i, row := range rows[:n] {
			parts[i] = row.Event
		}
		f := newFrame(parts...)
		f.firstID, f.lastID, f.comments = rows[0].Id, rows[n-1].Id, n
		frames = append(frames, f)
		last, rows = f.lastID, rows[n:]
	}
	if len(b.told) > 0 {
		frames = append(frames, newFrame(b.told...))
	}
	return frames, last
}
