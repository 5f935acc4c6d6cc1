package actors

import (
	"time"

	"barrage/actors/wire"
)

// ring keeps a relay's recent events, so that viewers who join or come back
// are served from memory. It is bounded by count and by bytes. Events have
// numbers of their own: the first is 0, each next one more.
type ring struct {
	maxEvents, maxBytes int

	// events hold numbers first, first+1, … up to end.
	events []ringEvent
	first  uint64
	bytes  int
	// floor: the ring has every comment with an id at or above it, but for
	// deleted ones.
	floor uint64
	// lastID is the highest comment id that the ring has seen.
	lastID uint64

	frames     map[span]*Frame
	frameBytes int

	late deletedLately
}

// ringEvent is a comment, or the news that one is deleted.
type ringEvent struct {
	id      uint64    // of the comment
	deletes bool      // the event says that the comment is deleted
	event   []byte    // nil: a comment that was deleted since
	row     *wire.Row // the comment, in a relay's ring
	// video is only set in a bundle, for events of several live videos.
	video string
}

// span is the events from one number up to, not including, another.
type span struct{ from, to uint64 }

// blockEvents is how many events are joined in a frame for replay. Blocks
// begin at multiples of it, so that viewers who resume at different points
// share all frames but the first.
const blockEvents = 64

func newRing(maxEvents, maxBytes int) *ring {
	return &ring{maxEvents: maxEvents, maxBytes: maxBytes, frames: map[span]*Frame{}}
}

// end is the number that the next event will have.
func (r *ring) end() uint64 { return r.first + uint64(len(r.events)) }

func (r *ring) addComment(row *wire.Row) {
	r.lastID = row.Id
	r.add(ringEvent{id: row.Id, event: row.Event, row: row})
}

// addDelete notes a deletion, and forgets the comment.
func (r *ring) addDelete(id uint64, event []byte, now time.Time) {
	if i := r.find(id); i < len(r.events) && r.events[i].id == id && !r.events[i].deletes {
		r.bytes -= len(r.events[i].event)
		r.events[i].event, r.events[i].row = nil, nil
		r.forgetFrames()
	}
	e := ringEvent{id: id, deletes: true, event: event}
	r.add(e)
	r.late.add(lateDeletion{e, now, r.end()})
}

func (r *ring) add(e ringEvent) {
	r.events = append(r.events, e)
	r.bytes += len(e.event)
}

// evict drops the oldest events beyond the bounds, of those below number
// sent: what no viewer has been given yet stays.
func (r *ring) evict(sent uint64) {
	n := 0
	for len(r.events)-n > r.maxEvents || r.bytes > r.maxBytes {
		if n == len(r.events) || r.first+uint64(n) >= sent {
			break
		}
		r.bytes -= len(r.events[n].event)
		if !r.events[n].deletes {
			r.floor = r.events[n].id + 1
		}
		n++
	}
	if n > 0 {
		clear(r.events[:n])
		r.events = r.events[n:]
		r.first += uint64(n)
	}
}

// compare says which comments the ring has, and which of them are gone: those
// from an id on that are not there. Comments below it are of no use any more.
func (r *ring) compare(from uint64, there map[uint64]bool) (known map[uint64]bool, gone []uint64) {
	known = map[uint64]bool{}
	for i := range r.events {
		switch e := &r.events[i]; {
		case e.deletes:
		case e.id < from:
			r.bytes -= len(e.event)
			e.event, e.row = nil, nil
			r.floor = max(r.floor, e.id+1)
		default:
			known[e.id] = true
			if e.event != nil && !there[e.id] {
				gone = append(gone, e.id)
			}
		}
	}
	r.forgetFrames()
	return known, gone
}

// oldest is the id of the first comment, 0 if there is none.
func (r *ring) oldest() uint64 {
	for i := range r.events {
		if !r.events[i].deletes {
			return r.events[i].id
		}
	}
	return 0
}

// rows gives the newest comments above an id, newest first, up to so many.
func (r *ring) rows(after uint64, limit int) (rows []*wire.Row) {
	for i := len(r.events) - 1; i >= 0 && len(rows) < limit; i-- {
		switch e := r.events[i]; {
		case e.deletes || e.row == nil:
		case e.id <= after:
			return rows
		default:
			rows = append(rows, e.row)
		}
	}
	return rows
}

// find gives the index of the first comment with an id at or above this one,
// or len(events). Deletions lie between the comments in the order in which
// they came: each counts as behind the comment before it.
func (r *ring) find(id uint64) int {
	lo, hi := 0, len(r.events)
	for lo < hi {
		mid := (lo + hi) / 2
		at := mid
		for at >= lo && r.events[at].deletes {
			at--
		}
		if at < lo || r.events[at].id < id {
			lo = mid + 1
		} else {
			hi = at
		}
	}
	return lo
}

// after gives the number of the first event behind the comment with this id:
// what a viewer that has the comment, and nothing later, lacks.
func (r *ring) after(id uint64) uint64 {
	i := r.find(id + 1)
	for i > 0 && r.events[i-1].deletes {
		i--
	}
	return r.first + uint64(i)
}

// last gives the number at which the last n comments before number to begin.
func (r *ring) last(n int, to uint64) uint64 {
	from := to
	for from > r.first && n > 0 {
		from--
		if e := r.events[from-r.first]; !e.deletes && e.event != nil {
			n--
		}
	}
	return from
}

// idBefore gives the highest comment id among the events below number at, or
// fallback if there is none.
func (r *ring) idBefore(at, fallback uint64) uint64 {
	for at > r.first {
		at--
		if e := r.events[at-r.first]; !e.deletes {
			return e.id
		}
	}
	return fallback
}

// replay gives frames with the events of a span, shared with all others who
// replay them.
func (r *ring) replay(s span) []*Frame {
	var frames []*Frame
	for s.from < s.to {
		to := min(s.to, (s.from/blockEvents+1)*blockEvents)
		if f := r.frame(span{s.from, to}); f != nil {
			frames = append(frames, f)
		}
		s.from = to
	}
	return frames
}

// frame gives the frame of a span, made at most once; nil if all its comments
// are deleted.
func (r *ring) frame(s span) *Frame {
	if f, made := r.frames[s]; made {
		return f
	}
	f := compose(r.events[s.from-r.first : s.to-r.first])
	if f != nil {
		if r.frameBytes += len(f.identity.chunk); r.frameBytes > r.maxBytes {
			r.forgetFrames()
			r.frameBytes = len(f.identity.chunk)
		}
	}
	r.frames[s] = f
	return f
}

// compose makes a frame of events, or nil if there is nothing in them.
func compose(events []ringEvent, more ...[]byte) *Frame {
	parts := make([][]byte, 0, len(events)+len(more))
	var firstID, lastID uint64
	var deleted []ringEvent
	comments := 0
	for _, e := range events {
		switch {
		case e.event == nil:
			continue
		case e.deletes:
			deleted = append(deleted, e)
		default:
			if comments++; firstID == 0 {
				firstID = e.id
			}
			lastID = e.id
		}
		parts = append(parts, e.event)
	}
	parts = append(parts, more...)
	if len(parts) == 0 {
		return nil
	}
	f := newFrame(parts...)
	f.firstID, f.lastID, f.comments, f.deleted = firstID, lastID, comments, deleted
	return f
}

func (r *ring) forgetFrames() {
	clear(r.frames)
	r.frameBytes = 0
}
