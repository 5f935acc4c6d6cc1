package clickhouse

import (
	"context"
	"fmt"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"barrage/persistence"
	"barrage/persistence/clickhouse/schema"
	"barrage/persistence/records"
)

// Names of tables and their columns, in the order of the columns' slices.
const (
	commentsTable   = "comments"
	repliesTable    = "replies" // filled by the server, from comments
	reactionsTable  = "reactions"
	roomEventsTable = "room_events"

	commentColumns   = "live_video_id, comment_id, user_id, user_name, message, parent_id, created_at_ms, deleted"
	reactionColumns  = "live_video_id, reaction_id, comment_id, type, count, created_at_ms"
	roomEventColumns = "live_video_id, at_ms, kind, event_id, actor_id, user_id, comment_id, detail"
)

// columns are rows turned on their side, as they are sent.
type columns interface {
	table() (name, columns string)
	rows() int
	// all gives the slices, in the order of the column names.
	all() []any
}

type commentRows struct {
	liveVideoID        []string
	commentID          []uint64
	userID, name, text []string
	parentID           []uint64
	createdAtMs        []int64
	deleted            []uint8
}

func (c *commentRows) table() (name, columns string) { return commentsTable, commentColumns }
func (c *commentRows) rows() int                     { return len(c.commentID) }
func (c *commentRows) all() []any {
	return []any{c.liveVideoID, c.commentID, c.userID, c.name, c.text, c.parentID, c.createdAtMs, c.deleted}
}

func (c *commentRows) add(m *records.Comment, deleted uint8) {
	c.liveVideoID = append(c.liveVideoID, m.GetLiveVideoId())
	c.commentID = append(c.commentID, m.GetId())
	c.userID = append(c.userID, m.GetUserId())
	c.name = append(c.name, m.GetUserName())
	c.text = append(c.text, m.GetMessage())
	c.parentID = append(c.parentID, m.GetParentId())
	c.createdAtMs = append(c.createdAtMs, m.GetCreatedAtMs())
	c.deleted = append(c.deleted, deleted)
}

type reactionRows struct {
	liveVideoID           []string
	reactionID, commentID []uint64
	kind                  []string
	count                 []uint32
	createdAtMs           []int64
}

func (r *reactionRows) table() (name, columns string) { return reactionsTable, reactionColumns }
func (r *reactionRows) rows() int                     { return len(r.reactionID) }
func (r *reactionRows) all() []any {
	return []any{r.liveVideoID, r.reactionID, r.commentID, r.kind, r.count, r.createdAtMs}
}

func (r *reactionRows) add(m *records.ReactionsCounted) {
	for _, c := range m.GetCounts() {
		r.liveVideoID = append(r.liveVideoID, m.GetLiveVideoId())
		r.reactionID = append(r.reactionID, m.GetReactionId())
		r.commentID = append(r.commentID, m.GetCommentId())
		r.kind = append(r.kind, c.GetType())
		r.count = append(r.count, c.GetCount())
		r.createdAtMs = append(r.createdAtMs, m.GetCreatedAtMs())
	}
}

type roomEventRows struct {
	liveVideoID     []string
	atMs            []int64
	kind            []string
	eventID         []uint64
	actorID, userID []string
	commentID       []uint64
	detail          []string
}

func (e *roomEventRows) table() (name, columns string) { return roomEventsTable, roomEventColumns }
func (e *roomEventRows) rows() int                     { return len(e.eventID) }
func (e *roomEventRows) all() []any {
	return []any{e.liveVideoID, e.atMs, e.kind, e.eventID, e.actorID, e.userID, e.commentID, e.detail}
}

func (e *roomEventRows) add(m *records.RoomEvent) {
	e.liveVideoID = append(e.liveVideoID, m.GetLiveVideoId())
	e.atMs = append(e.atMs, m.GetAtMs())
	e.kind = append(e.kind, m.GetKind())
	e.eventID = append(e.eventID, m.GetEventId())
	e.actorID = append(e.actorID, m.GetActorId())
	e.userID = append(e.userID, m.GetUserId())
	e.commentID = append(e.commentID, m.GetCommentId())
	e.detail = append(e.detail, m.GetDetail())
}

// batch is what some records are in the tables.
type batch struct {
	comments      commentRows
	reactions     reactionRows
	roomEvents    roomEventRows
	roomState     roomStateRows
	reactionSlots reactionSlotRows
}

// reset empties a batch and keeps its memory.
func (b *batch) reset() {
	c, r, e := &b.comments, &b.reactions, &b.roomEvents
	*c = commentRows{
		c.liveVideoID[:0], c.commentID[:0], c.userID[:0], c.name[:0], c.text[:0], c.parentID[:0], c.createdAtMs[:0], c.deleted[:0],
	}
	*r = reactionRows{r.liveVideoID[:0], r.reactionID[:0], r.commentID[:0], r.kind[:0], r.count[:0], r.createdAtMs[:0]}
	*e = roomEventRows{
		e.liveVideoID[:0], e.atMs[:0], e.kind[:0], e.eventID[:0], e.actorID[:0], e.userID[:0], e.commentID[:0], e.detail[:0],
	}
	b.roomState = roomStateRows{} // few
	s := &b.reactionSlots
	*s = reactionSlotRows{s.liveVideoID[:0], s.commentID[:0], s.session[:0], s.kind[:0], s.total[:0], s.createdAtMs[:0]}
}

func (b *batch) tables() []columns {
	return []columns{&b.comments, &b.reactions, &b.roomEvents, &b.roomState, &b.reactionSlots}
}

// add takes a record apart into rows. A held comment, which is in the record's
// room, leaves none: nobody but moderators is to read it.
func (b *batch) add(r *records.Record) {
	if r.Room != nil {
		b.roomState.add(persistence.LiveVideoOf(r), r.Room)
	}
	switch kind := r.GetKind().(type) {
	case *records.Record_CommentPosted:
		b.comments.add(kind.CommentPosted.GetComment(), 0)
	case *records.Record_CommentDeleted:
		d := kind.CommentDeleted
		// Of the comment nothing is kept but what the row must have to take the
		// place of the other: the same key and partition, and what it counted for.
		b.comments.add(&records.Comment{
			Id: d.GetCommentId(), LiveVideoId: d.GetLiveVideoId(), UserId: d.GetUserId(),
			// Not the record's own time: one of an older journal has none.
			ParentId: d.GetParentId(), CreatedAtMs: persistence.IDTime(d.GetCommentId()).UnixMilli(),
		}, 1)
		if e := persistence.DeletionEvent(d); e != nil {
			b.roomEvents.add(e)
		}
	case *records.Record_ReactionsCounted:
		b.reactions.add(kind.ReactionsCounted)
		b.reactionSlots.add(kind.ReactionsCounted)
	case *records.Record_RoomEvent:
		b.roomEvents.add(kind.RoomEvent)
	}
}

// InsertComments adds comments that don't come from the journal. To insert
// some again changes nothing.
func (db *DB) InsertComments(ctx context.Context, comments []*records.Comment) error {
	r, err := db.Prepare(ctx)
	if err != nil {
		return err
	}
	var b batch
	for _, c := range comments {
		b.comments.add(c, 0)
	}
	return db.anyServer(ctx, func(s server) error { return db.insert(ctx, s, r.Features, &b, "") })
}

// insert sends a batch, a table after the other. token names the batch: a
// server that can tell drops it if it has it already.
func (db *DB) insert(ctx context.Context, s server, f schema.Features, b *batch, token string) error {
	for _, c := range b.tables() {
		if c.rows() == 0 {
			continue
		}
		start := time.Now()
		name, _ := c.table()
		if err := db.insertTable(ctx, s, f, c, token); err != nil {
			return fmt.Errorf("inserting %d rows into %s: %w", c.rows(), name, err)
		}
		db.cfg.Events.Inserted(name, c.rows(), time.Since(start))
	}
	return nil
}

func (db *DB) insertTable(ctx context.Context, s server, f schema.Features, c columns, token string) error {
	ctx, cancel := context.WithTimeout(ctx, db.cfg.InsertTimeout)
	defer cancel()
	ctx = driver.Context(ctx, driver.WithSettings(insertSettings(f, token)))
	name, names := c.table()
	b, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+db.table(name)+" ("+names+")")
	if err != nil {
		return err
	}
	for i, column := range c.all() {
		if err := b.Column(i).Append(column); err != nil {
			_ = b.Abort() // its error would say that nothing was sent
			return err
		}
	}
	return b.Send()
}
