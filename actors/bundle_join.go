package actors

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"barrage/actors/wire"
	"barrage/persistence"
)

// join gives a viewer what it missed of all live videos, in the order of time,
// and adds it to the audience.
func (b *bundle) join(v *viewer) {
	c := v.config
	if !b.tapped() || b.isAhead(v) {
		b.waiting = append(b.waiting, v)
		return
	}
	if !c.Resume {
		b.open(v, b.lastEvents(c.History), nil)
		return
	}
	for i, room := range b.rooms {
		if c.Positions[i]+1 < room.ring.floor {
			b.readBacklog(v)
			return
		}
	}
	b.open(v, b.missed(v, c.Positions), nil)
}

// missed are the events behind positions that are in frames already, in the
// order of time. Ahead of them are deletions that may be new to a viewer.
func (b *bundle) missed(v *viewer, positions []uint64) []ringEvent {
	var lists [][]ringEvent
	for i, room := range b.rooms {
		from := min(room.ring.after(positions[i]), room.sent)
		late, _ := room.ring.late.before(from, v.config.Positions[i])
		list := append(ringEventsOf(late), room.ring.events[from-room.ring.first:room.sent-room.ring.first]...)
		for j := range list {
			list[j].video = b.videos[i]
		}
		lists = append(lists, list)
	}
	return mergeByTime(lists)
}

// mergeByTime merges lists of events. Comments are in the order of their ids; a
// deletion stays behind the comment that it was behind.
func mergeByTime(lists [][]ringEvent) []ringEvent {
	type timed struct {
		at uint64
		e  ringEvent
	}
	var all []timed
	for _, list := range lists {
		at := uint64(0)
		for _, e := range list {
			if !e.deletes {
				at = e.id
			}
			all = append(all, timed{at, e})
		}
	}
	slices.SortStableFunc(all, func(x, y timed) int { return cmp.Compare(x.at, y.at) })
	events := make([]ringEvent, len(all))
	for i := range all {
		events[i] = all[i].e
	}
	return events
}

// lastEvents are the last n comments of all live videos together.
func (b *bundle) lastEvents(n int) []ringEvent {
	var lists [][]ringEvent
	for i, room := range b.rooms {
		from := room.ring.last(n, room.sent)
		list := slices.Clone(room.ring.events[from-room.ring.first : room.sent-room.ring.first])
		list = slices.DeleteFunc(list, func(e ringEvent) bool { return e.deletes || e.event == nil })
		for j := range list {
			list[j].video = b.videos[i]
		}
		lists = append(lists, list)
	}
	events := mergeByTime(lists)
	return events[max(0, len(events)-n):]
}

// open adds a viewer that has all but these events.
func (b *bundle) open(v *viewer, events []ringEvent, gaps [][]byte) {
	if b.ended {
		b.node.root.Send(v.self, letGo{})
		return
	}
	positions := b.positions()
	if v.config.Resume {
		copy(positions, v.config.Positions)
	} else {
		// What is before the events, the viewer does not want.
		for _, e := range slices.Backward(events) {
			positions[slices.Index(b.videos, e.video)] = e.id - 1
		}
	}
	var frames []*Frame
	if len(gaps) > 0 {
		frames = append(frames, newFrame(gaps...))
	}
	comments := countComments(events)
	if rate := v.config.Rate; rate > 0 && comments > rate {
		chosen := evenly(events, rate, comments)
		counts := tally{}
		counts.add(events, chosen)
		frames = append(frames, newFrame(counts.events("")...))
		events = chosen
	}
	for chunk := range slices.Chunk(events, blockEvents) {
		named := slices.Clone(chunk)
		for i := range named {
			if named[i].event != nil {
				named[i] = b.withPositions(named[i], positions)
			}
		}
		if f := compose(named); f != nil {
			f.spans = spansOf(named)
			frames = append(frames, f)
		}
	}
	var state []*Frame
	for _, room := range b.rooms {
		state = append(state, room.room.opening(v.who)...)
	}
	b.audience.add(v, &opening{frames: frames, state: state, viewers: b.viewersFrame()})
	b.countViewer(1)
}

func (b *bundle) viewersFrame() *Frame {
	var parts [][]byte
	for i, room := range b.rooms {
		if room.viewers > 0 {
			parts = append(parts, viewersEvent(b.videos[i], room.viewers))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return newFrame(parts...)
}

// bundleBacklog is what history has for a viewer that resumes from before the
// rings' beginnings.
type bundleBacklog struct {
	viewer *viewer
	rows   [][]*wire.Row // of each live video, oldest first
	gaps   [][]byte
	upTo   []uint64 // positions with rows
	err    error
}

func (b *bundle) readBacklog(v *viewer) {
	b.reading[v] = nil
	b.readOn(&bundleBacklog{viewer: v, rows: make([][]*wire.Row, len(b.rooms)), upTo: slices.Clone(v.config.Positions)})
}

// readOn reads what is between a backlog and the rings.
func (b *bundle) readOn(m *bundleBacklog) {
	floors := make([]uint64, len(b.rooms))
	for i, room := range b.rooms {
		floors[i] = room.ring.floor
	}
	b.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, bundleReadTimeout)
		defer cancel()
		if m.err = b.node.backlogReads.Acquire(ctx, 1); m.err == nil {
			defer b.node.backlogReads.Release(1)
			for i := range floors {
				if m.err == nil && m.upTo[i]+1 < floors[i] {
					m.err = b.readRoom(ctx, m, i, floors[i])
				}
			}
		}
		b.node.root.Send(b.self, m)
	})
}

// readRoom reads the newest of what is between a position and a ring.
func (b *bundle) readRoom(ctx context.Context, m *bundleBacklog, i int, floor uint64) error {
	limit := b.node.config.ReplayLimit/len(b.rooms) + 1
	rows, err := b.node.history.Rows(ctx, b.videos[i], persistence.Range{After: m.upTo[i], Before: floor, Limit: limit, Desc: true})
	// As in a relay, live with a gap is better than not at all.
	gap := errors.Is(err, persistence.ErrUnavailable)
	if err != nil && !gap {
		return err
	}
	if len(rows) == limit {
		rows, gap = rows[:limit-1], true
	}
	if gap {
		first := floor
		if len(rows) > 0 {
			first = rows[len(rows)-1].Id
		}
		m.gaps = append(m.gaps, gapEvent(b.videos[i], m.upTo[i], first))
	}
	slices.Reverse(rows)
	m.rows[i], m.upTo[i] = append(m.rows[i], rows...), floor-1
	return nil
}

func (b *bundle) onBacklog(m *bundleBacklog) {
	v := m.viewer
	told, reading := b.reading[v]
	if !reading {
		return // it has left
	}
	for i, room := range b.rooms {
		// The ring has moved on meanwhile; it does so more slowly than history
		// is read, but for a viewer that has enough to read as it is.
		if m.err == nil && m.upTo[i]+1 < room.ring.floor && len(m.rows[i]) <= b.node.config.ReplayLimit {
			b.readOn(m)
			return
		}
	}
	delete(b.reading, v)
	if m.err != nil {
		b.node.log.Warn("reading history for a resumed stream", "liveVideoIds", b.name, "error", m.err)
		b.node.root.Send(v.self, letGo{})
		return
	}
	m.gaps = append(m.gaps, told...)
	var lists [][]ringEvent
	for i, rows := range m.rows {
		var list []ringEvent
		for _, row := range rows {
			list = append(list, ringEvent{id: row.Id, event: row.Event, video: b.videos[i]})
		}
		lists = append(lists, list)
		if floor := b.rooms[i].ring.floor; m.upTo[i]+1 < floor {
			m.gaps = append(m.gaps, gapEvent(b.videos[i], m.upTo[i], floor))
		}
	}
	b.open(v, append(mergeByTime(lists), b.missed(v, m.upTo)...), m.gaps)
}
