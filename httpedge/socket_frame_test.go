package httpedge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"barrage/actors"
)

// frameOf makes a frame as a client sends it. first is its first byte.
func frameOf(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := []byte{0xa5, 0x01, 0xff, 0x3c}
	b = append(b, mask...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

// First bytes of frames: FIN and the opcode.
const (
	finText, firstText   = 0x81, 0x01
	finMore, more        = 0x80, 0x00
	finClose, finPing    = 0x88, 0x89
	finPong, testMessage = 0x8a, 8192
)

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// readAll gives a reader bytes in pieces, as a socket does, and collects what
// comes out, up to an error.
func readAll(r *socketReader, pieces ...[]byte) (list []socketMessage, err error) {
	var held []byte
	for _, piece := range pieces {
		data := append(bytes.Clone(held), piece...)
		for {
			m, n, complete, err := r.next(data)
			if err != nil {
				return list, err
			}
			if n == 0 {
				break
			}
			data = data[n:]
			if complete {
				list = append(list, socketMessage{m.opcode, bytes.Clone(m.payload)})
			}
		}
		held = data
	}
	return list, nil
}

// badFrames are what a client may not send, and with which code it is closed.
var badFrames = []struct {
	name string
	sent []byte
	code uint16
}{
	{"reserved bit 1", frameOf(0xc1, "x"), actors.CloseProtocolError},
	{"reserved bit 2", frameOf(0xa1, "x"), actors.CloseProtocolError},
	{"reserved bit 3", frameOf(0x91, "x"), actors.CloseProtocolError},
	{"opcode 3", frameOf(0x83, ""), actors.CloseProtocolError},
	{"opcode 7", frameOf(0x87, "x"), actors.CloseProtocolError},
	{"opcode 11", frameOf(0x8b, ""), actors.CloseProtocolError},
	{"opcode 15", frameOf(0x8f, "x"), actors.CloseProtocolError},
	{"no mask", []byte{0x81, 1, 'x'}, actors.CloseProtocolError},
	{"a ping in fragments", frameOf(0x09, "x"), actors.CloseProtocolError},
	{"a ping of 126 bytes", frameOf(finPing, strings.Repeat("x", 126)), actors.CloseProtocolError},
	{"a continuation of nothing", frameOf(finMore, "x"), actors.CloseProtocolError},
	{"a first fragment twice", join(frameOf(firstText, "x"), frameOf(firstText, "y")), actors.CloseProtocolError},
	{"a text within a text", join(frameOf(firstText, "x"), frameOf(finText, "y")), actors.CloseProtocolError},
	{"16 bits for 125", []byte{0x81, 0xfe, 0, 125}, actors.CloseProtocolError},
	{"64 bits for 65535", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, actors.CloseProtocolError},
	{"a negative length", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, actors.CloseProtocolError},
	{"binary", frameOf(0x82, "x"), actors.CloseUnsupported},
	{"binary in fragments", frameOf(0x02, "x"), actors.CloseUnsupported},
	{"too big", []byte{0x81, 0xfe, 0x20, 0x01}, actors.CloseTooBig}, // 8193, of which nothing is sent
	{"enormous", []byte{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, actors.CloseTooBig},
	{"too big in fragments", join(frameOf(firstText, strings.Repeat("x", testMessage)), frameOf(finMore, "x")), actors.CloseTooBig},
	{"half a character", frameOf(finText, "\xe5\xbc"), actors.CloseBadText},
	{"a surrogate", frameOf(finText, "\xed\xa0\x80"), actors.CloseBadText},
	{"overlong", frameOf(finText, "\xc0\xaf"), actors.CloseBadText},
	{"half a character in the last fragment", join(frameOf(firstText, "\xe5"), frameOf(finMore, "\xbc")), actors.CloseBadText},
	{"a close of one byte", frameOf(finClose, "\x03"), actors.CloseProtocolError},
	{"close 0", frameOf(finClose, "\x00\x00"), actors.CloseProtocolError},
	{"close 999", frameOf(finClose, "\x03\xe7"), actors.CloseProtocolError},
	{"close 1004", frameOf(finClose, "\x03\xec"), actors.CloseProtocolError},
	{"close 1005", frameOf(finClose, "\x03\xed"), actors.CloseProtocolError},
	{"close 1006", frameOf(finClose, "\x03\xee"), actors.CloseProtocolError},
	{"close 1015", frameOf(finClose, "\x03\xf7"), actors.CloseProtocolError},
	{"close 2999", frameOf(finClose, "\x0b\xb7"), actors.CloseProtocolError},
	{"close 5000", frameOf(finClose, "\x13\x88"), actors.CloseProtocolError},
	{"a close whose reason is no text", frameOf(finClose, "\x03\xe8\xff"), actors.CloseBadText},
	{"a close in fragments", frameOf(0x08, ""), actors.CloseProtocolError},
}

func TestBadFramesAreRefusedWithTheirCode(t *testing.T) {
	for _, test := range badFrames {
		r := &socketReader{limit: testMessage}
		list, err := readAll(r, bytes.Clone(test.sent))
		if err == nil && len(list) > 0 && list[len(list)-1].opcode == actors.OpClose {
			_, err = closeCode(list[len(list)-1].payload)
		}
		var refused *socketError
		if !errors.As(err, &refused) || refused.code != test.code || refused.reason == "" || len(refused.reason) > actors.MaxControl-2 {
			t.Errorf("%s: %+v, not %d", test.name, err, test.code)
		}
	}
}

func TestGoodCloseFramesAreAnsweredWithTheirCode(t *testing.T) {
	for payload, want := range map[string]uint16{
		"": actors.CloseNoStatus, "\x03\xe8": 1000, "\x03\xe9bye": 1001, "\x03\xf5": 1013, "\x0b\xb8弹幕": 3000, "\x13\x87": 4999,
		"\x03\xe8" + strings.Repeat("x", 123): 1000,
	} {
		list, err := readAll(&socketReader{limit: testMessage}, frameOf(finClose, payload))
		if err != nil || len(list) != 1 {
			t.Fatalf("%q: %v", payload, err)
		}
		if code, err := closeCode(list[0].payload); err != nil || code != want {
			t.Errorf("%q: %d, %v", payload, code, err)
		}
	}
}

// TestMessagesArriveHoweverTheyAreCut sends random messages, in random
// fragments with control frames between them, in random pieces.
func TestMessagesArriveHoweverTheyAreCut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	r := &socketReader{limit: testMessage}
	for range 300 {
		var sent []byte
		var want []socketMessage
		for range 1 + random.IntN(5) {
			text := strings.Repeat("弹x", random.IntN(20))
			if random.IntN(8) == 0 {
				text = strings.Repeat("y", testMessage-random.IntN(2))
			}
			first := byte(firstText)
			for rest := text; ; first = more {
				n := random.IntN(len(rest) + 1)
				if random.IntN(2) == 0 {
					sent = append(sent, frameOf(0x80|first, rest)...)
					break
				}
				sent, rest = append(sent, frameOf(first, rest[:n])...), rest[n:]
				if random.IntN(2) == 0 {
					ping := fmt.Sprint(random.IntN(100))
					sent, want = append(sent, frameOf(finPing, ping)...), append(want, socketMessage{actors.OpPing, []byte(ping)})
				}
			}
			want = append(want, socketMessage{actors.OpText, []byte(text)})
		}
		var pieces [][]byte
		for len(sent) > 0 {
			n := 1 + random.IntN(len(sent))
			pieces, sent = append(pieces, sent[:n]), sent[n:]
		}
		got, err := readAll(r, pieces...)
		if err != nil || !equalMessages(got, want) {
			t.Fatalf("got %q, %v, not %q", got, err, want)
		}
	}
}

func equalMessages(a, b []socketMessage) bool {
	return slices.EqualFunc(a, b, func(x, y socketMessage) bool { return x.opcode == y.opcode && bytes.Equal(x.payload, y.payload) })
}

func FuzzSocketReader(f *testing.F) {
	for _, bad := range badFrames {
		f.Add(bad.sent, 1)
	}
	f.Add(join(frameOf(firstText, "弹"), frameOf(finPing, "p"), frameOf(finMore, "幕"), frameOf(finClose, "\x03\xe8")), 9)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if cut < 0 || cut > len(b) {
			cut = len(b) / 2
		}
		whole, errWhole := readAll(&socketReader{limit: 100}, bytes.Clone(b))
		r := &socketReader{limit: 100}
		parts, errParts := readAll(r, bytes.Clone(b[:cut]), bytes.Clone(b[cut:]))
		if !equalMessages(whole, parts) || !reflect.DeepEqual(errWhole, errParts) {
			t.Errorf("%x is %q, %v; cut at %d it is %q, %v", b, whole, errWhole, cut, parts, errParts)
		}
		if len(r.fragments) > r.limit {
			t.Errorf("%d bytes are kept", len(r.fragments))
		}
		for _, m := range whole {
			if m.opcode == actors.OpText && len(m.payload) > r.limit || m.opcode != actors.OpText && len(m.payload) > actors.MaxControl {
				t.Errorf("a message of %d bytes", len(m.payload))
			}
		}
	})
}
