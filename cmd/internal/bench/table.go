package bench

import (
	"bytes"
	"errors"
	"io"
)

// maxTableBytes bounds the bytes a table keeps to recognise frames by. Frames
// that were forgotten are decoded again if they come once more.
const maxTableBytes = 128 << 20

// table holds the frames seen of late, by their bytes. A server that hands the
// same bytes to all makes one entry for each frame; everybody else's copy costs
// a comparison. A frame has to make sense by itself: bytes that stop within an
// event are kept at the stream until the rest is there, and a gzip stream whose
// segments refer to earlier ones gets an inflater of its own.
//
// A table belongs to one reader.
type table struct {
	tag    string
	texts  map[string]*frame // by events as text
	packed map[string]*frame // by deflated segments
	frames []*frame          // all frames ever seen that have comments

	kept  []keptFrame // oldest first
	bytes int

	inf inflater
	out []*frame // result of consume
}

// keptFrame says what the table knows a frame by.
type keptFrame struct {
	f            *frame
	text, packed string
}

func newTable(tag string) *table {
	return &table{tag: tag, texts: map[string]*frame{}, packed: map[string]*frame{}}
}

// consume takes what was read from a stream and returns the frames that are now
// complete. Both data and the result are only valid until the next call. An
// error means that the stream can't be followed any longer.
func (t *table) consume(s *stream, data []byte) ([]*frame, error) {
	t.out = t.out[:0]
	if len(s.raw) > 0 {
		s.raw = append(s.raw, data...)
		data = s.raw
	}
	for len(data) > 0 && !s.ended {
		if f := s.expected(data); f != nil {
			data = data[len(f.wire):]
			s.accept(f)
			t.out = append(t.out, f)
			continue
		}
		payload, size, err := s.cut(data)
		if errors.Is(err, errShort) {
			break
		}
		if err != nil {
			return t.out, err
		}
		wire := data[:size]
		if !s.framed() {
			wire = nil
		}
		data = data[size:]
		if len(payload) == 0 {
			s.ended = true
			break
		}
		f, err := t.unit(s, payload, wire)
		if err != nil {
			return t.out, err
		}
		if f != nil {
			s.accept(f)
			t.out = append(t.out, f)
		}
	}
	s.keep(data)
	return t.out, nil
}

// unit adds a payload to what the stream holds back and returns the frame these
// bytes are, or nil if they aren't whole yet.
func (t *table) unit(s *stream, payload, wire []byte) (*frame, error) {
	if len(s.unit) > 0 {
		s.unit = append(s.unit, payload...)
		payload, wire = s.unit, nil
	}
	if s.gzip && !s.headed {
		rest, err := cutGzipHead(payload)
		if errors.Is(err, errShort) {
			return nil, s.hold(payload)
		}
		if err != nil {
			return nil, err
		}
		s.headed = true
		s.unit = nil
		if len(rest) == 0 {
			return nil, nil
		}
		payload, wire = rest, nil
	}
	f, err := t.lookup(s, payload, wire)
	if errors.Is(err, errShort) {
		return nil, s.hold(payload)
	}
	s.unit = nil
	return f, err
}

// lookup returns the frame of a unit's bytes, known or new. It is nil for a
// unit that completes nothing but is used up.
func (t *table) lookup(s *stream, unit, wire []byte) (*frame, error) {
	switch {
	case !s.gzip:
		return t.text(unit, nil, wire)
	case s.own != nil:
		return t.dependent(s.own, unit)
	}
	if f := t.packed[string(unit)]; f != nil && (s.early == nil || f.text != "") {
		t.keepWire(f, wire)
		return f, nil
	}
	text, err := t.inf.inflate(unit, nil)
	switch {
	case err == nil:
		return t.text(text, unit, wire)
	case errors.Is(err, io.EOF):
		s.ended = true
		if len(text) == 0 {
			return nil, nil
		}
		return t.text(text, nil, nil)
	case errors.Is(err, errHistory) && s.early != nil:
		s.own = &ownInflate{window: s.earlyText()}
		s.early = nil
		return t.dependent(s.own, unit)
	default:
		return nil, err
	}
}

// dependent inflates a unit with the stream's own history. Whatever it holds is
// used up, so an event that isn't complete is kept as text.
func (t *table) dependent(own *ownInflate, unit []byte) (*frame, error) {
	text, err := t.inf.inflate(unit, own.window)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	own.window = append(own.window, text...)
	if n := len(own.window) - windowSize; n > 0 {
		own.window = append(own.window[:0], own.window[n:]...)
	}
	own.text = append(own.text, text...)
	f, err := t.text(own.text, nil, nil)
	if errors.Is(err, errShort) {
		return nil, nil
	}
	own.text = own.text[:0]
	return f, err
}

// text returns the frame of whole events; errShort if they aren't whole. packed
// and wire, if they aren't nil, are other forms of the same to know it by.
func (t *table) text(text, packed, wire []byte) (*frame, error) {
	f := t.texts[string(text)]
	if f == nil {
		var whole bool
		var err error
		f, whole, err = parseEvents(t.tag, text)
		if err != nil {
			return nil, err
		}
		if !whole {
			return nil, errShort
		}
		if len(f.comments) > 0 {
			t.frames = append(t.frames, f)
		}
		f.text = string(text)
		t.remember(keptFrame{f: f, text: f.text})
	}
	if packed != nil {
		t.remember(keptFrame{f: f, packed: string(packed)})
	}
	t.keepWire(f, wire)
	return f, nil
}

func (t *table) keepWire(f *frame, wire []byte) {
	if f.wire == nil && wire != nil {
		f.wire = bytes.Clone(wire)
		t.bytes += len(wire)
	}
}

func (t *table) remember(k keptFrame) {
	if k.text != "" {
		t.texts[k.text] = k.f
	}
	if k.packed != "" {
		t.packed[k.packed] = k.f
	}
	t.bytes += len(k.text) + len(k.packed)
	t.kept = append(t.kept, k)
	for t.bytes > maxTableBytes && len(t.kept) > 1 {
		old := t.kept[0]
		t.kept = t.kept[1:]
		t.bytes -= len(old.text) + len(old.packed) + len(old.f.wire)
		old.f.wire = nil
		if old.packed != "" {
			delete(t.packed, old.packed)
			continue
		}
		delete(t.texts, old.text)
		old.f.text = ""
	}
}
