package actors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// A WebSocket gets the events of a stream as text messages, one for each:
// {"event":…,"id":…,"data":…}. They are made from the same server-sent events,
// so nothing that has events to send knows of a second form.

// Opcodes of WebSocket frames (RFC 6455, 5.2).
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xa
)

// Codes with which a WebSocket is closed (RFC 6455, 7.4.1).
const (
	CloseNormal        = 1000
	CloseGoingAway     = 1001
	CloseProtocolError = 1002
	CloseUnsupported   = 1003
	CloseNoStatus      = 1005 // never sent: there was no code
	CloseBadText       = 1007
	ClosePolicy        = 1008
	CloseTooBig        = 1009
)

// MaxControl is the largest payload of a control frame, in bytes (RFC 6455, 5.5).
const MaxControl = 125

// AppendWebSocketFrame appends a whole frame as servers send them: final, not
// masked, without extensions.
func AppendWebSocketFrame(b []byte, opcode byte, payload []byte) []byte {
	const final = 0x80
	b = append(b, final|opcode)
	switch n := len(payload); {
	case n <= MaxControl:
		b = append(b, byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// AppendCloseFrame appends a close frame. The reason is for people; what of it
// has no room is cut off. CloseNoStatus makes a frame without a code.
func AppendCloseFrame(b []byte, code uint16, reason string) []byte {
	if code == CloseNoStatus {
		return AppendWebSocketFrame(b, OpClose, nil)
	}
	payload := binary.BigEndian.AppendUint16(make([]byte, 0, MaxControl), code)
	if room := MaxControl - len(payload); len(reason) > room {
		for reason = reason[:room]; !utf8.ValidString(reason); {
			reason = reason[:len(reason)-1]
		}
	}
	return AppendWebSocketFrame(b, OpClose, append(payload, reason...))
}

// webSocketFrames makes WebSocket frames of server-sent events as they are in
// a Frame: whole, with lines that end in a line feed. An event becomes a text
// message, retry: one of its own, and a comment line, which keeps a silent
// stream alive, a ping.
func webSocketFrames(events []byte) []byte {
	out := make([]byte, 0, len(events)+len(events)/4+16)
	var e eventFields
	for len(events) > 0 {
		var line []byte
		line, events, _ = bytes.Cut(events, []byte("\n"))
		if len(line) == 0 {
			out = e.appendTo(out)
			e = eventFields{message: e.message}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "":
			out = AppendWebSocketFrame(out, OpPing, nil)
		case "retry":
			if bytes.ContainsFunc(value, func(r rune) bool { return r < '0' || r > '9' }) || len(value) == 0 {
				continue // as the standard says of server-sent events
			}
			out = AppendWebSocketFrame(out, OpText, fmt.Appendf(nil, `{"event":"retry","data":{"milliseconds":%s}}`, value))
		case "event":
			e.name = value
		case "id":
			e.id, e.hasID = value, true
		case "data":
			if e.hasData { // a line break within the JSON
				value = append(append(bytes.Clone(e.data), '\n'), value...)
			}
			e.data, e.hasData = value, true
		}
	}
	return out
}

// WebSocketRetry tells a client when to reconnect.
func WebSocketRetry(d time.Duration) []byte { return webSocketFrames(RetryEvent(d)) }

// eventFields are the fields of one server-sent event.
type eventFields struct {
	name, id, data []byte
	hasID, hasData bool
	message        []byte // room for the next message
}

// appendTo appends the event's message. Without data there is no event.
func (e *eventFields) appendTo(out []byte) []byte {
	if !e.hasData {
		return out
	}
	if len(e.name) == 0 {
		e.name = []byte("comment")
	}
	m := appendQuoted(append(e.message[:0], `{"event":`...), e.name)
	if e.hasID {
		m = appendQuoted(append(m, `,"id":`...), e.id)
	}
	m = append(append(m, `,"data":`...), e.data...)
	e.message = append(m, '}')
	return AppendWebSocketFrame(out, OpText, e.message)
}

// appendQuoted appends a JSON string.
func appendQuoted(b, s []byte) []byte {
	for _, c := range s {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			quoted, err := json.Marshal(string(s))
			if err != nil { // strings always encode
				panic(err)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// newWebSocketFrame makes a frame for one viewer with a WebSocket.
func newWebSocketFrame(opcode byte, payload []byte) *Frame {
	f := &Frame{}
	f.webSocketOnce.Do(func() {
		f.webSocket.body = AppendWebSocketFrame(make([]byte, 0, len(payload)+10), opcode, payload)
	})
	return f
}
