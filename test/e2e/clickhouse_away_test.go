package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

// halfAway is a node of which the first part of a room is in ClickHouse alone,
// and ClickHouse is behind a proxy that refuses.
type halfAway struct {
	ch     *servers.ClickHouse
	proxy  *servers.Proxy
	n      *harness.Node
	ops    *harness.Client
	old    []harness.Comment // in ClickHouse alone
	recent []harness.Comment // at hand
	thread harness.Comment   // of old, with answers
	count  int               // of its answers
}

func startHalfAway(t *testing.T, options ...harness.Option) *halfAway {
	t.Helper()
	ch := clickHouse(t)
	h := &halfAway{ch: ch, proxy: servers.StartProxy(t, ch.Addr()), count: 15}
	h.n = harness.Start(t, append([]harness.Option{keptIn(h.proxy.Addr()), littleHere}, options...)...)
	h.ops = h.n.User("ops", "admin")
	h.old = postMany(t, h.ops, "room", 250)
	h.thread = h.old[100]
	for i := range h.count {
		c, err := h.ops.Reply(t.Context(), "room", h.thread.ID, fmt.Sprint("answer", i))
		if err != nil {
			t.Fatal(err)
		}
		h.old = append(h.old, c)
	}
	caughtUp(t, h.n)
	h.proxy.Refuse(true)
	eventually(t, func() error {
		h.n.Restart() // so that nothing is in memory; what is asked for is
		during(t, time.Second)
		return expectNotNow(do(t, h.ops, http.MethodGet, "/comments/room", nil, nil))
	})
	return h
}

func (h *halfAway) postRecent(t *testing.T) {
	t.Helper()
	for i := range 60 {
		h.recent = append(h.recent, post(t, h.ops, "room", fmt.Sprint("recent", i)))
	}
}

func (h *halfAway) all() []harness.Comment { return slices.Concat(h.old, h.recent) }

func backwards(comments []harness.Comment) []harness.Comment {
	all := slices.Clone(comments)
	slices.Reverse(all)
	return all
}

// expectWhole pages through the room in every way that there is.
func (h *halfAway) expectWhole(t *testing.T, all []harness.Comment) {
	t.Helper()
	same := func(what, path string, query url.Values, want []harness.Comment) {
		t.Helper()
		got, err := h.n.Anyone().Walk(t.Context(), path, query)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %d comments, want %d: %v", what, len(got), len(want), err)
		}
	}
	var answers []harness.Comment
	for _, c := range all {
		if c.ParentID == h.thread.ID {
			answers = append(answers, c)
		}
	}
	same("oldest first", "/comments/room", url.Values{"sort": {"asc"}, "pageSize": {"7"}}, all)
	same("newest first", "/comments/room", url.Values{"pageSize": {"33"}}, backwards(all))
	same("since", "/comments/room", url.Values{"since": {all[20].ID}, "pageSize": {"100"}}, all[21:])
	same("answers", "/comments/room/"+h.thread.ID+"/replies", url.Values{"pageSize": {"4"}}, answers)
	for _, c := range []harness.Comment{all[0], all[len(all)/2], all[len(all)-1]} {
		if got, err := h.n.Anyone().One(t.Context(), "room", c.ID); err != nil || got != c {
			t.Errorf("comment %s: %+v, %v", c.ID, got, err)
		}
	}
	if v := video(t, h.n.Anyone(), "room"); v.Comments != len(all) {
		t.Errorf("the count says %d, want %d", v.Comments, len(all))
	}
}

func TestWithoutClickHouseWhatIsAtHandIsServedAndTheRestIsSaidToBeAway(t *testing.T) {
	h := startHalfAway(t)
	h.postRecent(t)
	anyone := h.n.Anyone()
	for _, path := range []string{
		"?sort=asc", "?since=" + h.old[5].ID, "/" + h.old[7].ID, "/" + h.thread.ID + "/replies", "?cursor=" + h.recent[0].ID,
	} {
		if err := expectNotNow(do(t, anyone, http.MethodGet, "/comments/room"+path, nil, nil)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	// Newest first there is a page until nothing is left, the last one short,
	// and each with a cursor to go on with.
	var got []harness.Comment
	query := "pageSize=25"
	for len(got) < len(h.recent) {
		page, err := anyone.Page(t.Context(), "room", query)
		if err != nil || page.NextCursor == nil {
			t.Fatalf("after %d comments: cursor %v, %v", len(got), page.NextCursor, err)
		}
		got = append(got, page.Comments...)
		query = "pageSize=25&cursor=" + *page.NextCursor
	}
	if !slices.Equal(got, backwards(h.recent)) {
		t.Errorf("newest first: %q", messages(got))
	}
	if err := expectNotNow(do(t, anyone, http.MethodGet, "/comments/room?"+query, nil, nil)); err != nil {
		t.Error(err)
	}
	if late, err := anyone.Page(t.Context(), "room", "pageSize=100&since="+h.recent[2].ID); err != nil || !slices.Equal(late.Comments, h.recent[3:]) {
		t.Errorf("since a recent one: %q, %v", messages(late.Comments), err)
	}

	h.proxy.Refuse(false)
	caughtUp(t, h.n)
	if rest, err := anyone.Walk(t.Context(), "/comments/room", mustQuery(t, query)); err != nil || !slices.Equal(rest, backwards(h.old)) {
		t.Errorf("going on with the cursor: %d comments, want %d: %v", len(rest), len(h.old), err)
	}
	h.expectWhole(t, h.all())
	expectInClickHouse(t, h.ch, "room", h.all())
}

func mustQuery(t *testing.T, text string) url.Values {
	t.Helper()
	query, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return query
}

func TestStreamThatResumesFromWhatIsAwayGetsAGapAndThenAllThatIsLive(t *testing.T) {
	h := startHalfAway(t)
	from := harness.Header("Last-Event-ID", h.old[10].ID)
	s := openedStream(t, h.n, h.n.Anyone(), "room", "", from)
	h.postRecent(t)
	gap, err := s.Until(func(e harness.Event) bool { return e.Kind == harness.KindEvent })
	if err != nil || gap.Name != "gap" {
		t.Fatalf("it begins with %+v, %v", gap, err)
	}
	// What came before it joined was not to be read; the rest is live.
	if got, err := s.Comments(len(h.recent)); err != nil || !slices.Equal(got, h.recent) {
		t.Errorf("then come %q, %v", messages(got), err)
	}
	h.proxy.Refuse(false)
	caughtUp(t, h.n)
	if missed := readGap(t, h.n, gap); !slices.Equal(missed, h.old[11:]) {
		t.Errorf("in the gap were %d comments, want %d", len(missed), len(h.old)-11)
	}
	again := openedStream(t, h.n, h.n.Anyone(), "room", "", from)
	if got, err := again.Comments(len(h.all()) - 11); err != nil || !slices.Equal(got, h.all()[11:]) {
		t.Errorf("with ClickHouse back it replays %d comments, %v", len(got), err)
	}
}

// Reading comes back by itself, also where nobody posts.
func TestHistoryIsBackWithClickHouse(t *testing.T) {
	h := startHalfAway(t)
	h.proxy.Refuse(false)
	eventually(t, func() error {
		_, err := h.n.Anyone().Page(t.Context(), "room", "sort=asc")
		return err
	})
	h.expectWhole(t, h.old)
}

func TestNodeStartsAndServesWithoutClickHouse(t *testing.T) {
	ch := servers.NewClickHouse(t, servers.ClickHouseOptions{})
	n := harness.Start(t, keptIn(ch.Addr()), littleHere)
	waitForLog(t, n, "level=WARN", "serving without it")
	l := startLoad(t, n, "a", "b")
	l.has("a", 40) // some of which are deleted
	page, err := n.Anyone().Page(t.Context(), "a", "pageSize=20")
	if err != nil || len(page.Comments) != 20 {
		t.Errorf("without ClickHouse the first page has %d comments, %v", len(page.Comments), err)
	}
	ch.Start()
	l.arrives(ch, "after")
	l.check(ch)
}

// A room that somebody asks for while ClickHouse is away counts all of its
// comments when that is back.
func TestCountIsWholeWhenClickHouseIsBack(t *testing.T) {
	ch := clickHouse(t)
	p := servers.StartProxy(t, ch.Addr())
	first := harness.Start(t, keptIn(p.Addr()))
	old := postMany(t, first.User("ops", "admin"), "room", 30)
	caughtUp(t, first)
	first.Terminate()
	p.Refuse(true)
	h := &halfAway{ch: ch, n: harness.Start(t, keptIn(p.Addr())), thread: old[0], old: old} // with nothing on its disk
	h.ops = h.n.User("ops", "admin")
	h.postRecent(t)
	if v := video(t, h.n.Anyone(), "room"); v.Comments < len(h.recent) {
		t.Errorf("without ClickHouse the count says %d", v.Comments)
	}
	p.Refuse(false)
	eventually(t, func() error {
		if v := video(t, h.n.Anyone(), "room"); v.Comments != len(h.all()) {
			return fmt.Errorf("the count says %d, want %d", v.Comments, len(h.all()))
		}
		return nil
	})
	h.expectWhole(t, h.all())
}
