package actors

import (
	"bytes"
	"slices"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// bundle is the actor for a set of live videos that viewers of this node watch
// over one connection. It takes the events of their relays and gives them ids
// that hold the resume points of all, once for all viewers of the set.
type bundle struct {
	node   *Node
	self   *actor.PID
	name   string
	videos []string
	used   *atomic.Bool  // there have been comments
	rooms  []*bundleRoom // in the order of videos
	// gathered are the events since the last frame, in the order in which they
	// came.
	gathered []ringEvent
	news     [][]byte // of counts, gaps and rooms
	state    bool     // news is of rooms, too

	audience audience
	waiting  []*viewer // until all relays have answered, or see isAhead
	// reading are viewers whose history is read, with the gaps that were
	// announced meanwhile.
	reading map[*viewer][][]byte
	viewers int
	ended   bool // viewers are let go
}

// bundleRoom is what a bundle keeps of a live video.
type bundleRoom struct {
	tapped  bool
	ring    *ring
	sent    uint64 // the number of the first event in no frame yet
	sentID  uint64 // the highest comment id in a frame
	viewers uint64
	room    roomView
}

func newBundle(node *Node, name string, videos []string, used *atomic.Bool) *bundle {
	b := &bundle{node: node, name: name, videos: videos, used: used, reading: map[*viewer][][]byte{}}
	for _, video := range videos {
		b.rooms = append(b.rooms, &bundleRoom{room: newRoomView(video), ring: newRing(node.config.RingComments, node.config.RingBytes)})
	}
	return b
}

func (b *bundle) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		b.self = ctx.Self()
		b.audience = audience{node: b.node, self: b.self}
		b.node.heartbeats.add(b.self)
		for _, video := range b.videos {
			b.node.root.Send(b.node.relays, &tap{video: video, bundle: b.self})
		}
	case *tapped:
		b.onTapped(m)
	case *roomNews:
		b.onNews(m)
	case fanDone:
		b.audience.done(m)
		b.send()
	case frameTimer:
		b.audience.timer = false
		b.send()
	case *join:
		b.join(m.viewer)
	case *restate:
		for _, room := range b.rooms {
			b.audience.direct(m.viewer, room.room.again(m.viewer.who))
		}
	case joinTimer:
		b.joinWaiting()
	case *bundleBacklog:
		b.onBacklog(m)
	case *leave:
		b.leave(m.viewer)
	case beat:
		b.audience.beat()
	case sampledTimer:
		b.audience.tellSamples()
	case endStreams:
		b.ended = true
		for _, v := range b.waiting {
			b.node.root.Send(v.self, letGo{})
		}
		b.audience.all(letGo{})
	case *actor.Stopping:
		b.node.heartbeats.remove(b.self)
		b.audience.stop()
		for _, video := range b.videos {
			b.node.root.Send(b.node.relays, &untap{video, b.self})
		}
	}
}

func (b *bundle) room(video string) *bundleRoom {
	return b.rooms[slices.Index(b.videos, video)]
}

func (b *bundle) onTapped(m *tapped) {
	room := b.room(m.video)
	room.tapped = true
	if m.lastID != 0 {
		b.used.Store(true)
	}
	room.viewers = m.news.viewers
	room.room.take(m.room, b.node.now())
	for _, e := range m.events {
		room.ring.add(e)
	}
	room.ring.late.list = m.late
	room.ring.floor, room.ring.lastID = m.floor, m.lastID
	room.sent, room.sentID = room.ring.end(), m.lastID
	room.ring.evict(room.sent)
	b.joinWaiting()
}

// forget takes a comment that is deleted out of those that are in no frame yet.
func (b *bundle) forget(video string, id uint64) {
	for i, e := range b.gathered {
		if e.id == id && e.video == video && !e.deletes {
			b.gathered[i].event, b.gathered[i].row = nil, nil
		}
	}
}

// onNews takes the events of a relay's frame.
func (b *bundle) onNews(m *roomNews) {
	room := b.room(m.video)
	if !room.tapped {
		return // it will be in the answer to the tap
	}
	for _, e := range m.events {
		switch {
		case e.deletes:
			room.ring.addDelete(e.id, e.event, b.node.now())
			b.forget(m.video, e.id)
		case e.event != nil:
			room.ring.lastID = e.id
			room.ring.add(e)
			b.used.Store(true)
		default:
			continue
		}
		e.video = m.video
		b.gathered = append(b.gathered, e)
	}
	if m.parts != nil {
		events := room.room.take(*m.parts, b.node.now())
		if len(events.all) > 0 {
			b.news, b.state = withNews(b.news, m.video, events.all), true
		}
		b.audience.tell(events)
	} else if m.gap != nil {
		b.news = append(b.news, m.gap)
		// For who resumes from before. What is in no frame yet comes with the
		// next, as does the gap.
		room.ring.floor = max(room.ring.floor, min(m.before, room.sentID+1))
		for v := range b.reading {
			b.reading[v] = append(b.reading[v], m.gap)
		}
	} else if m.viewers != room.viewers {
		room.viewers = m.viewers
		b.news = append(b.news, viewersEvent(m.video, m.viewers))
	}
	b.send()
}

// send gives the viewers a frame of all that has gathered.
func (b *bundle) send() {
	if (len(b.gathered) == 0 && len(b.news) == 0) || !b.audience.ready() {
		return
	}
	positions := b.positions()
	for i := range b.gathered {
		b.gathered[i] = b.withPositions(b.gathered[i], positions)
	}
	b.audience.send(b.gathered, true, b.state, b.news...)
	b.gathered, b.news, b.state = nil, nil, false
	for _, room := range b.rooms {
		room.sent, room.sentID = room.ring.end(), room.ring.lastID
		room.ring.evict(room.sent)
	}
	b.joinWaiting()
}

// positions are the resume points of a viewer that has all frames.
func (b *bundle) positions() []uint64 {
	positions := make([]uint64, len(b.rooms))
	for i, room := range b.rooms {
		positions[i] = room.sentID
	}
	return positions
}

// withPositions gives a comment's event the resume id that a viewer has with
// it, and moves positions on.
func (b *bundle) withPositions(e ringEvent, positions []uint64) ringEvent {
	if e.deletes {
		return e
	}
	positions[slices.Index(b.videos, e.video)] = e.id
	_, data, _ := bytes.Cut(e.event, []byte("\n"))
	event := append(make([]byte, 0, len(data)+100), "id: "...)
	event = append(event, FormatPositions(positions)...)
	e.event = append(append(event, '\n'), data...)
	return e
}

func (b *bundle) leave(v *viewer) {
	if v.fan == nil {
		b.waiting = without(b.waiting, v)
		delete(b.reading, v)
		return
	}
	b.audience.remove(v)
	b.countViewer(-1)
}

// countViewer tells the relays how many watch through the bundle.
func (b *bundle) countViewer(change int) {
	b.viewers += change
	for _, video := range b.videos {
		b.node.root.Send(b.node.relays, &tapCount{video, tapViewers{b.self, b.viewers}})
	}
}

// tapCount brings a bundle's count to a relay.
type tapCount struct {
	video string
	count tapViewers
}

// joinTimer comes when a viewer has waited long enough.
type joinTimer struct{}

// aheadTime is how long a viewer waits for the comment that it says it has. No
// comment takes so long from its author's answer to here; after that the id is
// taken for a mistake.
const aheadTime = time.Second

// isAhead is as for a relay: a viewer has a comment that is still to be sent
// here.
func (b *bundle) isAhead(v *viewer) bool {
	c := v.config
	unknown := false
	for i, p := range c.Positions {
		room := b.rooms[i]
		if p > room.sentID && p <= room.ring.lastID {
			return true
		}
		unknown = unknown || p > room.ring.lastID
	}
	if !unknown {
		return false
	}
	now := b.node.now()
	if c.askedAt.IsZero() {
		c.askedAt = now
		b.node.after(aheadTime, b.self, joinTimer{})
	}
	return now.Sub(c.askedAt) < aheadTime
}

func (b *bundle) tapped() bool {
	return !slices.ContainsFunc(b.rooms, func(r *bundleRoom) bool { return !r.tapped })
}

func (b *bundle) joinWaiting() {
	if len(b.waiting) == 0 || !b.tapped() {
		return
	}
	waiting := b.waiting
	b.waiting = nil
	for _, v := range waiting {
		b.join(v)
	}
}

// bundleReadTimeout bounds the reading of history for a viewer that resumes.
const bundleReadTimeout = 5 * time.Second
