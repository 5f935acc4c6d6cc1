package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// A tap is how a bundle gets the events of a live video out of its relay: all
// that is in the ring, and then what each frame of the relay has.
type (
	tap struct {
		video   string
		bundle  *actor.PID
		viewers int
	}
	untap struct {
		video  string
		bundle *actor.PID
	}
	// tapViewers says how many viewers watch through a bundle.
	tapViewers struct {
		bundle  *actor.PID
		viewers int
	}

	// tapped answers a tap.
	tapped struct {
		video  string
		events []ringEvent
		late   []lateDeletion
		floor  uint64
		lastID uint64 // the highest comment id that is sent
		news   roomNews
		room   roomParts
	}
	// roomNews is what a bundle hears of a live video.
	roomNews struct {
		video   string
		events  []ringEvent
		viewers uint64
		gap     []byte     // an event, if the relay itself missed something
		before  uint64     // with gap: its end
		parts   *roomParts // of the room, if they changed
	}
)

func (r *relay) tap(m *tap) {
	r.taps = append(r.taps, m)
	if r.subscribed {
		r.answerTap(m)
	}
}

func (r *relay) answerTap(m *tap) {
	r.node.root.Send(m.bundle, &tapped{
		video: r.liveVideoID, events: slices.Clone(r.ring.events[:r.sent-r.ring.first]),
		late: r.ring.late.forTap(r.ring.first), floor: r.ring.floor, lastID: r.sentID,
		news: roomNews{video: r.liveVideoID, viewers: r.viewers.total}, room: r.room.snapshot(),
	})
}

// tellTaps passes the events of a frame on. They are copied: the ring marks
// its own when a comment is deleted.
func (r *relay) tellTaps(events []ringEvent) {
	for _, t := range r.taps {
		r.node.root.Send(t.bundle, &roomNews{video: r.liveVideoID, events: slices.Clone(events), viewers: r.viewers.total})
	}
}

func (r *relay) tapViewers(m tapViewers) {
	for _, t := range r.taps {
		if t.bundle.Equal(m.bundle) {
			r.countViewer(m.viewers - t.viewers)
			t.viewers = m.viewers
		}
	}
}

func (r *relay) untap(m *untap) {
	r.tapViewers(tapViewers{m.bundle, 0})
	r.taps = slices.DeleteFunc(r.taps, func(t *tap) bool { return t.bundle.Equal(m.bundle) })
}
