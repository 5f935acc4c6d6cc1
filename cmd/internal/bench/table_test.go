package bench

import (
	"errors"
	"slices"
	"testing"
)

// testTexts are the frames of a stream of 16 comments, with other events.
func testTexts() []string {
	return []string{
		"retry: 2500\n\n", testEvents(0), testEvents(1, 2, 3), ":\n\n", testEvents(4, 5), "event: viewers\ndata: {\"viewers\":2}\n\n",
		testEvents(6), testEvents(7, 8, 9, 10, 11), testEvents(12), testEvents(13), ":\n\n", testEvents(14), testEvents(15),
	}
}

// A stream means the same wherever the network cuts it.
func TestEveryCodingDecodesWhereverItIsCut(t *testing.T) {
	for _, c := range codings {
		t.Run(c.name, func(t *testing.T) {
			wire := c.encode(t, testTexts())
			for cut := range wire {
				v := newTestViewer(c.gzip)
				tab := newTable(testTag)
				v.feed(t, tab, wire[:cut])
				v.feed(t, tab, wire[cut:])
				if !slices.Equal(v.seqs, upTo(16)) {
					t.Fatalf("cut at %d: received %v", cut, v.seqs)
				}
			}
			v := newTestViewer(c.gzip)
			tab := newTable(testTag)
			for i := range wire {
				v.feed(t, tab, wire[i:i+1])
			}
			if !slices.Equal(v.seqs, upTo(16)) {
				t.Fatalf("byte by byte: received %v", v.seqs)
			}
		})
	}
}

// Viewers that get the same bytes share the frames, and their paths are one
// stretch: nothing is kept for each of them.
func TestSameBytesShareFrames(t *testing.T) {
	for _, c := range codings[:5] {
		t.Run(c.name, func(t *testing.T) {
			wire := c.encode(t, testTexts())
			tab := newTable(testTag)
			var first *testViewer
			for range 3 {
				v := newTestViewer(c.gzip)
				v.feed(t, tab, wire)
				if first == nil {
					first = v
				}
				if len(v.s.path) != 1 || v.s.path[0] != first.s.path[0] {
					t.Errorf("path %v, the first viewer's is %v", v.s.path, first.s.path)
				}
				if v.s.raw != nil || v.s.unit != nil {
					t.Errorf("%d and %d bytes kept at a viewer between chunks", len(v.s.raw), len(v.s.unit))
				}
			}
			if first.s.path[0].n != len(tab.frames) {
				t.Errorf("a path of %d frames, and %d frames in the table", first.s.path[0].n, len(tab.frames))
			}
		})
	}
}

// The same events are the same frames, even if one viewer has them compressed
// with a context of its own.
func TestCodingsShareFrames(t *testing.T) {
	tab := newTable(testTag)
	for _, c := range []coding{codings[0], codings[2], codings[3], codings[4]} {
		v := newTestViewer(c.gzip)
		v.feed(t, tab, c.encode(t, testTexts()))
	}
	if len(tab.frames) != 9 {
		t.Errorf("%d frames in the table, want 9", len(tab.frames))
	}
}

func TestBodyWithoutChunks(t *testing.T) {
	v := &testViewer{}
	v.s.open(responseHead{})
	tab := newTable(testTag)
	text := testEvents(upTo(4)...)
	for i := range text {
		v.feed(t, tab, []byte(text[i:i+1]))
	}
	if !slices.Equal(v.seqs, upTo(4)) {
		t.Errorf("received %v", v.seqs)
	}
}

func TestRegularEnds(t *testing.T) {
	for name, end := range map[string][]byte{
		"last chunk":   []byte("0\r\n\r\n"),
		"gzip trailer": testChunk([]byte{3, 0, 1, 2, 3, 4, 5, 6, 7, 8}),
	} {
		t.Run(name, func(t *testing.T) {
			gzip := name == "gzip trailer"
			c := codings[0]
			if gzip {
				c = codings[2]
			}
			v := newTestViewer(c.gzip)
			tab := newTable(testTag)
			v.feed(t, tab, append(c.encode(t, testTexts()), end...))
			if !v.s.ended || !slices.Equal(v.seqs, upTo(16)) {
				t.Errorf("ended %t, received %v", v.s.ended, v.seqs)
			}
		})
	}
}

// A viewer on a way of its own is followed, and comes back to the common one.
func TestDeviatingViewer(t *testing.T) {
	tab := newTable(testTag)
	encode := codings[0].encode
	for range 2 {
		newTestViewer(false).feed(t, tab, encode(t, []string{testEvents(0), testEvents(1), testEvents(2), testEvents(3), testEvents(4)}))
	}
	v := newTestViewer(false)
	v.feed(t, tab, encode(t, []string{testEvents(0), testGap(0, 2), testEvents(2), testEvents(3), testEvents(4)}))
	if !slices.Equal(v.seqs, []int{0, 2, 3, 4}) || len(v.gaps) != 1 {
		t.Errorf("received %v, gaps %v", v.seqs, v.gaps)
	}
	if len(v.s.path) != 2 || v.s.path[1].n != 3 {
		t.Errorf("path %v, want one of two stretches", v.s.path)
	}
}

// A resumed stream goes on with the path of the one before.
func TestPathGoesOnOverReconnection(t *testing.T) {
	tab := newTable(testTag)
	v := newTestViewer(true)
	wire := codings[2].encode(t, []string{testEvents(0), testEvents(1)})
	v.feed(t, tab, wire[:len(wire)-3])
	v.s.open(responseHead{chunked: true, gzip: true})
	v.feed(t, tab, codings[2].encode(t, []string{testEvents(1), testEvents(2)}))
	if !slices.Equal(v.seqs, []int{0, 1, 2}) || len(v.s.path) != 1 {
		t.Errorf("received %v, path %v", v.seqs, v.s.path)
	}
}

func TestForgottenFramesAreDecodedAgain(t *testing.T) {
	tab := newTable(testTag)
	tab.bytes = maxTableBytes // as full as can be
	wire := codings[2].encode(t, testTexts())
	for range 2 {
		v := newTestViewer(true)
		v.feed(t, tab, wire)
		if !slices.Equal(v.seqs, upTo(16)) {
			t.Errorf("received %v", v.seqs)
		}
	}
	if len(tab.kept) > 2 {
		t.Errorf("%d forms of frames kept in a full table", len(tab.kept))
	}
}

func TestBrokenStreams(t *testing.T) {
	for name, c := range map[string]struct {
		gzip bool
		data []byte
	}{
		"chunk":       {false, []byte("zz\r\n")},
		"event":       {false, testChunk([]byte("id: 5\ndata: nonsense\n\n"))},
		"gzip header": {true, testChunk([]byte("id: 5\ndata: plain text\n\n"))},
		"gzip flags":  {true, testChunk([]byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0})},
		"gzip block":  {true, testChunk(append(slices.Clone(testGzipHead), 0xff, 0xff, 0xff))},
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestViewer(c.gzip)
			if _, err := newTable(testTag).consume(&v.s, c.data); err == nil || errors.Is(err, errShort) {
				t.Errorf("consume: %v, want an error", err)
			}
		})
	}
}

// FuzzConsume feeds a table anything, in two parts: no panic, no endless loop,
// and the same events however it is cut.
func FuzzConsume(f *testing.F) {
	for _, c := range codings {
		f.Add(c.encode(f, []string{"retry: 9\n\n", "id: 5\ndata: {\"id\":\"5\",\"message\":\"hi\"}\n\n"}), 40, c.gzip)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut int, gzip bool) {
		decode := func(parts ...[]byte) (seqs []int, failed bool) {
			v := newTestViewer(gzip)
			tab := newTable(testTag)
			for _, p := range parts {
				frames, err := tab.consume(&v.s, p)
				for _, fr := range frames {
					for _, c := range fr.comments {
						seqs = append(seqs, c.seq)
					}
				}
				if err != nil {
					return seqs, true
				}
			}
			return seqs, false
		}
		whole, failedWhole := decode(data)
		cut = min(max(cut, 0), len(data))
		parts, failedParts := decode(data[:cut], data[cut:])
		if !slices.Equal(whole, parts) || failedWhole != failedParts {
			t.Fatalf("whole: %v, %t; cut at %d: %v, %t", whole, failedWhole, cut, parts, failedParts)
		}
	})
}

// BenchmarkConsume is the price of checking one frame at one viewer.
func BenchmarkConsume(b *testing.B) {
	for _, c := range codings[:5] {
		b.Run(c.name, func(b *testing.B) {
			var texts []string
			for i := range 100 {
				texts = append(texts, testEvents(10*i, 10*i+1, 10*i+2, 10*i+3, 10*i+4, 10*i+5, 10*i+6, 10*i+7, 10*i+8, 10*i+9))
			}
			wire := c.encode(b, texts)
			tab := newTable(testTag)
			for b.Loop() {
				v := newTestViewer(c.gzip)
				v.feed(b, tab, wire)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(texts)), "ns/frame")
		})
	}
}
