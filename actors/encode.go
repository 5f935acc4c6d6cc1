package actors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"barrage/actors/wire"
	"barrage/persistence/records"
)

// timeFormat is RFC 3339 with milliseconds, for times in UTC.
const timeFormat = "2006-01-02T15:04:05.000Z"

// commentJSON is a comment as clients see it. Ids are strings, for a 64-bit
// number does not survive JavaScript.
type commentJSON struct {
	ID          string `json:"id"`
	LiveVideoID string `json:"liveVideoId"`
	UserID      string `json:"userId"`
	UserName    string `json:"userName,omitempty"`
	Message     string `json:"message"`
	ParentID    string `json:"parentId,omitempty"`
	CreatedAt   string `json:"createdAt"`
	Held        bool   `json:"held,omitempty"`
}

// EncodeRow makes the one encoding of a comment that everybody gets: its
// author, viewers, and readers of history.
func EncodeRow(c *records.Comment) *wire.Row { return encodeRow(c, false) }

// encodeHeld makes the encoding of a comment that waits for a moderator.
func encodeHeld(c *records.Comment) *wire.Row { return encodeRow(c, true) }

func encodeRow(c *records.Comment, held bool) *wire.Row {
	row := &wire.Row{
		Id: c.Id, ParentId: c.ParentId, UserId: c.UserId, BodyDigest: c.BodyDigest,
		PostToken: c.PostToken, PostSentMs: c.PostSentMs, PostWaitedMs: c.PostWaitedMs,
	}
	fields := commentJSON{
		ID: FormatID(c.Id), LiveVideoID: c.LiveVideoId,
		UserID: c.UserId, UserName: c.UserName, Message: c.Message,
		CreatedAt: time.UnixMilli(c.CreatedAtMs).UTC().Format(timeFormat),
		Held:      held,
	}
	if c.ParentId != 0 {
		fields.ParentID = FormatID(c.ParentId)
	}
	var b bytes.Buffer
	b.Grow(160 + len(c.Message) + len(c.UserId) + len(c.UserName))
	b.WriteString("id: ")
	b.WriteString(fields.ID)
	b.WriteString("\ndata: ")
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fields); err != nil { // strings always encode
		panic(fmt.Sprintf("encoding a comment: %v", err))
	}
	b.WriteByte('\n') // after the line break of Encode: the end of the event
	row.Event = b.Bytes()
	return row
}

// RowJSON is the comment's JSON, a part of its event.
func RowJSON(row *wire.Row) []byte {
	_, data, _ := bytes.Cut(row.Event, []byte("\ndata: "))
	return bytes.TrimRight(data, "\n")
}

// FormatID writes an id as clients see it.
func FormatID(id uint64) string { return strconv.FormatUint(id, 10) }

// ParseID reads an id as clients write it: decimal digits, no sign, no
// leading zero, at most 63 bits.
func ParseID(s string) (uint64, error) {
	id, err := strconv.ParseUint(s, 10, 63)
	if err != nil || s != FormatID(id) {
		return 0, fmt.Errorf("%.32q is not a comment id", s)
	}
	return id, nil
}

// namedEvent makes an event that carries no id. data must be one line.
func namedEvent(name, data string) []byte {
	return []byte("event: " + name + "\ndata: " + data + "\n\n")
}

func deleteEvent(liveVideoID string, id uint64) []byte {
	return namedEvent("delete", fmt.Sprintf(`{"id":"%d","liveVideoId":"%s"}`, id, liveVideoID))
}

func viewersEvent(liveVideoID string, viewers uint64) []byte {
	return namedEvent("viewers", fmt.Sprintf(`{"viewers":%d,"liveVideoId":"%s"}`, viewers, liveVideoID))
}

// gapEvent says that comments with ids between after and before (both
// exclusive) were not delivered on this stream.
func gapEvent(liveVideoID string, after, before uint64) []byte {
	return namedEvent("gap", fmt.Sprintf(`{"after":"%d","before":"%d","liveVideoId":"%s"}`, after, before, liveVideoID))
}
