package bench

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/klauspost/compress/flate"
)

const testTag = "tag000"

var testComposer = newComposer(testTag, 40, 1)

// testEvent is the event of a comment of the run: comment seq with its id.
func testEvent(seq int, id uint64) string {
	text := testComposer.appendMessage(nil, seq, int64(seq)+1000)
	return fmt.Sprintf("id: %d\ndata: {\"id\":\"%d\",\"liveVideoId\":\"v\",\"userId\":\"u\",\"message\":\"%s\",\"createdAt\":\"2026-01-02T03:04:05.678Z\"}\n\n", id, id, text)
}

// testID is the id of comment seq in tests.
func testID(seq int) uint64 { return 1000 + uint64(seq)*10 }

// testEvents are the events of several comments.
func testEvents(seqs ...int) string {
	var b bytes.Buffer
	for _, seq := range seqs {
		b.WriteString(testEvent(seq, testID(seq)))
	}
	return b.String()
}

func testGap(after, before int) string {
	return fmt.Sprintf("event: gap\ndata: {\"after\":\"%d\",\"before\":\"%d\"}\n\n", testID(after), testID(before))
}

func testChunk(payload []byte) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(payload), payload) }

// coding is one way to put texts on the wire.
type coding struct {
	name   string
	gzip   bool
	encode func(t testing.TB, texts []string) []byte
}

var testGzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// codings are the ways in which servers send one text after the other.
var codings = []coding{
	{"identity", false, func(_ testing.TB, texts []string) []byte {
		var out []byte
		for _, s := range texts {
			out = append(out, testChunk([]byte(s))...)
		}
		return out
	}},
	{"identity, chunks of 7 bytes", false, func(_ testing.TB, texts []string) []byte {
		var out []byte
		for _, s := range texts {
			for part := range slices.Chunk([]byte(s), 7) {
				out = append(out, testChunk(part)...)
			}
		}
		return out
	}},
	{"gzip, segments by themselves", true, func(t testing.TB, texts []string) []byte {
		out := testChunk(testGzipHead)
		for _, s := range texts {
			out = append(out, testChunk(testSegment(t, s))...)
		}
		return out
	}},
	{"gzip, stored blocks, header with the first", true, func(_ testing.TB, texts []string) []byte {
		var out []byte
		for i, s := range texts {
			var p []byte
			if i == 0 {
				p = append(p, testGzipHead...)
			}
			n := len(s)
			p = append(p, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
			out = append(out, testChunk(append(p, s...))...)
		}
		return out
	}},
	{"gzip with a context", true, func(t testing.TB, texts []string) []byte {
		var buf bytes.Buffer
		w, err := flate.NewWriter(&buf, 6)
		if err != nil {
			t.Fatal(err)
		}
		out := testChunk(testGzipHead)
		for _, s := range texts {
			buf.Reset()
			if _, err := w.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			out = append(out, testChunk(buf.Bytes())...)
		}
		return out
	}},
	{"gzip, events cut between segments", true, func(t testing.TB, texts []string) []byte {
		out := testChunk(testGzipHead)
		for _, s := range texts {
			out = append(out, testChunk(testSegment(t, s[:len(s)/2]))...)
			out = append(out, testChunk(testSegment(t, s[len(s)/2:]))...)
		}
		return out
	}},
}

// testSegment deflates a text by itself, ended by a sync flush.
func testSegment(t testing.TB, text string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, 6)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// testViewer is a decoder with what it has received.
type testViewer struct {
	s    stream
	seqs []int
	gaps []gap
}

func newTestViewer(gzip bool) *testViewer {
	v := &testViewer{}
	v.s.open(responseHead{chunked: true, gzip: gzip})
	return v
}

func (v *testViewer) feed(t testing.TB, tab *table, data []byte) {
	t.Helper()
	frames, err := tab.consume(&v.s, data)
	if err != nil {
		t.Fatalf("consume: %v", err)
	}
	for _, f := range frames {
		for _, c := range f.comments {
			v.seqs = append(v.seqs, c.seq)
		}
		v.gaps = append(v.gaps, f.gaps...)
	}
}

// upTo is 0, 1, … n-1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
