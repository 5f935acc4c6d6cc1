package actors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"barrage/actors/wire"
	"barrage/persistence/records"
)

// socketFrame is a frame of a WebSocket as its client sees it.
type socketFrame struct {
	opcode  byte
	payload string
}

// socketFrames reads a server's frames one after the other; rest is what is no
// whole frame.
func socketFrames(tb testing.TB, b []byte) (frames []socketFrame, rest []byte) {
	tb.Helper()
	for len(b) >= 2 {
		if b[0]&0xf0 != 0x80 || b[1]&0x80 != 0 {
			tb.Fatalf("a frame begins with %x", b[:2])
		}
		size, length := 2, uint64(b[1])
		switch {
		case length == 126 && len(b) >= 4:
			size, length = 4, uint64(binary.BigEndian.Uint16(b[2:]))
		case length == 127 && len(b) >= 10:
			size, length = 10, binary.BigEndian.Uint64(b[2:])
		case length > 125:
			return frames, b
		}
		if uint64(len(b)-size) < length {
			return frames, b
		}
		frames = append(frames, socketFrame{b[0] & 0xf, string(b[size : size+int(length)])})
		b = b[size+int(length):]
	}
	return frames, b
}

// socketEvent is a text message of a stream.
type socketEvent struct {
	Event string          `json:"event"`
	ID    string          `json:"id"`
	Ref   string          `json:"ref"`
	Data  json.RawMessage `json:"data"`
}

func socketEvents(tb testing.TB, frames []socketFrame) (list []socketEvent) {
	tb.Helper()
	for _, f := range frames {
		if f.opcode != OpText {
			continue
		}
		var e socketEvent
		decoder := json.NewDecoder(strings.NewReader(f.payload))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&e); err != nil || !utf8.ValidString(f.payload) {
			tb.Fatalf("%q: %v", f.payload, err)
		}
		list = append(list, e)
	}
	return list
}

// TestAFrameIsTheSameEventsInBothForms makes frames of all that streams are
// sent, and compares what a reader of server-sent events reads of them with
// what a WebSocket's client gets.
func TestAFrameIsTheSameEventsInBothForms(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	texts := []string{"hello", "你好，弹幕!", `"quotes" \ and </script>`, "two\nlines\tand a tab", "\u2028\u2029", strings.Repeat("🙂", 500), "id: 7\ndata: x\n\n"}
	for range 2000 {
		var parts [][]byte
		var want []socketFrame
		for range 1 + random.IntN(5) {
			id := random.Uint64N(1 << 62)
			switch random.IntN(6) {
			case 0:
				parts, want = append(parts, []byte(":\n\n")), append(want, socketFrame{OpPing, ""})
				continue
			case 1:
				d := time.Duration(random.IntN(9999)) * time.Millisecond
				parts = append(parts, RetryEvent(d))
				want = append(want, socketFrame{OpText, fmt.Sprintf(`{"event":"retry","data":{"milliseconds":%d}}`, d.Milliseconds())})
				continue
			case 2:
				parts = append(parts, gapEvent("v", id, id+9))
			case 3:
				e := (&bundle{videos: []string{"a", "b"}}).withPositions(ringEvent{id: id, video: "b", event: EncodeRow(&records.Comment{Id: id}).Event}, []uint64{id / 3, 5})
				parts = append(parts, e.event)
			default:
				row := EncodeRow(&records.Comment{Id: id, LiveVideoId: "v", UserId: texts[random.IntN(3)], Message: texts[random.IntN(len(texts))], ParentId: id / 2})
				parts = append(parts, row.Event)
			}
			e := events(string(parts[len(parts)-1]))[0]
			if e.name == "" {
				e.name = "comment"
			}
			id2 := ""
			if e.id != "" {
				id2 = `,"id":"` + e.id + `"`
			}
			want = append(want, socketFrame{OpText, `{"event":"` + e.name + `"` + id2 + `,"data":` + e.data + `}`})
		}
		f := newFrame(parts...)
		got, rest := socketFrames(t, f.in(WebSocket).body)
		if len(rest) > 0 || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q and %q, not %q", f.identity.body, got, rest, want)
		}
		socketEvents(t, got) // they are JSON
		if first, second := f.in(WebSocket).body, f.in(WebSocket).body; &first[0] != &second[0] {
			t.Fatal("a frame is made twice")
		}
	}
}

func TestLengthsOfWebSocketFrames(t *testing.T) {
	for n, size := range map[int]int{0: 2, 125: 2, 126: 4, 65535: 4, 65536: 10, 100_000: 10} {
		b := AppendWebSocketFrame(nil, OpText, bytes.Repeat([]byte("x"), n))
		got, rest := socketFrames(t, b)
		if len(b) != size+n || len(got) != 1 || len(got[0].payload) != n || len(rest) > 0 {
			t.Errorf("a message of %d bytes is %d bytes long", n, len(b))
		}
	}
	long := AppendCloseFrame(nil, CloseTooBig, strings.Repeat("弹", 50))
	got, _ := socketFrames(t, long)
	if reason := got[0].payload[2:]; len(reason) != 123 || !utf8.ValidString(reason) {
		t.Errorf("a long reason became %q", reason)
	}
	if got := AppendCloseFrame(nil, CloseNoStatus, "x"); !bytes.Equal(got, []byte{0x88, 0}) {
		t.Errorf("no status is %x", got)
	}
}

func FuzzWebSocketFrames(f *testing.F) {
	f.Add([]byte("event: gap\ndata: {}\n\n:\n\nretry: 5\n\nid: 7\ndata: {\ndata: }\n\n"))
	f.Add([]byte("id\ndata\n\nevent: \"\\\ndata: 1\n\n"))
	f.Add(bytes.Repeat([]byte("data: x\n"), 9000))
	f.Fuzz(func(t *testing.T, b []byte) {
		if frames, rest := socketFrames(t, webSocketFrames(b)); len(rest) > 0 {
			t.Errorf("%q became %q and %q", b, frames, rest)
		}
	})
}

// socketEventsOf are the events that a client has got.
func (c *testConn) socketEvents(tb testing.TB) ([]socketEvent, []socketFrame) {
	tb.Helper()
	c.mu.Lock()
	b := bytes.Clone(c.bytes)
	c.mu.Unlock()
	frames, rest := socketFrames(tb, b)
	if len(rest) > 0 {
		tb.Fatalf("half a frame: %q", rest)
	}
	return socketEvents(tb, frames), frames
}

func names(list []socketEvent) (names []string) {
	for _, e := range list {
		names = append(names, e.Event)
	}
	return names
}

func TestAWebSocketIsAStreamLikeOthers(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.Heartbeat = 50 * time.Millisecond })
	ids := []uint64{n.post("v", "a"), n.post("v", "b"), n.post("v", "c")}
	c := n.watch("v", ViewerConfig{Encoding: WebSocket, Resume: true, After: ids[0]})
	early := n.watch("v", ViewerConfig{Encoding: WebSocket, History: 1})
	early.viewer.Reply([]byte(`{"event":"posted","ref":"r","data":{}}`))
	early.untilHas(t, "posted")
	early.untilHas(t, "viewers")
	c.untilHas(t, "viewers")
	ids = append(ids, n.post("v", "d"))
	c.untilHas(t, FormatID(ids[3]))
	c.untilHas(t, "\x89\x00") // a heartbeat
	c.viewer.Pong([]byte("p"))
	c.untilHas(t, "\x8a\x01p")
	n.EndStreams()
	c.until(t, "close", func(_ string, closed bool) bool { return closed })
	list, frames := c.socketEvents(t)
	var comments []string
	for _, e := range list {
		if e.Event == "comment" {
			comments = append(comments, e.ID)
		}
	}
	if want := []string{FormatID(ids[1]), FormatID(ids[2]), FormatID(ids[3])}; !reflect.DeepEqual(comments, want) {
		t.Errorf("comments %v, not %v", comments, want)
	}
	if list[0].Event != "retry" || list[len(list)-1].Event != "retry" {
		t.Errorf("the stream has %v", names(list))
	}
	if last := frames[len(frames)-1]; last != (socketFrame{OpClose, "\x03\xe9"}) {
		t.Errorf("the last frame is %+v, not a close with 1001", last)
	}
	early.until(t, "close", func(_ string, closed bool) bool { return closed })
	if list, _ := early.socketEvents(t); list[0].Event != "retry" {
		t.Errorf("a client that asks at once gets %v", names(list))
	}
}

func TestASlowWebSocketGetsItsGapAndItsReplies(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.LagBytes = 3000 })
	slow := n.watch("v", ViewerConfig{Encoding: WebSocket})
	fast := n.watch("v", ViewerConfig{})
	slow.untilHas(t, `"viewers":2`)
	fast.untilHas(t, `"viewers":2`)
	slow.mu.Lock()
	slow.leave = 10 // half a frame
	slow.mu.Unlock()
	var last string
	for i := range 60 {
		last = FormatID(n.post("v", fmt.Sprintf("comment %d", i)))
		fast.untilHas(t, "id: "+last+"\n") // a frame of its own
		if i%20 == 10 {
			slow.viewer.Reply(fmt.Appendf(nil, `{"event":"posted","ref":"%d","data":{}}`, i))
		}
	}
	slow.take(-1)
	slow.untilHas(t, `"id":"`+last)
	slow.untilHas(t, `"ref":"50"`)
	list, _ := slow.socketEvents(t)
	gaps, replies := 0, 0
	for _, e := range list {
		switch e.Event {
		case "gap":
			gaps++
		case "posted":
			replies++
		}
	}
	if gaps != 1 || replies != 3 {
		t.Errorf("%d gaps and %d replies in %v", gaps, replies, names(list))
	}
}

func TestAClientThatAsksAndDoesNotReadIsLetGo(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.LagBytes = 3000 })
	c := n.watch("v", ViewerConfig{Encoding: WebSocket})
	c.untilHas(t, "viewers")
	c.mu.Lock()
	c.leave = 0
	c.mu.Unlock()
	for range 200 {
		c.viewer.Pong([]byte("no matter"))
		c.viewer.Reply([]byte(`{"event":"posted","ref":"x","data":{}}`))
	}
	c.until(t, "close", func(_ string, closed bool) bool { return closed })
	if len(c.bytes) > 1000 {
		t.Errorf("%d bytes were written", len(c.bytes))
	}
}

func TestAWebSocketIsClosedBehindWhatIsHalfWritten(t *testing.T) {
	n := newTestNode(t, nil)
	c := n.watch("v", ViewerConfig{Encoding: WebSocket})
	c.untilHas(t, "viewers")
	c.mu.Lock()
	c.leave = 7
	c.mu.Unlock()
	c.viewer.Reply([]byte(`{"event":"posted","ref":"1","data":{}}`))
	c.viewer.Reply([]byte(`{"event":"posted","ref":"2","data":{}}`))
	c.viewer.CloseWith(CloseProtocolError, "why")
	c.viewer.Reply([]byte(`{"event":"posted","ref":"3","data":{}}`))
	c.take(-1)
	c.until(t, "close", func(_ string, closed bool) bool { return closed })
	list, frames := c.socketEvents(t)
	if e := list[len(list)-1]; e.Ref != "1" || frames[len(frames)-1] != (socketFrame{OpClose, "\x03\xeawhy"}) {
		t.Errorf("the end is %+v, %+v", e, frames[len(frames)-1])
	}
}

func TestAPollIsCalledOnceForAComment(t *testing.T) {
	n := newTestNode(t, nil)
	first := n.post("v", "first")
	called := make(chan struct{}, 10)
	poll := func(after uint64) *testConn {
		return n.watch("v", ViewerConfig{Resume: true, After: after, Poll: func() { called <- struct{}{} }})
	}
	c := poll(first)
	n.watch("v", ViewerConfig{}).untilHas(t, `"viewers":2`) // c has joined
	n.ask("v", deleteOf(first))
	select {
	case <-called:
		t.Error("a deletion wakes")
	default:
	}
	second := n.post("v", "second")
	<-called
	n.post("v", "third")
	c.viewer.Finish([]byte("answer"))
	if got := c.until(t, "close", func(_ string, closed bool) bool { return closed }); got != "answer" {
		t.Errorf("it got %q", got)
	}
	poll(second) // there is something already
	<-called
	poll(second + 1<<40)
	n.EndStreams()
	<-called
	if len(called) > 0 {
		t.Error("somebody is called twice")
	}
}

// BenchmarkWebSocketForm is what a frame costs once more for WebSockets.
func BenchmarkWebSocketForm(b *testing.B) {
	for _, n := range []int{1, 25} {
		b.Run(fmt.Sprintf("%d events", n), func(b *testing.B) {
			var parts [][]byte
			for i := range n {
				parts = append(parts, EncodeRow(&records.Comment{Id: uint64(i + 1), LiveVideoId: "v", UserId: "ann", Message: strings.Repeat("x", 60)}).Event)
			}
			body := newFrame(parts...).identity.body
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				webSocketFrames(body)
			}
		})
	}
}

func deleteOf(id uint64) *wire.DeleteComment {
	return &wire.DeleteComment{CommentId: id, DeletedBy: "u"}
}
