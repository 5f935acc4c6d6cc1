package actors

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// What is set for a room comes from its stores and from other owners, and goes on
// to the next.

// loadRoomState takes what the store and other nodes know of the room.
func (l *liveVideo) loadRoomState(m *loadedRoom) {
	l.inheritRoom(m)
	persistence.TidyRoom(l.room.set, l.node.now())
	l.room.held.load(l.room.set)
	l.node.metrics.held.Add(float64(l.room.held.waiting))
	l.room.at = lastChange(l.room.set)
	l.rememberPosts()
	l.readPinned()
}

// inheritRoom puts together what is known of the room.
func (l *liveVideo) inheritRoom(m *loadedRoom) {
	l.room.set = m.room
	if l.room.set == nil {
		l.room.set = &records.Room{}
	}
	for _, c := range m.claimed {
		if room := l.claimedRoom(c); room != nil {
			persistence.MergeRoom(l.room.set, room)
		}
	}
}

// joinedRooms is what two encoded rooms know together. What can't be read is
// passed over: it is in the stores.
func joinedRooms(a, b []byte) []byte {
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...)
	}
	room, other := new(records.Room), new(records.Room)
	if proto.Unmarshal(a, room) != nil || proto.Unmarshal(b, other) != nil {
		return a
	}
	persistence.MergeRoom(room, other)
	joined, err := proto.Marshal(room)
	if err != nil {
		return a
	}
	return joined
}

func (l *liveVideo) claimedRoom(c Claimed) *records.Room {
	if len(c.Room) == 0 {
		return nil
	}
	room := new(records.Room)
	if err := proto.Unmarshal(c.Room, room); err != nil {
		l.node.log.Warn("another node's knowledge of a room can't be read", "liveVideoId", l.id, "node", c.Address, "error", err)
		return nil
	}
	return room
}

// lastChange is the time of the last change of a room.
func lastChange(room *records.Room) int64 {
	at := max(room.GetEnded().GetAtMs(), room.GetSlowMode().GetAtMs(), room.GetPin().GetAtMs())
	for _, m := range room.Mutes {
		at = max(at, m.AtMs)
	}
	for _, h := range room.Held {
		at = max(at, h.ResolvedAtMs)
	}
	return at
}

// mergeRoom takes what another node knows of the room, and adds to events what
// viewers are to know of it.
func (l *liveVideo) mergeRoom(room *records.Room, events *wire.Publish) {
	before := l.roomState()
	mutes, held := slices.Clone(l.room.set.Mutes), slices.Clone(l.room.set.Held)
	pin := l.room.set.Pin
	waiting := l.room.held.waiting
	if !persistence.MergeRoom(l.room.set, room) {
		return
	}
	l.room.at = max(l.room.at, lastChange(room))
	if l.room.set.Pin != pin {
		l.room.pinned = nil
	}
	for _, m := range l.room.set.Mutes {
		if !slices.Contains(mutes, m) {
			l.onMuted(m, events)
		}
	}
	l.room.held.load(l.room.set)
	l.node.metrics.held.Add(float64(l.room.held.waiting - waiting))
	for _, h := range l.room.set.Held {
		if !slices.Contains(held, h) {
			events.Held = append(events.Held, l.heldRow(h))
		}
	}
	l.rememberPosts()
	if state := l.roomState(); !proto.Equal(state, before) {
		events.Room = state
	}
	l.list()
}

// readRoom reads what the store knows of a room.
func (n *Node) readRoom(ctx context.Context, id string, m *loadedRoom) (err error) {
	if m.room, err = n.store.Room(ctx, id); err != nil {
		return err
	}
	m.slots, err = n.store.ReactionSlots(ctx, id, maxReactionSlots)
	return err
}

// claimRoom adds what this node's store knows of a room to an answer.
func (n *Node) claimRoom(ctx context.Context, id string, answer *wire.Claimed) error {
	room, err := n.config.Own.Room(ctx, id)
	if err != nil {
		return err
	}
	if answer.Room, err = proto.Marshal(room); err != nil {
		return err
	}
	slots, err := n.config.Own.ReactionSlots(ctx, id, maxReactionSlots)
	if err != nil {
		return err
	}
	answer.ReactionSlots, answer.ReactionsFloor, err = encodeStoredSlots(slots, maxAnswerBytes)
	return err
}

// handOverRoom adds what the owner knows of the room to what it hands over. The
// room goes whole: at most some megabytes, if a thousand long comments wait.
func (l *liveVideo) handOverRoom(answer *wire.Claimed) {
	room, err := proto.Marshal(l.room.set)
	if err != nil {
		l.node.log.Error("handing a room over", "liveVideoId", l.id, "error", err)
		return // it is in the stores
	}
	answer.Room = room
	answer.ReactionSlots, answer.ReactionsFloor = l.reactions.encodeSlots(maxAnswerBytes)
}

// claimed is what a straggler brings, as an answer to a claim.
func (m *Straggler) claimed() *wire.Claimed {
	answer := &wire.Claimed{}
	if m.Comment != nil {
		answer.Rows = []*wire.Row{EncodeRow(m.Comment)}
	}
	if m.Room != nil {
		answer.Room, _ = proto.Marshal(m.Room) // it was read from its encoded form
	}
	if m.Reactions != nil {
		session, counts := persistence.SlotOf(m.Reactions)
		slot := &records.ReactionSlot{CommentId: m.Reactions.CommentId, Session: session, Totals: map[string]uint64{}}
		for _, c := range counts {
			slot.Totals[c.Type] = c.Total
		}
		if b, err := proto.Marshal(slot); err == nil {
			answer.ReactionSlots = [][]byte{b}
		}
	}
	return answer
}
