package harness

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// Event is a server-sent event, or a line that is none: a comment line or a
// change of the reconnection time.
type Event struct {
	Name  string        // "" for unnamed ones
	ID    string        // last event id as of this event
	HasID bool          // the event itself carried an id
	Data  string        // lines joined by \n
	Retry time.Duration // of a retry line; the other fields are empty then
	Note  string        // text of a comment line; the other fields are empty then
	Kind  Kind
	At    time.Time // when it was read
}

// Kind tells events from what is no event.
type Kind int

// Kinds of Event.
const (
	KindEvent Kind = iota
	KindRetry
	KindNote
)

// eventReader parses a stream as the HTML standard says, section 9.2.6.
type eventReader struct {
	in     *bufio.Reader
	lastID string
	event  Event
	data   bytes.Buffer
	begun  bool
}

func newEventReader(in io.Reader) *eventReader { return &eventReader{in: bufio.NewReader(in)} }

// next answers the next event, retry line or comment line. What is unfinished
// at the end of the stream is dropped.
func (r *eventReader) next() (Event, error) {
	if !r.begun {
		r.begun = true
		if bom, err := r.in.Peek(3); err == nil && string(bom) == "\ufeff" {
			_, _ = r.in.Discard(len(bom)) // they were peeked at
		}
	}
	for {
		line, err := r.line()
		if err != nil {
			return Event{}, err
		}
		if line == "" {
			if e, ok := r.dispatch(); ok {
				return e, nil
			}
			continue
		}
		if note, ok := strings.CutPrefix(line, ":"); ok {
			return Event{Kind: KindNote, Note: note, At: time.Now()}, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			r.event.Name = value
		case "data":
			r.data.WriteString(value)
			r.data.WriteByte('\n')
		case "id":
			if !strings.Contains(value, "\x00") {
				r.lastID, r.event.HasID = value, true
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				return Event{Kind: KindRetry, Retry: time.Duration(ms) * time.Millisecond, At: time.Now()}, nil
			}
		}
	}
}

func (r *eventReader) dispatch() (Event, bool) {
	e := r.event
	e.ID, e.At = r.lastID, time.Now()
	e.Data = strings.TrimSuffix(r.data.String(), "\n")
	hasData := r.data.Len() > 0
	r.event = Event{}
	r.data.Reset()
	return e, hasData
}

// line reads up to LF, CR LF or CR, without it.
func (r *eventReader) line() (string, error) {
	var line []byte
	for {
		b, err := r.in.ReadByte()
		switch {
		case err != nil:
			return "", err
		case b == '\n':
			return string(line), nil
		case b == '\r':
			if err := r.skipLF(); err != nil {
				return "", err
			}
			return string(line), nil
		default:
			line = append(line, b)
		}
	}
}

func (r *eventReader) skipLF() error {
	b, err := r.in.ReadByte()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil && b != '\n' {
		err = r.in.UnreadByte()
	}
	return err
}

// ParseEvents reads all events of a text, such as what curl printed.
func ParseEvents(text []byte) []Event {
	var events []Event
	r := newEventReader(bytes.NewReader(text))
	for {
		e, err := r.next()
		if err != nil {
			return events
		}
		events = append(events, e)
	}
}
