package actors

import (
	"context"
	"runtime"
	"time"

	"github.com/asynkron/protoactor-go/actor"

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
		r.open(v, r.ring.idBefore(from, 0), r.ring.replay(span{from, r.sent}))
	case c.After+1 >= r.ring.floor:
		from := min(r.ring.after(c.After), r.sent)
		r.open(v, c.After, r.ring.replay(span{from, r.sent}))
	default:
		r.readBacklog(c.After, v)
	}
}

// aheadTime is how long a viewer waits for the comment that it says it has. No
// comment takes so long from its author's answer to here; after that the id is
// taken for a mistake.
const aheadTime = time.Second

// isAhead says whether a viewer already has a comment that is still to be sent
// here: it has it from another node, or as the answer to its own post. Would
// it join now, it would get that comment twice.
func (r *relay) isAhead(v *viewer) bool {
	c := v.config
	if !c.Resume || c.After <= r.sentID {
		return false
	}
	if c.After <= r.ring.lastID {
		return true // it will be in the next frame
	}
	now := r.node.now()
	if c.askedAt.IsZero() {
		c.askedAt = now
		r.node.after(aheadTime, r.self, joinTimer{})
	}
	return now.Sub(c.askedAt) < aheadTime
}

func (r *relay) joinWaiting() {
	waiting := r.waiting
	r.waiting = nil
	for _, v := range waiting {
		r.join(v)
	}
}

// open adds a viewer to the fan-out with the fewest viewers. after is the
// last comment that the viewer has, frames are what it gets first.
func (r *relay) open(v *viewer, after uint64, frames []*Frame) {
	fan := r.fan()
	fan.viewers++
	v.fan = fan
	m := &opening{after: after, frames: frames, viewers: r.viewers.frame(r.liveVideoID)}
	r.node.root.Send(fan.pid, &addViewer{v, m})
	r.viewers.own++
	r.reportViewers()
}

// viewersPerFan is how many viewers a fan-out has before the relay starts
// another one, up to one for each processor.
const viewersPerFan = 512

func (r *relay) fan() *fanRef {
	var least *fanRef
	for _, fan := range r.fans {
		if least == nil || fan.viewers < least.viewers {
			least = fan
		}
	}
	if least == nil || (least.viewers >= viewersPerFan && len(r.fans) < runtime.GOMAXPROCS(0)) {
		f := &fanout{node: r.node, relay: r.self, index: len(r.fans)}
		least = &fanRef{pid: r.node.root.Spawn(actor.PropsFromProducer(func() actor.Actor { return f }))}
		r.fans = append(r.fans, least)
	}
	return least
}

func (r *relay) leave(v *viewer) {
	if v.fan == nil { // it has not joined yet
		r.waiting = without(r.waiting, v)
		for _, b := range r.backlogs {
			b.viewers = without(b.viewers, v)
		}
		return
	}
	v.fan.viewers--
	r.node.root.Send(v.fan.pid, &removeViewer{v})
	r.viewers.own--
	r.reportViewers()
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
	frames = append(frames, r.ring.replay(span{from, r.sent})...)
	for _, v := range b.viewers {
		r.open(v, m.after, frames)
	}
}

// backlogFrames makes the frames of a backlog, and says which comment is the
// last in them.
func (r *relay) backlogFrames(after uint64, b *backlog) ([]*Frame, uint64) {
	var frames []*Frame
	if b.gap && len(b.rows) > 0 {
		frames = append(frames, newFrame(gapEvent(r.liveVideoID, after, b.rows[0].Id)))
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
	return frames, last
}
