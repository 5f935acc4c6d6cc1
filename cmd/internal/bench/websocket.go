package bench

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

var errSocket = errors.New("bad WebSocket frame")

// nextSocketRun takes the whole WebSocket frames (RFC 6455, 5) at the start of
// data and gives the events in them as server-sent events, so that all behind
// this knows one form, and the number of bytes that they occupy. errShort means
// that not even one is there as a whole. An empty text is the end: a close
// frame.
func nextSocketRun(data []byte) (text []byte, size int, err error) {
	for {
		opcode, payload, n, err := nextSocketFrame(data[size:])
		switch {
		case errors.Is(err, errShort) && size > 0:
			return text, size, nil
		case err != nil:
			return nil, 0, err
		case opcode == 0x8 && size == 0:
			return nil, n, nil
		case opcode == 0x8:
			return text, size, nil
		case opcode == 0x1:
			if text, err = appendSocketEvent(text, payload); err != nil {
				return nil, 0, err
			}
		default:
			// A ping. Pongs would be this tool's writes among its reads; the
			// server does not wait for them.
			text = append(text, ":\n\n"...)
		}
		size += n
	}
}

// nextSocketFrame takes one frame as servers send them: whole, and not masked.
func nextSocketFrame(data []byte) (opcode byte, payload []byte, size int, err error) {
	if len(data) < 2 {
		return 0, nil, 0, errShort
	}
	if data[0]&0xf0 != 0x80 || data[1] > 127 {
		return 0, nil, 0, fmt.Errorf("%w: it begins with % x", errSocket, data[:2])
	}
	head, length := 2, uint64(data[1])
	switch {
	case length == 126 && len(data) >= 4:
		head, length = 4, uint64(binary.BigEndian.Uint16(data[2:]))
	case length == 127 && len(data) >= 10:
		head, length = 10, binary.BigEndian.Uint64(data[2:])
	case length > 125:
		return 0, nil, 0, errShort
	}
	if length > maxUnit {
		return 0, nil, 0, fmt.Errorf("%w: %d bytes", errSocket, length)
	}
	size = head + int(length)
	if len(data) < size {
		return 0, nil, 0, errShort
	}
	return data[0] & 0xf, data[head:size], size, nil
}

// appendSocketEvent appends a message as a server-sent event.
func appendSocketEvent(text, message []byte) ([]byte, error) {
	var e struct {
		Event string          `json:"event"`
		ID    string          `json:"id"`
		Data  json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(message, &e); err != nil {
		return nil, fmt.Errorf("%w: %.80q: %w", errSocket, message, err)
	}
	switch e.Event {
	case "":
		return nil, fmt.Errorf("%w: no event in %.80q", errSocket, message)
	case "retry":
		var retry struct {
			Milliseconds int `json:"milliseconds"`
		}
		if err := json.Unmarshal(e.Data, &retry); err != nil {
			return nil, fmt.Errorf("%w: %.80q: %w", errSocket, message, err)
		}
		return fmt.Appendf(text, "retry: %d\n\n", retry.Milliseconds), nil
	case "comment":
		return fmt.Appendf(text, "id: %s\ndata: %s\n\n", e.ID, e.Data), nil
	default:
		return fmt.Appendf(text, "event: %s\ndata: %s\n\n", e.Event, e.Data), nil
	}
}
