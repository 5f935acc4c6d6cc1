package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

var errEvent = errors.New("bad event")

// parseEvents reads server-sent events. It reports false if text stops within
// an event; the same text with more behind it can then be given again. tag
// tells the run's own comments from others.
func parseEvents(tag string, text []byte) (*frame, bool, error) {
	f := &frame{retry: -1, newest: -1}
	var ev event
	for len(text) > 0 {
		line, rest, ok := cutLine(text)
		if !ok {
			return nil, false, nil
		}
		text = rest
		if len(line) > 0 {
			ev.field(f, line)
			continue
		}
		if err := ev.dispatch(tag, f); err != nil {
			return nil, false, err
		}
		ev = event{}
	}
	if ev.pending {
		return nil, false, nil
	}
	for _, c := range f.comments {
		f.last = max(f.last, c.id)
		f.newest = max(f.newest, c.seq)
	}
	return f, true, nil
}

// cutLine splits at the first CR LF, LF or CR.
func cutLine(text []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(text, '\n')
	if j := bytes.IndexByte(text[:max(i, 0)], '\r'); i >= 0 && j < 0 {
		return text[:i], text[i+1:], true
	}
	i = bytes.IndexAny(text, "\r\n")
	if i < 0 {
		return nil, nil, false
	}
	if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
		return text[:i], text[i+2:], true
	}
	return text[:i], text[i+1:], true
}

// event is what has been read of one event.
type event struct {
	kind, id, data []byte
	hasData        bool
	pending        bool // there is something that an empty line would end
}

func (e *event) field(f *frame, line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		e.pending = true
		if e.hasData {
			e.data = append(append(e.data[:len(e.data):len(e.data)], '\n'), value...)
			return
		}
		e.data, e.hasData = value, true
	case "id":
		e.id, e.pending = value, true
	case "event":
		e.kind, e.pending = value, true
	case "retry":
		if n, err := strconv.Atoi(string(value)); err == nil && n >= 0 {
			f.retry = n
		}
	}
}

func (e *event) dispatch(tag string, f *frame) error {
	if !e.hasData {
		return nil
	}
	switch string(e.kind) {
	case "", "message":
		c, err := parseComment(tag, e.id, e.data)
		if err != nil {
			return err
		}
		f.comments = append(f.comments, c)
	case "gap":
		g, err := parseGap(e.data)
		if err != nil {
			return err
		}
		f.gaps = append(f.gaps, g)
	default:
		f.others++
	}
	return nil
}

// parseComment reads a comment's JSON. The two fields of interest are found by
// a search when the JSON has the usual form; anything else goes the long way.
func parseComment(tag string, id, data []byte) (comment, error) {
	n, err := strconv.ParseUint(string(id), 10, 64)
	if err != nil || n == 0 {
		return comment{}, fmt.Errorf("%w: comment with id %.40q", errEvent, id)
	}
	if !json.Valid(data) {
		return comment{}, fmt.Errorf("%w: comment %d is not JSON: %.80q", errEvent, n, data)
	}
	message, ok := quickMessage(id, data)
	if !ok {
		var c struct {
			ID      string `json:"id"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(data, &c); err != nil {
			return comment{}, fmt.Errorf("%w: comment %d: %w", errEvent, n, err)
		}
		if c.ID != string(id) {
			return comment{}, fmt.Errorf("%w: event with id %d holds comment %.40q", errEvent, n, c.ID)
		}
		message = []byte(c.Message)
	}
	c := comment{id: n, seq: -1}
	if seq, due, ok := parseMessage(tag, message); ok {
		c.seq, c.due = seq, due
	}
	return c, nil
}

// quickMessage returns the start of the message up to its first quote or
// backslash, provided that the JSON begins with the same id. A name and quote
// within a string can't be taken for the field: its quotes are escaped there.
func quickMessage(id, data []byte) ([]byte, bool) {
	const idField, messageField = `{"id":"`, `"message":"`
	rest, ok := bytes.CutPrefix(data, []byte(idField))
	if !ok {
		return nil, false
	}
	if rest, ok = bytes.CutPrefix(rest, id); !ok || len(rest) == 0 || rest[0] != '"' {
		return nil, false
	}
	i := bytes.Index(data, []byte(messageField))
	if i < 0 {
		return nil, false
	}
	text := data[i+len(messageField):]
	if j := bytes.IndexAny(text, `"\`); j >= 0 {
		return text[:j], true
	}
	return nil, false
}

func parseGap(data []byte) (gap, error) {
	var raw struct {
		After  string `json:"after"`
		Before string `json:"before"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return gap{}, fmt.Errorf("%w: gap %.80q: %w", errEvent, data, err)
	}
	after, err := parseBound(raw.After, 0)
	if err != nil {
		return gap{}, fmt.Errorf("%w: gap after %q", errEvent, raw.After)
	}
	before, err := parseBound(raw.Before, ^uint64(0))
	if err != nil {
		return gap{}, fmt.Errorf("%w: gap before %q", errEvent, raw.Before)
	}
	return gap{after: after, before: before}, nil
}

func parseBound(s string, missing uint64) (uint64, error) {
	if s == "" {
		return missing, nil
	}
	return strconv.ParseUint(s, 10, 64)
}
