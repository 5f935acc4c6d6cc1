package actors

import (
	"strings"
	"sync/atomic"
	"testing"

	"barrage/actors/wire"
)

// What comes late is announced to those who watch. Who resumes just then, while
// history is read, may have read it before that came: it is told, too.
func TestAGapThatIsAnnouncedWhileHistoryIsReadIsTold(t *testing.T) {
	n := newTestNode(t, nil)
	config := n.config
	r := &relay{
		node: n.Node, liveVideoID: "v", used: new(atomic.Bool), ring: newRing(config.RingComments, config.RingBytes),
		backlogs: map[uint64]*backlog{7: {rows: []*wire.Row{EncodeRow(comment(8, "eight"))}}},
	}
	r.missed(20, 30)
	frames, last := r.backlogFrames(7, r.backlogs[7])
	if got := bodies(frames); last != 8 || !strings.Contains(got, "eight") || !strings.Contains(got, `"after":"20","before":"30"`) {
		t.Errorf("up to %d: %q", last, got)
	}

	b := newBundle(n.Node, "v,w", []string{"v", "w"}, new(atomic.Bool))
	b.audience = audience{node: n.Node}
	b.rooms[0].tapped, b.rooms[0].sentID = true, 40
	v := &viewer{}
	b.reading[v] = nil
	b.onNews(&roomNews{video: "v", gap: gapEvent("v", 20, 30), before: 30})
	if told := b.reading[v]; len(told) != 1 || !strings.Contains(string(told[0]), `"after":"20","before":"30"`) {
		t.Errorf("a viewer of several is told %q", told)
	}
	if floor := b.rooms[0].ring.floor; floor != 30 {
		t.Errorf("a bundle's ring has all from %d on", floor)
	}
}
