package actors

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"barrage/actors/wire"
)

// TestOneViewerCanBeLetGo: it is told when to come back, once, and another in
// its room goes on.
func TestOneViewerCanBeLetGo(t *testing.T) {
	n := newTestNode(t, nil)
	var closed atomic.Int32
	one := n.watch("v", ViewerConfig{Closed: func() { closed.Add(1) }})
	other := n.watch("v", ViewerConfig{})
	one.untilHas(t, "event: viewers")
	other.untilHas(t, "event: viewers")
	one.viewer.LetGo()
	one.viewer.LetGo()
	got := one.until(t, "close", func(_ string, closed bool) bool { return closed })
	if strings.Count(got, "retry: ") != 2 || !strings.HasSuffix(got, "\n\n") || closed.Load() != 1 {
		t.Errorf("closed %d times after %q", closed.Load(), got)
	}
	id := n.post("v", "to who is left")
	other.untilHas(t, FormatID(id))
}

// TestAViewerWhoseClientDoesNotReadCanBeCutOff: being let go waits for the
// client to take the end; HungUp doesn't.
func TestAViewerWhoseClientDoesNotReadCanBeCutOff(t *testing.T) {
	n := newTestNode(t, nil)
	v := n.watch("v", ViewerConfig{})
	v.untilHas(t, "event: viewers")
	v.mu.Lock()
	v.leave = 0
	v.mu.Unlock()
	v.viewer.LetGo()
	v.mu.Lock()
	if v.closed {
		t.Error("cut off before it has its last bytes")
	}
	v.mu.Unlock()
	v.viewer.HungUp()
	v.until(t, "close", func(_ string, closed bool) bool { return closed })
}

// TestAViewerThatIsNotOpenYetIsNotLetGo: it has no connection to end.
func TestAViewerThatIsNotOpenYetIsNotLetGo(t *testing.T) {
	n := newTestNode(t, nil)
	c := &testConn{leave: -1, wake: make(chan struct{})}
	c.viewer = n.NewViewer()
	c.viewer.LetGo()
	c.viewer.Open(ViewerConfig{Conn: c, LiveVideoID: "v"})
	c.untilHas(t, "event: viewers")
}

// A client may be gone before its stream has begun: then it has not joined, and
// its end must not be taken for that of another.
func TestAClientThatHasGoneBeforeItJoinedLeavesTheOthersAlone(t *testing.T) {
	n := newTestNode(t, nil)
	stays := n.watch("v", ViewerConfig{})
	stays.untilHas(t, `"viewers":1`)
	gone := &testConn{leave: -1, closed: true, wake: make(chan struct{})}
	n.NewViewer().Open(ViewerConfig{Conn: gone, LiveVideoID: "v", Head: []byte("HTTP/1.1 200 OK\r\n\r\n")})
	for deadline := time.Now().Add(20 * time.Second); n.Streams() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams are open", n.Streams())
		}
	}
	time.Sleep(unusedRelayLinger + 500*time.Millisecond) // a relay without viewers would end
	id := FormatID(n.post("v", "hello"))
	stays.untilHas(t, id)
	stays.viewer.HungUp()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		viewers := n.ask("v", &wire.ReadVideo{}).(*wire.Video).Viewers
		if viewers == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d viewers are counted when all have left", viewers)
		}
	}
}
