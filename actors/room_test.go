package actors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"barrage/actors/wire"
)

// TestStreamsHaveNoGapAndNoDuplicate lets random viewers join, read slowly,
// leave and resume while comments are posted and deleted, in hundreds of rooms
// at a time, and holds every stream against what was posted.
func TestStreamsHaveNoGapAndNoDuplicate(t *testing.T) {
	rooms := 400
	if testing.Short() {
		rooms = 50
	}
	for _, c := range []struct {
		name string
		set  func(*Config)
	}{
		{"ample", nil},
		{"small ring and little lag", func(c *Config) {
			c.RingComments, c.RecentComments, c.LagBytes = MaxHistory, MaxHistory, 1000
		}},
		{"paced", func(c *Config) { c.FrameInterval = 2 * time.Millisecond }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newTestNode(t, c.set)
			var wg sync.WaitGroup
			for room := range rooms {
				wg.Go(func() { newRoomModel(t, n, room).run() })
				if room%16 == 15 {
					wg.Wait()
				}
			}
			wg.Wait()
		})
	}
}

// roomModel is a room in which random things happen, and what is expected.
type roomModel struct {
	t      *testing.T
	n      *testNode
	video  string
	random *rand.Rand

	posted  []uint64
	deleted map[uint64]bool
	streams []*modelStream
}

type modelStream struct {
	conn *testConn
	// after is the last comment that the client had before.
	after uint64
	// known: how many comments were posted when the stream was opened.
	known int
	slow  bool

	encoding Encoding
}

// got is what a stream's client has, as server-sent events.
func (m *roomModel) got(s *modelStream) string {
	s.conn.mu.Lock()
	b := bytes.Clone(s.conn.bytes)
	s.conn.mu.Unlock()
	if s.encoding == Identity {
		return string(b)
	}
	frames, _ := socketFrames(m.t, b)
	var text strings.Builder
	for _, e := range socketEvents(m.t, frames) {
		if e.Event != "comment" {
			fmt.Fprintf(&text, "event: %s\n", e.Event)
		} else {
			fmt.Fprintf(&text, "id: %s\n", e.ID)
		}
		fmt.Fprintf(&text, "data: %s\n\n", e.Data)
	}
	return text.String()
}

func newRoomModel(t *testing.T, n *testNode, room int) *roomModel {
	return &roomModel{
		t: t, n: n, video: fmt.Sprintf("room-%d", room),
		random: rand.New(rand.NewPCG(uint64(room), 77)), deleted: map[uint64]bool{},
	}
}

func (m *roomModel) run() {
	for range m.random.IntN(400) { // some rooms have a past beyond the ring
		m.post()
	}
	for range 60 {
		switch m.random.IntN(8) {
		case 0, 1:
			m.join()
		case 2:
			m.resume()
		case 3:
			m.read()
		case 4:
			m.delete()
		default:
			m.post()
		}
	}
	// All read to the end.
	last := m.n.post(m.video, "the end")
	m.posted = append(m.posted, last)
	for _, s := range m.streams {
		s.conn.take(-1)
		s.conn.untilHas(m.t, map[Encoding]string{Identity: "id: ", WebSocket: `"id":"`}[s.encoding]+FormatID(last))
		m.check(s)
	}
}

func (m *roomModel) post() {
	m.posted = append(m.posted, m.n.post(m.video, fmt.Sprintf("comment %d", len(m.posted))))
}

func (m *roomModel) delete() {
	if len(m.posted) == 0 {
		return
	}
	id := m.posted[m.random.IntN(len(m.posted))]
	if !m.deleted[id] {
		m.deleted[id] = true
		m.n.ask(m.video, &wire.DeleteComment{CommentId: id, DeletedBy: "u"})
	}
}

// join opens a stream at the end, or at a random comment.
func (m *roomModel) join() {
	if len(m.posted) == 0 {
		return
	}
	m.open(m.posted[m.random.IntN(len(m.posted))])
}

// resume ends a stream and goes on from where its client got to.
func (m *roomModel) resume() {
	if len(m.streams) == 0 {
		return
	}
	i := m.random.IntN(len(m.streams))
	s := m.streams[i]
	m.streams = append(m.streams[:i], m.streams[i+1:]...)
	s.conn.viewer.HungUp()
	got := m.got(s)
	after := s.after
	if ids := commentIDs(got); len(ids) > 0 {
		after = ids[len(ids)-1]
	}
	m.open(after)
}

func (m *roomModel) open(after uint64) {
	s := &modelStream{after: after, known: len(m.posted)}
	if m.random.IntN(3) == 0 {
		s.encoding = WebSocket
	}
	s.conn = m.n.watch(m.video, ViewerConfig{Resume: true, After: after, Encoding: s.encoding})
	if m.random.IntN(2) == 0 {
		s.slow = true
		s.conn.mu.Lock()
		s.conn.leave = 100 + m.random.IntN(3000)
		s.conn.mu.Unlock()
	}
	m.streams = append(m.streams, s)
}

// read lets a slow client take a few more bytes.
func (m *roomModel) read() {
	if len(m.streams) > 0 {
		if s := m.streams[m.random.IntN(len(m.streams))]; s.slow {
			s.conn.take(m.random.IntN(2000))
		}
	}
}

// check holds a stream against what was posted: comments rise, none comes
// twice, and each one posted behind the resume point is there, or deleted, or
// within an announced gap.
func (m *roomModel) check(s *modelStream) {
	got := m.got(s)
	type gap struct{ after, before uint64 }
	var gaps []gap
	have := map[uint64]bool{}
	last := s.after
	for _, e := range events(got) {
		switch e.name {
		case "":
			id, err := strconv.ParseUint(e.id, 10, 64)
			if err != nil || id <= last {
				m.t.Errorf("%s: comment %s after %d", m.video, e.id, last)
			}
			have[id], last = true, id
		case "gap":
			var data struct{ After, Before string }
			if err := json.Unmarshal([]byte(e.data), &data); err != nil {
				m.t.Errorf("%s: gap %q: %v", m.video, e.data, err)
			}
			after, _ := strconv.ParseUint(data.After, 10, 64)
			before, _ := strconv.ParseUint(data.Before, 10, 64)
			if after != last || before <= after {
				m.t.Errorf("%s: gap %s, where the last comment was %d", m.video, e.data, last)
			}
			gaps = append(gaps, gap{after, before})
		}
	}
	for _, id := range m.posted {
		announced := false
		for _, g := range gaps {
			announced = announced || (g.after < id && id < g.before)
		}
		switch {
		case id <= s.after || have[id] || m.deleted[id] || announced:
		default:
			m.t.Errorf("%s: comment %d is missing on a stream from %d", m.video, id, s.after)
		}
	}
}
