package actors

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

// text is what a client has got, uncompressed.
func (c *testConn) text(encoding Encoding) string {
	c.mu.Lock()
	got := bytes.Clone(c.bytes)
	c.mu.Unlock()
	if encoding == Identity {
		return string(got)
	}
	r, err := gzip.NewReader(bytes.NewReader(got))
	if err != nil {
		return ""
	}
	text, _ := io.ReadAll(r) // it ends where the stream is now
	return string(text)
}

func TestViewersHearOfTheRoom(t *testing.T) {
	n := newTestNode(t, nil)
	pinned := n.post("v", "pin me")
	before := n.watch("v", ViewerConfig{})
	before.untilHas(t, "event: viewers")
	n.change("v", &wire.ChangeRoom{SlowModeSeconds: proto.Uint32(5)})
	before.untilHas(t, "event: room\ndata: {\"liveVideoId\":\"v\",\"state\":\"live\",\"slowModeSeconds\":5}\n\n")
	n.change("v", &wire.ChangeRoom{PinnedCommentId: proto.Uint64(pinned)})
	pin := fmt.Sprintf("event: pin\ndata: {\"liveVideoId\":\"v\",\"commentId\":\"%d\",\"comment\":{\"id\":\"%d\",", pinned, pinned)
	before.untilHas(t, pin)
	react := &wire.React{Session: 1, Seq: 1, Targets: []*wire.ReactTarget{
		{Counts: []*wire.ReactCount{{Type: "like", Count: 3, SessionTotal: 3}}},
		{CommentId: pinned, Counts: []*wire.ReactCount{{Type: "wow", Count: 2, SessionTotal: 2}}},
	}}
	n.ask("v", react)
	before.untilHas(t, fmt.Sprintf("event: reactions\ndata: {\"liveVideoId\":\"v\",\"reactions\":{\"like\":3},\"comments\":{\"%d\":{\"wow\":2}}}\n\n", pinned))
	n.change("v", &wire.ChangeRoom{Ended: proto.Bool(true)})
	before.untilHas(t, "event: end\ndata: {\"liveVideoId\":\"v\",\"state\":\"ended\"}\n\n")

	for _, c := range []ViewerConfig{{}, {Encoding: Gzip}} {
		late := n.watch("v", c)
		late.until(t, "the viewers", func(string, bool) bool { return strings.Contains(late.text(c.Encoding), "event: viewers") })
		opening := late.text(c.Encoding)
		var names []string
		for _, e := range events(opening) {
			names = append(names, e.name)
		}
		names = slices.Compact(names) // the viewers may be counted anew meanwhile
		if want := []string{"end", "room", "pin", "reactions", "viewers"}; !slices.Equal(names, want) {
			t.Errorf("an ended live video's stream opens with %v, not %v", names, want)
		}
		if !strings.Contains(opening, `"reactions":{"like":3}}`) || !strings.Contains(opening, pin) {
			t.Errorf("an ended live video's stream opens with %s", opening)
		}
	}
	fresh := n.watch("another", ViewerConfig{})
	if got := fresh.untilHas(t, "event: viewers"); len(events(got)) != 1 {
		t.Errorf("a live video where nothing is set opens with %s", got)
	}
	n.change("v", &wire.ChangeRoom{Ended: proto.Bool(false), PinnedCommentId: proto.Uint64(0)})
	before.untilHas(t, "event: pin\ndata: {\"liveVideoId\":\"v\",\"commentId\":null,\"comment\":null}\n\n")
	before.untilHas(t, `"state":"live","slowModeSeconds":5}`)
}

func TestHeldCommentsAndMutesAreForThoseWhoMaySeeThem(t *testing.T) {
	n := newTestNode(t, nil)
	streams := map[string]*testConn{
		"anonymous": n.watch("v", ViewerConfig{}), "other": n.watch("v", ViewerConfig{UserID: "b"}),
		"author": n.watch("v", ViewerConfig{UserID: "a"}), "moderator": n.watch("v", ViewerConfig{UserID: "m", Moderator: true}),
		"bundle": n.watchMany([]string{"v", "w"}, ViewerConfig{UserID: "b"}), "author's bundle": n.watchMany([]string{"v", "w"}, ViewerConfig{UserID: "a"}),
		"moderator's bundle": n.watchMany([]string{"v", "w"}, ViewerConfig{UserID: "m", Moderator: true}),
	}
	for _, s := range streams {
		s.untilHas(t, "event: viewers")
	}
	first := n.postAs("v", "a", held(7))
	sees := []string{"author", "author's bundle", "moderator", "moderator's bundle"}
	for _, name := range sees {
		got := streams[name].untilHas(t, "event: held\ndata: {\"liveVideoId\":\"v\",\"comment\":{\"id\":\""+FormatID(first.Row.Id)+"\"")
		if moderates := strings.HasPrefix(name, "moderator"); strings.Contains(got, `"reason":"word-list"`) != moderates {
			t.Errorf("the %s reads %s", name, got)
		}
	}
	late := map[string]*testConn{"author": n.watch("v", ViewerConfig{UserID: "a"}), "moderator": n.watch("v", ViewerConfig{Moderator: true})}
	for name, s := range late {
		s.untilHas(t, "secret words")
		if got := s.untilHas(t, "event: viewers"); strings.Contains(got, "reason") != (name == "moderator") {
			t.Errorf("the late %s reads %s", name, got)
		}
	}
	n.change("v", &wire.ChangeRoom{Mute: &wire.MuteUser{UserId: "a"}})
	approved := n.ask("v", &wire.ResolveHeld{HeldId: first.Row.Id, Approve: true}).(*wire.CommentAnswer).Row
	for _, name := range sees {
		streams[name].untilHas(t, fmt.Sprintf(`{"liveVideoId":"v","id":"%d","resolved":"approved","commentId":"%d"}`, first.Row.Id, approved.Id))
	}
	streams["author"].untilHas(t, "event: muted\ndata: {\"liveVideoId\":\"v\",\"muted\":true,\"mutedUntil\":null}\n\n")
	streams["author's bundle"].untilHas(t, "event: muted")
	for name, s := range streams {
		got := s.untilHas(t, `{"id":"`+FormatID(approved.Id)+`"`)
		if strings.Contains(got, "event: held") != slices.Contains(sees, name) {
			t.Errorf("the %s reads %s", name, got)
		}
		if strings.Contains(got, "event: muted") != strings.HasPrefix(name, "author") {
			t.Errorf("the %s reads of a mute: %s", name, got)
		}
		if strings.Contains(got, `"held":true`) && !slices.Contains(sees, name) {
			t.Errorf("the %s reads %s", name, got)
		}
	}
}

func TestASlowViewerHearsTheStateAgain(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.LagBytes = 1000 })
	slow := n.watch("v", ViewerConfig{UserID: "a"})
	slow.untilHas(t, "event: viewers")
	slow.mu.Lock()
	slow.leave = 10
	slow.mu.Unlock()
	for i := range 20 {
		n.postAs("v", "u", func(m *wire.PostComment) {
			m.Message, m.Moderates = fmt.Sprint("long ", i, strings.Repeat("x", 200)), true
		})
		if i == 10 {
			n.change("v", &wire.ChangeRoom{SlowModeSeconds: proto.Uint32(7)})
			n.change("v", &wire.ChangeRoom{Mute: &wire.MuteUser{UserId: "a"}})
		}
	}
	quick := n.watch("v", ViewerConfig{History: 20})
	quick.untilHas(t, "long 19")
	slow.take(-1)
	slow.untilHas(t, "event: gap")
	slow.untilHas(t, `"slowModeSeconds":7}`)
	slow.untilHas(t, "event: muted")
}

func (n *testNode) watchMany(videos []string, config ViewerConfig) *testConn {
	c := &testConn{leave: -1, wake: make(chan struct{})}
	c.viewer = n.NewViewer()
	config.Conn, config.Videos = c, videos
	c.viewer.Open(config)
	return c
}

// TestNothingHeldIsSeenByOthers lets random things happen in rooms, with
// streams of all sorts, and holds every stream against what its viewer may see,
// and against what is set in the end.
func TestNothingHeldIsSeenByOthers(t *testing.T) {
	rooms := 60
	if testing.Short() {
		rooms = 16
	}
	n := newTestNode(t, func(c *Config) {
		c.RingComments, c.RecentComments, c.LagBytes = MaxHistory, MaxHistory, 4000
		c.LagTime = time.Hour // nobody is let go, however slow the machine
	})
	var wg sync.WaitGroup
	for room := range rooms {
		wg.Go(func() { newHeldModel(t, n, room).run() })
		if room%8 == 7 {
			wg.Wait()
		}
	}
	wg.Wait()
}

// heldModel is a room in which random things happen, and what is expected.
type heldModel struct {
	t      *testing.T
	n      *testNode
	video  string
	random *rand.Rand

	posted  []uint64
	deleted map[uint64]bool
	held    map[uint64]heldPost // that were ever held
	waiting map[uint64]bool
	mutes   map[string]string // the user of each mute, by its end
	pinned  uint64
	ended   bool
	slow    uint32
	totals  map[string]uint64
	seq     uint64
	serial  int
	streams []*heldStream
}

type heldPost struct {
	author, text string
	approved     uint64
}

type heldStream struct {
	conn   *testConn
	config ViewerConfig
	slow   bool
}

var modelUsers = []string{"ann", "bob", "cid"}

func newHeldModel(t *testing.T, n *testNode, room int) *heldModel {
	return &heldModel{
		t: t, n: n, video: fmt.Sprintf("held-%d", room), random: rand.New(rand.NewPCG(uint64(room), 99)),
		deleted: map[uint64]bool{}, held: map[uint64]heldPost{}, waiting: map[uint64]bool{}, mutes: map[string]string{}, totals: map[string]uint64{},
	}
}

func (m *heldModel) run() {
	for range m.random.IntN(300) {
		m.post()
	}
	for range 120 {
		switch m.random.IntN(14) {
		case 0, 1, 2:
			m.hold()
		case 3, 4:
			m.resolve()
		case 5:
			m.delete()
		case 6:
			m.mute()
		case 7:
			m.pin()
		case 8:
			m.set()
		case 9, 10:
			m.watch()
		case 11:
			m.react()
		case 12:
			if m.random.IntN(3) == 0 {
				m.n.owners.move(m.t, m.video)
			}
			m.read()
		default:
			m.post()
		}
	}
	m.n.change(m.video, &wire.ChangeRoom{Ended: proto.Bool(false)})
	m.ended = false
	last := m.post()
	for _, s := range m.streams {
		s.conn.take(-1)
		s.conn.until(m.t, m.video+": the last comment", func(string, bool) bool {
			return strings.Contains(s.conn.text(s.config.Encoding), "id: "+FormatID(last)+"\n")
		})
		m.check(s)
	}
}

func (m *heldModel) post() uint64 {
	user := modelUsers[m.random.IntN(len(modelUsers))]
	a := m.n.postAs(m.video, user, func(p *wire.PostComment) { p.Moderates = true })
	if m.ended {
		if code(a) != wire.Code_ENDED {
			m.t.Errorf("%s has ended, and a post is answered with %v", m.video, a)
		}
		return 0
	}
	if a.Fault != nil {
		m.t.Errorf("%s: %v", m.video, a.Fault)
		return 0
	}
	m.posted = append(m.posted, a.Row.Id)
	return a.Row.Id
}

func (m *heldModel) hold() {
	user := modelUsers[m.random.IntN(len(modelUsers))]
	m.serial++
	text := fmt.Sprintf("SECRET-%d-%s.", m.serial, m.video)
	a := m.n.postAs(m.video, user, func(p *wire.PostComment) {
		p.Moderates, p.Hold, p.Message, p.PostToken = true, "word-list", text, m.random.Uint64()|1
	})
	if m.ended {
		return
	}
	if a.Fault != nil || !a.Held {
		m.t.Errorf("%s: %v", m.video, a)
		return
	}
	m.held[a.Row.Id], m.waiting[a.Row.Id] = heldPost{author: user, text: text}, true
}

func (m *heldModel) resolve() {
	if len(m.waiting) == 0 {
		return
	}
	id := slices.Min(slices.Collect(maps.Keys(m.waiting)))
	approve := m.random.IntN(2) == 0
	a := m.n.ask(m.video, &wire.ResolveHeld{HeldId: id, Approve: approve, By: "mod"}).(*wire.CommentAnswer)
	if m.ended && approve {
		if code(a) != wire.Code_ENDED {
			m.t.Errorf("%s has ended, and approving is answered with %v", m.video, a)
		}
		return
	}
	if a.Fault != nil {
		m.t.Errorf("%s: %v", m.video, a.Fault)
		return
	}
	delete(m.waiting, id)
	if approve {
		h := m.held[id]
		h.approved = a.Row.Id
		m.held[id] = h
		m.posted = append(m.posted, a.Row.Id)
	}
}

func (m *heldModel) delete() {
	if len(m.posted) == 0 {
		return
	}
	if id := m.posted[m.random.IntN(len(m.posted))]; !m.deleted[id] {
		m.deleted[id] = true
		m.n.ask(m.video, &wire.DeleteComment{CommentId: id, DeletedBy: "mod"})
		if m.pinned == id {
			m.pinned = 0
		}
	}
}

func (m *heldModel) mute() {
	user := modelUsers[m.random.IntN(len(modelUsers))]
	m.serial++
	until := time.Now().Add(time.Hour + time.Duration(m.serial)*time.Second).UTC().Truncate(time.Millisecond)
	m.mutes[until.Format(timeFormat)] = user
	m.n.change(m.video, &wire.ChangeRoom{Mute: &wire.MuteUser{UserId: user, UntilMs: until.UnixMilli()}})
}

func (m *heldModel) pin() {
	if len(m.posted) == 0 {
		return
	}
	if id := m.posted[m.random.IntN(len(m.posted))]; !m.deleted[id] {
		row, err := m.n.History().Row(m.t.Context(), m.video, id)
		if err != nil {
			m.t.Errorf("%s: comment %d: %v", m.video, id, err)
			return
		}
		m.n.change(m.video, &wire.ChangeRoom{PinnedCommentId: &id, Pinned: RowJSON(row)})
		m.pinned = id
	}
}

func (m *heldModel) set() {
	m.ended, m.slow = m.random.IntN(4) == 0, m.random.Uint32N(3)
	m.n.change(m.video, &wire.ChangeRoom{Ended: &m.ended, SlowModeSeconds: &m.slow})
}

func (m *heldModel) react() {
	if m.ended {
		return
	}
	m.seq++
	m.totals["like"]++
	m.n.ask(m.video, &wire.React{Session: 5, Seq: m.seq, Targets: []*wire.ReactTarget{
		{Counts: []*wire.ReactCount{{Type: "like", Count: 1, SessionTotal: m.totals["like"]}}},
	}})
}

func (m *heldModel) watch() {
	c := ViewerConfig{Encoding: Encoding(m.random.IntN(2))}
	switch m.random.IntN(4) {
	case 0:
		c.UserID, c.Moderator = "mod", true
	case 1:
	default:
		c.UserID = modelUsers[m.random.IntN(len(modelUsers))]
	}
	if m.random.IntN(2) == 0 && len(m.posted) > 0 {
		c.Resume, c.After = true, m.posted[m.random.IntN(len(m.posted))]
	} else {
		c.History = m.random.IntN(MaxHistory)
	}
	s := &heldStream{config: c, conn: m.n.watch(m.video, c)}
	if m.random.IntN(3) == 0 {
		s.slow = true
		s.conn.mu.Lock()
		s.conn.leave = 100 + m.random.IntN(3000)
		s.conn.mu.Unlock()
	}
	m.streams = append(m.streams, s)
}

func (m *heldModel) read() {
	if len(m.streams) > 0 {
		if s := m.streams[m.random.IntN(len(m.streams))]; s.slow {
			s.conn.take(m.random.IntN(4000))
		}
	}
}

// heldData is what named events of a room carry.
type heldData struct {
	ID, UserID, Message, CommentID, Resolved, State, MutedUntil string
	SlowModeSeconds                                             uint32
	Reactions                                                   map[string]uint64
	Held                                                        bool
	Comment                                                     struct{ ID, UserID, Message, Reason string }
}

// seen is what a client knows of a room by its stream.
type seen struct {
	waiting []string
	ended   bool
	slow    uint32
	pinned  string
	totals  map[string]uint64
}

// check holds a stream against what its viewer may see, and waits until it has
// heard what is set in the end.
func (m *heldModel) check(s *heldStream) {
	want := seen{ended: m.ended, slow: m.slow, totals: m.totals}
	if m.pinned != 0 {
		want.pinned = FormatID(m.pinned)
	}
	for _, id := range slices.Sorted(maps.Keys(m.waiting)) {
		if s.config.Moderator || s.config.UserID == m.held[id].author {
			want.waiting = append(want.waiting, FormatID(id))
		}
	}
	var got seen
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got = m.seen(s)
		if slices.Equal(got.waiting, want.waiting) && got.ended == want.ended && got.slow == want.slow && got.pinned == want.pinned && maps.Equal(got.totals, want.totals) {
			return
		}
		if m.t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			m.t.Errorf("%s: a stream of %+v says %+v, not %+v", m.video, s.config, got, want)
			return
		}
	}
}

func (m *heldModel) seen(s *heldStream) (got seen) {
	got.totals = map[string]uint64{}
	approved := map[string]string{} // texts by the ids of comments
	for _, h := range m.held {
		if h.approved != 0 {
			approved[FormatID(h.approved)] = h.text
		}
	}
	waiting := map[string]bool{}
	for _, e := range events(s.conn.text(s.config.Encoding)) {
		var d heldData
		if err := json.Unmarshal([]byte(e.data), &d); err != nil {
			m.t.Errorf("%s: %s: %v", m.video, e.data, err)
		}
		switch e.name {
		case "":
			if strings.Contains(d.Message, "SECRET") && approved[d.ID] != d.Message || d.Held {
				m.t.Errorf("%s: a held comment is on a stream: %s", m.video, e.data)
			}
		case "held":
			id := d.Comment.ID
			if d.Resolved != "" {
				id = d.ID
				delete(waiting, id)
			} else {
				waiting[id] = true
			}
			if !s.config.Moderator && !m.isHeldOf(id, s.config.UserID) || !s.config.Moderator && d.Comment.Reason != "" {
				m.t.Errorf("%s: %q reads %s", m.video, s.config.UserID, e.data)
			}
		case "muted":
			if m.mutes[d.MutedUntil] != s.config.UserID || s.config.UserID == "" {
				m.t.Errorf("%s: %q reads %s, of %q", m.video, s.config.UserID, e.data, m.mutes[d.MutedUntil])
			}
		case "room":
			got.ended, got.slow = d.State == "ended", d.SlowModeSeconds
		case "end":
			got.ended = true
		case "pin":
			got.pinned = d.CommentID
			if strings.Contains(d.Comment.Message, "SECRET") && approved[d.CommentID] != d.Comment.Message {
				m.t.Errorf("%s: a held comment is pinned: %s", m.video, e.data)
			}
		case "reactions":
			got.totals = d.Reactions
		}
		if e.name != "" && e.id != "" {
			m.t.Errorf("%s: the event %s has the id %s", m.video, e.name, e.id)
		}
	}
	got.waiting = slices.Sorted(maps.Keys(waiting))
	return got
}

func (m *heldModel) isHeldOf(id, user string) bool {
	for held, h := range m.held {
		if FormatID(held) == id {
			return user != "" && h.author == user
		}
	}
	return false
}
