package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"barrage/actors"
	"barrage/persistence"
	"barrage/persistence/records"
)

const (
	// MaxLine is the most bytes of a line without its line break. The longest
	// comment that a node takes needs a tenth of it.
	MaxLine = 64 << 10

	// maxAhead is how far ids may be ahead of the clock. A node gives ids above
	// all that it has, so one from far ahead would take the time out of its ids.
	maxAhead = 24 * time.Hour
)

// LineError says what is wrong with a line of the input.
type LineError struct {
	Number int64 // the first line is 1
	Err    error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Number, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// line is a comment as the API shows it. What else there is, is ignored.
type line struct {
	ID          *string `json:"id"`
	LiveVideoID string  `json:"liveVideoId"`
	UserID      string  `json:"userId"`
	UserName    string  `json:"userName"`
	Message     string  `json:"message"`
	ParentID    *string `json:"parentId"`
	CreatedAt   *string `json:"createdAt"`
}

// AppendLine appends a comment's line, with its line break.
func AppendLine(b []byte, c *records.Comment) []byte {
	return append(append(b, actors.RowJSON(actors.EncodeRow(c))...), '\n')
}

// ParseLine reads a line, which must hold a comment that a node could have
// taken by now. Its errors don't quote what users wrote.
func ParseLine(text []byte, now time.Time) (*records.Comment, error) {
	l, err := decode(text)
	if err != nil {
		return nil, err
	}
	c := &records.Comment{LiveVideoId: l.LiveVideoID, UserId: l.UserID, UserName: l.UserName}
	if err := l.ids(c, now); err != nil {
		return nil, err
	}
	if c.CreatedAtMs, err = l.createdAtMs(c.Id); err != nil {
		return nil, err
	}
	if err := checkUser(c.UserId, c.UserName); err != nil {
		return nil, err
	}
	c.Message, err = actors.CleanMessage(l.Message)
	return c, err
}

func decode(text []byte) (*line, error) {
	text = bytes.Trim(text, " \t\r\n")
	switch {
	case len(text) > MaxLine:
		return nil, errTooLong
	case !utf8.Valid(text):
		return nil, errors.New("it is not valid UTF-8")
	case len(text) == 0 || text[0] != '{':
		return nil, errors.New("it is not a JSON object")
	}
	l := new(line)
	var mistyped *json.UnmarshalTypeError
	switch err := json.Unmarshal(text, l); {
	case errors.As(err, &mistyped):
		return nil, fmt.Errorf("%s may not be a %s", mistyped.Field, mistyped.Value)
	case err != nil:
		return nil, fmt.Errorf("it is not JSON: %w", err)
	case actors.HasLoneSurrogate(text):
		return nil, errors.New("it has half of a surrogate pair")
	}
	return l, nil
}

// ids reads what identifies the comment.
func (l *line) ids(c *records.Comment, now time.Time) (err error) {
	if l.ID == nil {
		return errors.New("id is missing")
	}
	if c.Id, err = actors.ParseID(*l.ID); err != nil || c.Id == 0 {
		return errors.New("id is not a comment id")
	}
	if at := persistence.IDTime(c.Id); at.After(now.Add(maxAhead)) {
		return fmt.Errorf("id is of %s, which is yet to come", at.Format(time.DateTime))
	}
	if !actors.ValidLiveVideoID(c.LiveVideoId) {
		return fmt.Errorf("liveVideoId is not 1 to %d letters, digits, - or _", actors.MaxLiveVideoID)
	}
	if l.ParentID == nil {
		return nil
	}
	// A comment answers an earlier one, and ids of a live video rise.
	if c.ParentId, err = actors.ParseID(*l.ParentID); err != nil || c.ParentId == 0 || c.ParentId >= c.Id {
		return errors.New("parentId is not the id of an earlier comment")
	}
	return nil
}

// createdAtMs is the time in the id, which the line may repeat but not change:
// ClickHouse keeps a comment in a partition by its time, and makes one row of
// several only within a partition.
func (l *line) createdAtMs(id uint64) (int64, error) {
	ms := persistence.IDTime(id).UnixMilli()
	if l.CreatedAt == nil {
		return ms, nil
	}
	at, err := time.Parse(time.RFC3339, *l.CreatedAt)
	if err != nil {
		return 0, errors.New("createdAt is not a time as in RFC 3339")
	}
	if at.UnixMilli() != ms {
		return 0, fmt.Errorf("createdAt is not the time that is in the id, %s", time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return ms, nil
}
