package persistence

import "barrage/persistence/records"

// MaxAudit bounds the room events that are asked for at once.
const MaxAudit = 1000

// CommentDeletedEvent is the kind of the room event that a deletion leaves.
const CommentDeletedEvent = "comment_deleted"

// DeletionEvent is what a deletion is for the audit; nil for one that takes
// back what was never answered (replication.Revokes): that is nobody's act.
func DeletionEvent(d *records.CommentDeleted) *records.RoomEvent {
	if d.GetDeletedBy() == "" {
		return nil
	}
	return &records.RoomEvent{
		LiveVideoId: d.GetLiveVideoId(), Kind: CommentDeletedEvent, EventId: d.GetCommentId(), AtMs: d.GetDeletedAtMs(),
		ActorId: d.GetDeletedBy(), UserId: d.GetUserId(), CommentId: d.GetCommentId(),
	}
}

// LiveVideoOf is the live video that a record is about; empty for a record that
// means nothing.
func LiveVideoOf(r *records.Record) string {
	switch kind := r.GetKind().(type) {
	case *records.Record_CommentPosted:
		return kind.CommentPosted.GetComment().GetLiveVideoId()
	case *records.Record_CommentDeleted:
		return kind.CommentDeleted.GetLiveVideoId()
	case *records.Record_ReactionsCounted:
		return kind.ReactionsCounted.GetLiveVideoId()
	case *records.Record_RoomEvent:
		return kind.RoomEvent.GetLiveVideoId()
	}
	return ""
}

// SlotCount is what a session has counted of one type.
type SlotCount struct {
	Type  string
	Total uint64
}

// SlotOf answers what a record says of a reaction slot: whose it is, and the
// totals of the types it names. A record that names no session is one itself,
// of its reaction_id, and its counts are the totals: so it counts once, however
// often it comes.
func SlotOf(r *records.ReactionsCounted) (session uint64, counts []SlotCount) {
	session = r.GetSession()
	for _, c := range r.GetCounts() {
		total := c.GetSessionTotal()
		if session == 0 {
			total = uint64(c.GetCount())
		}
		if c.GetType() != "" && total > 0 {
			counts = append(counts, SlotCount{c.GetType(), total})
		}
	}
	if session == 0 {
		session = r.GetReactionId()
	}
	return session, counts
}
