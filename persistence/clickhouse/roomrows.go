package clickhouse

import (
	"math"

	"barrage/persistence"
	"barrage/persistence/records"
)

// What is kept so that a room can be had again: its settings, and its reactions.

const (
	roomStateTable     = "room_state"
	reactionSlotsTable = "reaction_slots"

	roomStateColumns    = "live_video_id, part, user_id, at_ms, number, lifted, actor_id, version"
	reactionSlotColumns = "live_video_id, comment_id, session, type, total, created_at_ms"
)

// The parts of a room in room_state.
const (
	partEnded    = "ended"
	partSlowMode = "slow_mode"
	partPin      = "pin"
	partCreated  = "created"
	partMute     = "mute"
)

// roomPart is a row of room_state.
type roomPart struct {
	part, userID string
	atMs, number int64
	lifted       uint8
	actorID      string
}

// partsOf takes a room apart. Held comments stay out.
func partsOf(room *records.Room) (parts []roomPart) {
	if e := room.GetEnded(); e != nil {
		p := roomPart{part: partEnded, atMs: e.GetAtMs()}
		if e.GetEnded() {
			p.number = 1
		}
		parts = append(parts, p)
	}
	if s := room.GetSlowMode(); s != nil {
		parts = append(parts, roomPart{part: partSlowMode, atMs: s.GetAtMs(), number: int64(s.GetSeconds())})
	}
	if p := room.GetPin(); p != nil {
		parts = append(parts, roomPart{part: partPin, atMs: p.GetAtMs(), number: int64(p.GetCommentId())}) //nolint:gosec // ids have 63 bits
	}
	if at := room.GetCreatedAtMs(); at != 0 {
		parts = append(parts, roomPart{part: partCreated, atMs: at})
	}
	for _, m := range room.GetMutes() {
		p := roomPart{part: partMute, userID: m.GetUserId(), atMs: m.GetAtMs(), number: m.GetUntilMs(), actorID: m.GetBy()}
		if m.GetEnded() {
			p.lifted = 1
		}
		parts = append(parts, p)
	}
	return parts
}

// room is what a row says of a room.
func (p roomPart) room() *records.Room {
	switch p.part {
	case partEnded:
		return &records.Room{Ended: &records.Ended{Ended: p.number != 0, AtMs: p.atMs}}
	case partSlowMode:
		return &records.Room{SlowMode: &records.SlowMode{Seconds: uint32(max(0, min(p.number, math.MaxUint32))), AtMs: p.atMs}}
	case partPin:
		return &records.Room{Pin: &records.Pin{CommentId: uint64(p.number), AtMs: p.atMs}} //nolint:gosec // ids have 63 bits
	case partCreated:
		return &records.Room{CreatedAtMs: p.atMs}
	case partMute:
		return &records.Room{Mutes: []*records.Mute{{
			UserId: p.userID, AtMs: p.atMs, UntilMs: p.number, Ended: p.lifted != 0, By: p.actorID,
		}}}
	}
	return nil // of a newer version
}

// version is by which of two rows of the same key the right one is left.
func (p roomPart) version() uint64 {
	if p.part == partCreated { // the first time it was made
		return math.MaxInt64 - uint64(max(0, p.atMs))
	}
	return uint64(max(0, p.atMs))
}

type roomStateRows struct {
	liveVideoID, part, userID []string
	atMs, number              []int64
	lifted                    []uint8
	actorID                   []string
	version                   []uint64
}

func (r *roomStateRows) table() (name, columns string) { return roomStateTable, roomStateColumns }
func (r *roomStateRows) rows() int                     { return len(r.part) }
func (r *roomStateRows) all() []any {
	return []any{r.liveVideoID, r.part, r.userID, r.atMs, r.number, r.lifted, r.actorID, r.version}
}

func (r *roomStateRows) add(liveVideoID string, room *records.Room) {
	for _, p := range partsOf(room) {
		r.liveVideoID = append(r.liveVideoID, liveVideoID)
		r.part = append(r.part, p.part)
		r.userID = append(r.userID, p.userID)
		r.atMs = append(r.atMs, p.atMs)
		r.number = append(r.number, p.number)
		r.lifted = append(r.lifted, p.lifted)
		r.actorID = append(r.actorID, p.actorID)
		r.version = append(r.version, p.version())
	}
}

type reactionSlotRows struct {
	liveVideoID        []string
	commentID, session []uint64
	kind               []string
	total              []uint64
	createdAtMs        []int64
}

func (r *reactionSlotRows) table() (name, columns string) {
	return reactionSlotsTable, reactionSlotColumns
}
func (r *reactionSlotRows) rows() int { return len(r.session) }
func (r *reactionSlotRows) all() []any {
	return []any{r.liveVideoID, r.commentID, r.session, r.kind, r.total, r.createdAtMs}
}

func (r *reactionSlotRows) add(m *records.ReactionsCounted) {
	session, counts := persistence.SlotOf(m)
	for _, c := range counts {
		r.liveVideoID = append(r.liveVideoID, m.GetLiveVideoId())
		r.commentID = append(r.commentID, m.GetCommentId())
		r.session = append(r.session, session)
		r.kind = append(r.kind, c.Type)
		r.total = append(r.total, c.Total)
		r.createdAtMs = append(r.createdAtMs, m.GetCreatedAtMs())
	}
}
