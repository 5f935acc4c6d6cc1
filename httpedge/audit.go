package httpedge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/persistence"
	"barrage/persistence/records"
)

// auditJSON is an act of those who keep order.
type auditJSON struct {
	ID        string          `json:"id"`
	At        string          `json:"at"`
	Kind      string          `json:"kind"`
	ActorID   string          `json:"actorId"`
	UserID    string          `json:"userId,omitempty"`
	CommentID string          `json:"commentId,omitempty"`
	Detail    json.RawMessage `json:"detail,omitempty"`
}

// listAudit answers GET /videos/{liveVideoId}/audit, the newest first.
func (e *Edge) listAudit(ctx *fasthttp.RequestCtx) error {
	video, _, err := e.keepsOrder(ctx)
	if err != nil {
		return err
	}
	size, err := queryInt(ctx, "pageSize", 1, maxPageSize, defaultPageSize)
	if err != nil {
		return err
	}
	behind, err := auditCursor(string(ctx.QueryArgs().Peek("cursor")))
	if err != nil {
		return err
	}
	deadline, cancel := context.WithTimeout(context.Background(), readDeadline)
	defer cancel()
	events, err := e.audit(deadline, video, behind, size+1)
	if err != nil {
		return err
	}
	answer := struct {
		Events     []auditJSON `json:"events"`
		NextCursor *string     `json:"nextCursor"`
	}{Events: []auditJSON{}}
	for _, event := range events[:min(len(events), size)] {
		answer.Events = append(answer.Events, auditOf(event))
	}
	if len(events) > size {
		next := placeOf(events[size-1]).String()
		answer.NextCursor = &next
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encoding the audit: %w", err)
	}
	answerJSON(ctx, fasthttp.StatusOK, body)
	return nil
}

func auditOf(event *records.RoomEvent) auditJSON {
	answer := auditJSON{
		ID: actors.FormatID(event.EventId), At: formatMs(event.AtMs), Kind: event.Kind,
		ActorID: event.ActorId, UserID: event.UserId,
	}
	if event.CommentId != 0 {
		answer.CommentID = actors.FormatID(event.CommentId)
	}
	if json.Valid([]byte(event.Detail)) {
		answer.Detail = json.RawMessage(event.Detail)
	}
	return answer
}

// auditPlace is an event's place in the audit: they are ordered by time, then
// by id.
type auditPlace struct {
	atMs int64
	id   uint64
}

func placeOf(event *records.RoomEvent) auditPlace { return auditPlace{event.AtMs, event.EventId} }

func (p auditPlace) compare(q auditPlace) int {
	return cmp.Or(cmp.Compare(p.atMs, q.atMs), cmp.Compare(p.id, q.id))
}

func (p auditPlace) String() string {
	return strconv.FormatInt(p.atMs, 10) + "-" + strconv.FormatUint(p.id, 10)
}

// auditCursor reads a place; "" is the one behind all events.
func auditCursor(cursor string) (p auditPlace, err error) {
	if cursor == "" {
		return auditPlace{math.MaxInt64, math.MaxUint64}, nil
	}
	at, id, _ := strings.Cut(cursor, "-")
	var errs [2]error
	p.atMs, errs[0] = strconv.ParseInt(at, 10, 64)
	p.id, errs[1] = strconv.ParseUint(id, 10, 64)
	if errs != [2]error{} || p.String() != cursor || p.atMs < 0 {
		return p, malformed.because("cursor: %.40q is none of the audit's.", cursor)
	}
	return p, nil
}

// maxAuditRead bounds the events that are read for a page: there are never so
// many in one millisecond.
const maxAuditRead = 10_000

// audit reads up to limit events from before a place, the newest first.
func (e *Edge) audit(ctx context.Context, video string, behind auditPlace, limit int) ([]*records.RoomEvent, error) {
	// Whoever has just done something sees it here.
	if err := e.backend.Node.Settle(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", persistence.ErrUnavailable, err)
	}
	before := int64(0) // the newest
	if behind.atMs != math.MaxInt64 {
		before = behind.atMs + 1 // others of the same millisecond may be next
	}
	for read := limit + 1; ; read *= 2 {
		events, err := e.backend.Store.Audit(ctx, video, before, read)
		if err != nil {
			return nil, fmt.Errorf("reading the audit: %w", err)
		}
		whole := len(events) < read || read >= maxAuditRead
		if !whole { // the last millisecond may go on behind the last event
			last := events[len(events)-1].AtMs
			events = slices.DeleteFunc(events, func(event *records.RoomEvent) bool { return event.AtMs == last })
		}
		events = slices.DeleteFunc(events, func(event *records.RoomEvent) bool { return placeOf(event).compare(behind) >= 0 })
		slices.SortStableFunc(events, func(a, b *records.RoomEvent) int { return placeOf(b).compare(placeOf(a)) })
		if len(events) >= limit || whole {
			return events[:min(len(events), limit)], nil
		}
	}
}
