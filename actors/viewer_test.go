package actors

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/actors/wire"
)

func TestASlowViewerIsToldOfItsGapAndGetsTheNewest(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.LagBytes = 2000 })
	slow := n.watch("v", ViewerConfig{})
	fast := n.watch("v", ViewerConfig{})
	slow.untilHas(t, `"viewers":2`) // both are there
	fast.untilHas(t, `"viewers":2`)
	first := n.post("v", "first")
	slow.untilHas(t, FormatID(first))
	slow.mu.Lock()
	slow.leave = 0
	slow.mu.Unlock()
	var ids []uint64
	for i := range 100 {
		ids = append(ids, n.post("v", fmt.Sprintf("comment %d", i)))
		fast.untilHas(t, FormatID(ids[i])) // a frame of its own
	}
	deleted := ids[3]
	n.ask("v", &wire.DeleteComment{CommentId: deleted, DeletedBy: "u"})
	fast.untilHas(t, "event: delete")
	last := FormatID(n.post("v", "last"))
	if got := commentIDs(fast.untilHas(t, "id: "+last+"\n")); len(got) != 102 {
		t.Errorf("the fast viewer got %d comments of 102", len(got))
	}
	slow.take(-1)
	got := slow.untilHas(t, "id: "+last+"\n")
	if strings.Count(got, "event: gap\n") != 1 || !strings.Contains(got, `"before":"`+last+`"`) {
		t.Errorf("no gap up to the newest comment in %q", got)
	}
	if !strings.Contains(got, "event: delete\ndata: {\"id\":\""+FormatID(deleted)) {
		t.Error("the deletion in the gap was not told")
	}
	if len(slow.bytes) > 20_000 {
		t.Errorf("%d bytes were kept for a viewer that may lag by 2000", len(slow.bytes))
	}
}

func TestASlowViewerIsLetGoIfSoConfigured(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.LagBytes, c.CloseSlow = 2000, true })
	slow := n.watch("v", ViewerConfig{})
	slow.untilHas(t, "event: viewers")
	slow.mu.Lock()
	slow.leave = 0
	slow.mu.Unlock()
	for i := range 50 {
		n.post("v", fmt.Sprintf("comment %d", i))
	}
	slow.until(t, "close", func(_ string, closed bool) bool { return closed })
}

func TestAViewerThatStallsTooLongIsLetGo(t *testing.T) {
	var clock atomic.Int64
	base := time.Now()
	n := newTestNode(t, func(c *Config) {
		c.LagTime = time.Minute
		c.Now = func() time.Time { return base.Add(time.Duration(clock.Load())) }
	})
	stalled := n.watch("v", ViewerConfig{})
	stalled.untilHas(t, "event: viewers")
	stalled.mu.Lock()
	stalled.leave = 0
	stalled.mu.Unlock()
	// Behind the stalled one in the same fan-out: what it has, was handed to
	// both.
	next := n.watch("v", ViewerConfig{})
	next.untilHas(t, "event: viewers")
	n.post("v", "a")
	next.untilHas(t, FormatID(n.post("v", "b")))
	clock.Store(int64(2 * time.Minute))
	for range 3 {
		n.post("v", "c")
	}
	stalled.until(t, "close", func(_ string, closed bool) bool { return closed })
}

// TestStreamsEndInGoodOrder reads drained streams with strict readers, in all
// forms that they can have.
func TestStreamsEndInGoodOrder(t *testing.T) {
	n := newTestNode(t, nil)
	id := FormatID(n.post("v", "before"))
	var conns []*testConn
	for _, e := range []Encoding{Identity, Gzip} {
		for _, chunked := range []bool{false, true} {
			conns = append(conns, n.watch("v", ViewerConfig{Encoding: e, Chunked: chunked, History: 10}))
		}
	}
	conns[0].untilHas(t, id)
	for i := range 30 {
		n.post("v", fmt.Sprintf("comment %d %s", i, strings.Repeat("x", 40*(i%5))))
	}
	last := FormatID(n.post("v", "after"))
	conns[0].untilHas(t, last)
	n.EndStreams()
	for i, c := range conns {
		got := c.until(t, "close", func(_ string, closed bool) bool { return closed })
		var r io.Reader = strings.NewReader(got)
		if i%2 == 1 {
			r = httputil.NewChunkedReader(r)
		}
		if i >= 2 {
			var err error
			if r, err = gzip.NewReader(r); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		if ids := commentIDs(string(text)); len(ids) != 32 || bytes.Count(text, []byte("retry: ")) != 2 {
			t.Errorf("stream %d has %d comments of 32: %q", i, len(ids), text)
		}
	}
	if n.Streams() != 0 {
		t.Errorf("%d streams are counted as open", n.Streams())
	}
	late := n.watch("v", ViewerConfig{})
	late.until(t, "close", func(_ string, closed bool) bool { return closed })
}

func TestAResumeBeyondTheRingReadsHistory(t *testing.T) {
	n := newTestNode(t, func(c *Config) {
		c.RingComments, c.RecentComments, c.ReplayLimit = MaxHistory, MaxHistory, 500
	})
	var ids []uint64
	for i := range 900 {
		ids = append(ids, n.post("v", fmt.Sprintf("comment %d", i)))
	}
	last := "id: " + FormatID(ids[899]) + "\n"
	near := n.watch("v", ViewerConfig{Resume: true, After: ids[499]}).untilHas(t, last)
	if got := commentIDs(near); len(got) != 400 || got[0] != ids[500] || strings.Contains(near, "event: gap") {
		t.Errorf("%d comments of 400", len(got))
	}
	far := n.watch("v", ViewerConfig{Resume: true, After: ids[9]}).untilHas(t, last)
	got := commentIDs(far)
	gap := fmt.Sprintf("event: gap\ndata: {\"after\":\"%d\",\"before\":\"%d\"", ids[9], got[0])
	if len(got) < 500 || !strings.Contains(far, gap) || got[0] != ids[900-len(got)] {
		t.Errorf("%d comments; no gap from %d to %d in %q", len(got), ids[9], got[0], far[:300])
	}
}

func TestHistoryOpensAStreamWithTheLastComments(t *testing.T) {
	n := newTestNode(t, nil)
	var ids []uint64
	for i := range 300 {
		ids = append(ids, n.post("v", fmt.Sprintf("comment %d", i)))
	}
	for _, want := range []int{0, 1, 10, MaxHistory} {
		c := n.watch("v", ViewerConfig{History: want})
		c.untilHas(t, "event: viewers")
		c.mu.Lock()
		got := commentIDs(string(c.bytes))
		c.mu.Unlock()
		if len(got) != want || (want > 0 && got[0] != ids[300-want]) {
			t.Errorf("history=%d opens with %d comments", want, len(got))
		}
	}
}

func TestSilentStreamsGetHeartbeats(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.Heartbeat = 20 * time.Millisecond })
	n.watch("v", ViewerConfig{}).untilHas(t, "\n\n:\n\n:\n\n")
}

func TestTheViewerCountFollowsJoinsAndLeaves(t *testing.T) {
	n := newTestNode(t, nil)
	a := n.watch("v", ViewerConfig{})
	a.untilHas(t, `{"viewers":1,`)
	b := n.watch("v", ViewerConfig{})
	a.untilHas(t, `{"viewers":2,`)
	b.viewer.HungUp()
	a.until(t, "count of 1 again", func(got string, _ bool) bool {
		return strings.LastIndex(got, `{"viewers":1,`) > strings.LastIndex(got, `{"viewers":2,`)
	})
	if got := n.Streams(); got != 1 {
		t.Errorf("%d streams are counted as open, not 1", got)
	}
}

// mailboxLog is an actor's side of a mailbox that checks what it is promised.
type mailboxLog struct {
	t       *testing.T
	running atomic.Int32
	user    map[int]int
	system  int
}

func (l *mailboxLog) InvokeUserMessage(message any) {
	if l.running.Add(1) != 1 {
		l.t.Error("two messages are handled at a time")
	}
	m := message.([2]int)
	if l.user[m[0]] != m[1] {
		l.t.Errorf("message %d of sender %d comes as number %d", m[1], m[0], l.user[m[0]])
	}
	l.user[m[0]]++
	l.running.Add(-1)
}

func (l *mailboxLog) InvokeSystemMessage(any) {
	if l.running.Add(1) != 1 {
		l.t.Error("two messages are handled at a time")
	}
	l.system++
	l.running.Add(-1)
}

func (l *mailboxLog) EscalateFailure(reason, _ any) { l.t.Error(reason) }

func TestAViewersMailboxHandlesOneMessageAtATimeInOrder(t *testing.T) {
	l := &mailboxLog{t: t, user: map[int]int{}}
	m := newViewerMailbox()
	m.RegisterHandlers(l, nil)
	var wg sync.WaitGroup
	for sender := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				m.PostUserMessage([2]int{sender, i})
				if i%100 == 0 {
					m.PostSystemMessage(i)
				}
			}
		})
	}
	wg.Wait()
	for sender := range 8 {
		if l.user[sender] != 2000 {
			t.Errorf("%d messages of sender %d were handled, not 2000", l.user[sender], sender)
		}
	}
	if l.system != 160 || m.UserMessageCount() != 0 {
		t.Errorf("%d system messages were handled, not 160; %d user messages are left", l.system, m.UserMessageCount())
	}
}
