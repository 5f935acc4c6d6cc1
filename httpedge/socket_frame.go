package httpedge

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"barrage/actors"
)

// socketError is why a WebSocket is closed by the node, in words for whoever
// wrote the client.
type socketError struct {
	code   uint16
	reason string
}

func (e *socketError) Error() string { return e.reason }

func breach(code uint16, format string, args ...any) error {
	return &socketError{code, fmt.Sprintf(format, args...)}
}

// socketMessage is a whole text message, or a control frame.
type socketMessage struct {
	opcode  byte
	payload []byte // a part of what was read, until the next call; of a control frame at most actors.MaxControl
}

// socketReader puts the messages of a client together (RFC 6455, 5). It keeps
// nothing but the fragments of a message under way.
type socketReader struct {
	limit     int // of a message, in bytes
	fragments []byte
	open      bool // a message is under way
}

// next reads a frame from the start of b and says how many bytes it had: 0, if
// it is not there as a whole yet. complete says that m is a message. b is
// changed: payloads are unmasked where they are.
func (r *socketReader) next(b []byte) (m socketMessage, n int, complete bool, err error) {
	h, ok, err := r.header(b)
	if err != nil || !ok || len(b)-h.size < h.length {
		return m, 0, false, err
	}
	payload := b[h.size : h.size+h.length]
	unmask(payload, h.mask)
	n = h.size + h.length
	if h.opcode >= actors.OpClose {
		return socketMessage{h.opcode, payload}, n, true, nil
	}
	if !h.final {
		r.fragments, r.open = append(r.fragments, payload...), true
		return m, n, false, nil
	}
	if r.open {
		payload = append(r.fragments, payload...)
		r.fragments, r.open = nil, false
	}
	if !utf8.Valid(payload) {
		return m, n, false, breach(actors.CloseBadText, "The text is not valid UTF-8.")
	}
	return socketMessage{actors.OpText, payload}, n, true, nil
}

// frameHeader is the head of a frame.
type frameHeader struct {
	opcode byte
	final  bool
	mask   [4]byte
	size   int // of the header
	length int // of the payload
}

// header reads a frame's header, if b has all of it. What may not be there is
// refused before the payload is.
func (r *socketReader) header(b []byte) (h frameHeader, ok bool, err error) {
	const (
		finalBit, reservedBits, opcodeBits = 0x80, 0x70, 0x0f
		maskBit, lengthBits                = 0x80, 0x7f
	)
	if len(b) < 2 {
		return h, false, nil
	}
	h.final, h.opcode = b[0]&finalBit != 0, b[0]&opcodeBits
	if b[0]&reservedBits != 0 {
		return h, false, breach(actors.CloseProtocolError, "Extensions were not agreed on.")
	}
	if err := r.allowed(h); err != nil {
		return h, false, err
	}
	if b[1]&maskBit == 0 {
		return h, false, breach(actors.CloseProtocolError, "A client's frames must be masked.")
	}
	short := b[1] & lengthBits
	length, least := uint64(short), uint64(0)
	h.size = 2
	if short >= 126 {
		least = 126
		if h.size = 4; short == 127 {
			least, h.size = 0x10000, 10
		}
		if len(b) < h.size {
			return h, false, nil
		}
		var wide [8]byte
		copy(wide[8-(h.size-2):], b[2:h.size])
		length = binary.BigEndian.Uint64(wide[:])
	}
	switch {
	case h.opcode >= actors.OpClose && short > actors.MaxControl:
		return h, false, breach(actors.CloseProtocolError, "A control frame may have %d bytes.", actors.MaxControl)
	case length < least || length>>63 != 0:
		return h, false, breach(actors.CloseProtocolError, "A frame's length is not written in the shortest way.")
	case h.opcode < actors.OpClose && length > uint64(r.limit-len(r.fragments)):
		return h, false, breach(actors.CloseTooBig, "A message may have %d bytes.", r.limit)
	}
	h.length = int(length)
	if len(b) < h.size+len(h.mask) {
		return h, false, nil
	}
	h.size += copy(h.mask[:], b[h.size:])
	return h, true, nil
}

// allowed refuses frames that may not come now, by their opcode.
func (r *socketReader) allowed(h frameHeader) error {
	switch h.opcode {
	case actors.OpContinuation:
		if !r.open {
			return breach(actors.CloseProtocolError, "There is no message to continue.")
		}
	case actors.OpText, actors.OpBinary:
		if r.open {
			return breach(actors.CloseProtocolError, "The message before is not complete.")
		}
		if h.opcode == actors.OpBinary {
			return breach(actors.CloseUnsupported, "Messages are text.")
		}
	case actors.OpClose, actors.OpPing, actors.OpPong:
		if !h.final {
			return breach(actors.CloseProtocolError, "A control frame can't be in fragments.")
		}
	default:
		return breach(actors.CloseProtocolError, "There is no opcode %d.", h.opcode)
	}
	return nil
}

func unmask(payload []byte, mask [4]byte) {
	for i := range payload {
		payload[i] ^= mask[i&3]
	}
}

// closeCode reads the payload of a client's close frame, and gives the code to
// answer it with.
func closeCode(payload []byte) (uint16, error) {
	if len(payload) == 0 {
		return actors.CloseNoStatus, nil
	}
	if len(payload) == 1 {
		return 0, breach(actors.CloseProtocolError, "A close code has two bytes.")
	}
	code := binary.BigEndian.Uint16(payload)
	// RFC 6455, 7.4, and IANA's registry: what may be sent.
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
	default:
		return 0, breach(actors.CloseProtocolError, "%d is no close code that may be sent.", code)
	}
	if !utf8.Valid(payload[2:]) {
		return 0, breach(actors.CloseBadText, "The reason is not valid UTF-8.")
	}
	return code, nil
}
