package actors

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestCRCsCombine(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a, b := make([]byte, random.IntN(5000)), make([]byte, random.IntN(5000))
		for _, s := range [][]byte{a, b} {
			for i := range s {
				s[i] = byte(random.Uint32())
			}
		}
		got := crcCombine(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b), crcShift(len(b)))
		if want := crc32.ChecksumIEEE(append(a, b...)); got != want {
			t.Fatalf("lengths %d and %d: %08x, not %08x", len(a), len(b), got, want)
		}
	}
}

// eventsOf makes n events that differ.
func eventsOf(random *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for range n {
		fmt.Fprintf(&b, "id: %d\ndata: {\"message\":\"弹幕 %x\"}\n\n", random.Uint64(), random.Uint64())
	}
	return b.Bytes()
}

func TestGzipSegmentsFitIntoAnyStreamJoinedAnywhere(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var frames []*Frame
	for range 40 {
		frames = append(frames, newFrame(eventsOf(random, 1+random.IntN(60))))
	}
	frames = append(frames, newFrame(bytes.Repeat([]byte("x"), 3*maxStored+17)), newFrame(incompressible(random, 2*maxStored+5)))
	for joined := range frames {
		stream := bytes.NewBuffer(bytes.Clone(gzipHeader))
		var want bytes.Buffer
		var crc, size uint32
		for _, f := range frames[joined:] {
			form := f.in(Gzip)
			stream.Write(form.body)
			want.Write(f.in(Identity).body)
			crc, size = crcCombine(crc, form.crc, form.shift), size+form.size
		}
		stream.Write(gzipTrailer(crc, size))
		r, err := gzip.NewReader(stream)
		if err != nil {
			t.Fatal(err)
		}
		r.Multistream(false)
		got, err := io.ReadAll(r) // a strict reader: it checks the trailer
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("joined at frame %d: %v", joined, err)
		}
	}
}

func incompressible(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func TestSmallEventsAreNotMadeLarger(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{1, 10, 100, 1000, maxStored, maxStored + 1} {
		if got, most := len(deflateSegment(incompressible(random, n))), n+storedOverhead(n); got > most {
			t.Errorf("%d bytes that can't be compressed became %d, not at most %d", n, got, most)
		}
	}
	lone := EncodeRow(comment(382960000000000000, "hello, how are you all?")).Event
	if got := len(deflateSegment(lone)); got > len(lone) {
		t.Errorf("a lone comment of %d bytes became %d", len(lone), got)
	}
	many := eventsOf(random, 100)
	if got := len(deflateSegment(many)); got*2 > len(many) {
		t.Errorf("100 events of %d bytes became %d", len(many), got)
	}
}

// TestEverySegmentIsReadAtOnce cuts a stream behind each segment: a reader has
// all events up to there, and waits for nothing.
func TestEverySegmentIsReadAtOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	stream, want := bytes.Clone(gzipHeader), []byte(nil)
	for i := range 30 {
		f := newFrame(eventsOf(random, 1+i%3))
		if i%3 == 0 {
			f = newFrame(incompressible(random, 1+random.IntN(300)))
		}
		stream, want = append(stream, f.in(Gzip).body...), append(want, f.in(Identity).body...)
		r, err := gzip.NewReader(bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(r); !bytes.Equal(got, want) {
			t.Fatalf("after segment %d a reader has %d bytes of %d", i, len(got), len(want))
		}
	}
}

func TestAFrameIsAnHTTPChunk(t *testing.T) {
	f := newFrame([]byte("data: a\n\n"), []byte("data: b\n\n"))
	if got, want := string(f.in(Identity).chunk), "12\r\ndata: a\n\ndata: b\n\n\r\n"; got != want {
		t.Errorf("chunk %q, not %q", got, want)
	}
	if got, want := string(f.in(Identity).body), "data: a\n\ndata: b\n\n"; got != want {
		t.Errorf("body %q, not %q", got, want)
	}
	form := f.in(Gzip)
	if want := fmt.Sprintf("%x\r\n%s\r\n", len(form.body), form.body); string(form.chunk) != want {
		t.Errorf("gzip chunk %q, not %q", form.chunk, want)
	}
}

func BenchmarkFrame(b *testing.B) {
	random := rand.New(rand.NewPCG(9, 10))
	for _, n := range []int{1, 10, 100} {
		events := eventsOf(random, n)
		b.Run(fmt.Sprintf("gzip/%d comments", n), func(b *testing.B) {
			for b.Loop() {
				newFrame(events).in(Gzip)
			}
			b.ReportMetric(float64(len(events))/float64(len(newFrame(events).in(Gzip).chunk)), "ratio")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/comment")
		})
	}
}

func TestRowJSONIsAPartOfTheEvent(t *testing.T) {
	row := EncodeRow(comment(42, "a\nb \"c\" <d> \u2028 弹幕\t"))
	text := string(row.Event)
	if !strings.HasPrefix(text, "id: 42\ndata: {\"id\":\"42\"") || !strings.HasSuffix(text, "}\n\n") || strings.Count(text, "\n") != 3 {
		t.Errorf("event %q", text)
	}
	if json := string(RowJSON(row)); !strings.HasPrefix(json, "{") || !strings.HasSuffix(json, "}") || !strings.Contains(text, json) {
		t.Errorf("JSON %q", json)
	}
}
