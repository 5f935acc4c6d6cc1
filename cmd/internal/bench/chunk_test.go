package bench

import (
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"testing"
)

func TestNextChunk(t *testing.T) {
	for _, c := range []struct {
		name, data, payload string
		size                int
		err                 error
	}{
		{"whole", "5\r\nhello\r\nrest", "hello", 10, nil},
		{"upper and lower case", "aB\r\n" + string(make([]byte, 0xab)) + "\r\n", string(make([]byte, 0xab)), 4 + 0xab + 2, nil},
		{"extension", "5;a=b\r\nhello\r\n", "hello", 14, nil},
		{"last", "0\r\n\r\nrest", "", 5, nil},
		{"last with trailer", "0\r\nA: b\r\n\r\n", "", 11, nil},
		{"last without its end", "0\r\nA: b\r\n", "", 0, errShort},
		{"no head", "", "", 0, errShort},
		{"half a head", "5", "", 0, errShort},
		{"half a payload", "5\r\nhel", "", 0, errShort},
		{"no end", "5\r\nhello", "", 0, errShort},
		{"half an end", "5\r\nhello\r", "", 0, errShort},
		{"wrong end", "5\r\nhelloXY", "", 0, errChunk},
		{"no digits", "\r\nhello", "", 0, errChunk},
		{"bad digit", "g\r\nhello", "", 0, errChunk},
		{"bare line feed", "5\nhello\r\n", "", 0, errChunk},
		{"enormous", "ffffffffffffffff\r\n", "", 0, errChunk},
	} {
		t.Run(c.name, func(t *testing.T) {
			payload, size, err := nextChunk([]byte(c.data))
			if !errors.Is(err, c.err) || string(payload) != c.payload || size != c.size {
				t.Errorf("nextChunk(%q) = %q, %d, %v; want %q, %d, %v", c.data, payload, size, err, c.payload, c.size, c.err)
			}
		})
	}
}

// FuzzNextChunk holds the decoder against the standard library's: whatever this
// one takes, that one reads the same way.
func FuzzNextChunk(f *testing.F) {
	for _, s := range []string{"5\r\nhello\r\n0\r\n\r\n", "3;x\r\nabc\r\n1\r\nd\r\n", "0\r\nA: b\r\n\r\n", "zz\r\n", "a\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var body []byte
		rest, ended := data, false
		for len(rest) > 0 && !ended {
			payload, size, err := nextChunk(rest)
			if err != nil {
				break
			}
			if size <= 0 || size > len(rest) || len(payload) > size {
				t.Fatalf("nextChunk(%q) has payload of %d bytes and size %d", rest, len(payload), size)
			}
			if short, _, err := nextChunk(rest[:size-1]); len(payload) > 0 && !errors.Is(err, errShort) {
				t.Fatalf("nextChunk(%q) = %q, %v; want errShort, as more bytes make a chunk", rest[:size-1], short, err)
			}
			body = append(body, payload...)
			ended = len(payload) == 0
			rest = rest[size:]
		}
		// It may stop earlier, as it allows fewer bytes of overhead, or go on
		// where line ends aren't CR LF.
		want, _ := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(data)))
		if !bytes.HasPrefix(want, body) && !bytes.HasPrefix(body, want) {
			t.Fatalf("decoded %q, the standard library %q", body, want)
		}
	})
}
