package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

// filled is a room in which everything is set, and what it shows.
type filled struct {
	room      string
	comment   harness.Comment
	held      harness.Shown
	reactions map[string]int
	own       map[string]int // of the comment
}

// fillRoom sets everything there is to be set, with many reactions.
func fillRoom(t *testing.T, n *harness.Node, room string) *filled {
	t.Helper()
	ad, mo, ann := n.User("ad", "admin"), n.User("mo", "moderator"), n.User("ann", "viewer")
	f := &filled{room: room, reactions: map[string]int{}, own: map[string]int{}}
	f.comment = post(t, ann, room, "a comment")
	if _, err := ann.Reply(t.Context(), room, f.comment.ID, "an answer"); err != nil {
		t.Fatal(err)
	}
	expectStatus(t, do(t, ann, http.MethodPost, "/comments/"+room, `{"message":"dubious"}`, nil), http.StatusAccepted, &f.held)
	for i := range 40 {
		kind, count := []string{"like", "wow", "fire"}[i%3], 1+i%50
		comment, into := "", f.reactions
		if i%4 == 0 {
			comment, into = f.comment.ID, f.own
		}
		if err := mo.React(t.Context(), room, kind, count, comment); err != nil {
			t.Fatal(err)
		}
		into[kind] += count
	}
	for user, seconds := range map[string]int{"bob": 0, "cy": 3600, "dee": 1} {
		if err := mo.Mute(t.Context(), room, user, seconds); err != nil {
			t.Fatal(err)
		}
	}
	if err := mo.Unmute(t.Context(), room, "nobody"); err != nil {
		t.Fatal(err)
	}
	if _, err := ad.SetRoom(t.Context(), room, map[string]any{"slowModeSeconds": 77, "pinnedCommentId": f.comment.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := ad.SetRoom(t.Context(), room, map[string]any{"state": "ended"}); err != nil {
		t.Fatal(err)
	}
	return f
}

// check compares what a node shows with what was set.
func (f *filled) check(t *testing.T, n *harness.Node, when string) {
	t.Helper()
	mo, ann := n.User("mo", "moderator"), n.User("ann", "viewer")
	v, err := ann.Room(t.Context(), f.room)
	if err != nil {
		t.Fatal(err)
	}
	if v.State != "ended" || v.SlowModeSeconds != 77 || v.PinnedCommentID != f.comment.ID || v.Comments != 2 || fmt.Sprint(v.Reactions) != fmt.Sprint(f.reactions) {
		t.Errorf("%s: %+v, want reactions %v", when, v, f.reactions)
	}
	muted, err := mo.Mutes(t.Context(), f.room)
	var users []string
	for _, m := range muted {
		if m.UserID == "dee" {
			continue // may have ended meanwhile
		}
		if users = append(users, m.UserID); (m.MutedUntil == nil) != (m.UserID == "bob") {
			t.Errorf("%s: %+v", when, m)
		}
	}
	if slices.Sort(users); err != nil || strings.Join(users, " ") != "bob cy" {
		t.Errorf("%s: muted are %v, %v", when, users, err)
	}
	waits, err := mo.Held(t.Context(), f.room)
	if err != nil || len(waits) != 1 || waits[0].Comment != f.held.Comment || waits[0].Reason != "word-list" {
		t.Errorf("%s: what waits is %+v, %v", when, waits, err)
	}
	page, err := ann.Shown(t.Context(), f.room, "sort=asc")
	if err != nil || texts(page.Comments) != "a comment, an answer" || texts(page.Held) != "dubious" {
		t.Fatalf("%s: the page has %+v, %v", when, page, err)
	}
	if c := page.Comments[0]; c.ReplyCount != 1 || fmt.Sprint(c.Reactions) != fmt.Sprint(f.own) {
		t.Errorf("%s: the comment is %+v, want %v", when, c, f.own)
	}
	expectKind(t, do(t, ann, http.MethodPost, "/comments/"+f.room, `{"message":"late"}`, nil), http.StatusConflict, "ended")
	kinds := map[string]int{}
	events, err := mo.Audit(t.Context(), f.room, "7")
	for _, e := range events {
		kinds[e.Kind]++
	}
	if err != nil || kinds["mute"] != 3 || kinds["end"] != 1 || kinds["hold"] != 1 {
		t.Errorf("%s: the audit has %v, %v", when, kinds, err)
	}
}

// checkStream is check for who joins.
func (f *filled) checkStream(t *testing.T, n *harness.Node) {
	t.Helper()
	s := openedStream(t, n, n.User("ann", "viewer"), f.room, "", nil)
	defer s.Close()
	wait(t, s, "end", "")
	wait(t, s, "room", `"slowModeSeconds":77`)
	wait(t, s, "pin", f.comment.ID)
	want, _ := json.Marshal(f.reactions)
	wait(t, s, "reactions", string(want))
	wait(t, s, "held", f.held.ID)
}

func TestARoomIsTheSameAfterACrash(t *testing.T) {
	n := harness.Start(t, harness.Flags("--moderation-words-file="+wordList(t)))
	f := fillRoom(t, n, "room")
	f.check(t, n, "at first")
	n.Kill()
	n.Start()
	f.check(t, n, "after a crash")
	f.checkStream(t, n)
	n.Kill() // once more, with what the store has got by now
	n.Start()
	f.check(t, n, "after another")
	n.Restart()
	f.check(t, n, "after a restart")
	ad := n.User("ad", "admin")
	if v, err := ad.SetRoom(t.Context(), "room", map[string]any{"state": "live", "slowModeSeconds": 0, "pinnedCommentId": nil}); err != nil || v.State != "live" || v.SlowModeSeconds != 0 || v.PinnedCommentID != "" {
		t.Errorf("got %+v, %v", v, err)
	}
	n.Kill()
	n.Start()
	if v, err := ad.Room(t.Context(), "room"); err != nil || v.State != "live" || v.SlowModeSeconds != 0 || v.PinnedCommentID != "" {
		t.Errorf("after a crash: %+v, %v", v, err)
	}
	expectKind(t, do(t, n.User("bob", "viewer"), http.MethodPost, "/comments/room", `{"message":"bob"}`, nil), http.StatusForbidden, "muted")
	if posted, err := n.User("mo", "moderator").Approve(t.Context(), "room", f.held.ID); err != nil || posted.Message != "dubious" {
		t.Errorf("approved %+v, %v", posted, err)
	}
}

func TestARoomThatSleepsWakesAsItWas(t *testing.T) {
	t.Parallel()
	n := harness.Start(t, harness.Flags("--moderation-words-file="+wordList(t), "--videos-idle-after=1s"))
	f := fillRoom(t, n, "room")
	for range 2 {
		f.check(t, n, "awake")
		eventually(t, func() error {
			var node struct{ Rooms int }
			err := n.Anyone().Get(t.Context(), "/cluster/node", &node)
			if err == nil && node.Rooms != 0 {
				err = fmt.Errorf("%d rooms are awake", node.Rooms)
			}
			return err
		})
	}
	f.check(t, n, "awake again")
	f.checkStream(t, n)
	n.Restart()
	// Asleep, it is in the lobby nevertheless.
	eventually(t, func() error {
		page, err := n.Anyone().Lobby(t.Context(), "state=ended")
		if err == nil && (len(page.Videos) != 1 || page.Videos[0].Comments != 2 || fmt.Sprint(page.Videos[0].Reactions) != fmt.Sprint(f.reactions)) {
			err = fmt.Errorf("the lobby has %+v", page)
		}
		return err
	})
}

func TestARoomOutlivesItsOwnerAsItWas(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Flags: []string{harness.Patient, "--moderation-words-file=" + wordList(t)}})
	owner := c.Nodes[0]
	var rooms []*filled
	for _, room := range c.OwnedBy(t, owner, "kept-", 2) {
		rooms = append(rooms, fillRoom(t, c.Nodes[1], room))
	}
	for i, harm := range []func(){owner.Kill, func() { owner.Terminate() }} {
		harm()
		for _, n := range c.Others(owner) {
			for _, f := range rooms {
				f.check(t, n, fmt.Sprint("without its owner ", i))
				f.checkStream(t, n)
			}
		}
		owner.Launch()
		c.WaitWhole()
		for _, n := range c.Nodes {
			for _, f := range rooms {
				f.check(t, n, fmt.Sprint("with its owner back ", i))
			}
		}
	}
}

func TestWithoutAutocreateAnAdminMakesLiveVideos(t *testing.T) {
	inArenas(t, []string{"--videos-autocreate=false"}, func(t *testing.T, a *arena) {
		room := a.room(t, "made")
		ad, mo, ann := a.user("ad", "admin"), a.user("mo", "moderator"), a.user("ann", "viewer")
		for _, op := range operations {
			if !strings.Contains(op.path, "{room}") || op.method == "PUT" && op.path == "/videos/{room}" {
				continue
			}
			fill := strings.NewReplacer("{room}", room, "{comment}", "1", "{user}", "ann")
			var body any
			if op.body != "" {
				body = fill.Replace(op.body)
			}
			if answer := ad.do(t, op.method, fill.Replace(op.path), body); answer.Status != http.StatusNotFound {
				t.Errorf("%s %s: %v", op.method, op.path, answer)
			}
		}
		expectProblem(t, mo.do(t, http.MethodPut, "/videos/"+room, `{}`), http.StatusForbidden)
		var v harness.Room
		expectStatus(t, ad.do(t, http.MethodPut, "/videos/"+room, `{}`), http.StatusOK, &v)
		if v.State != "live" || v.LiveVideoID != room {
			t.Errorf("made %+v", v)
		}
		for range 2 * len(a.nodes) {
			ann.post(t, room, fmt.Sprint("a comment at ", time.Now()))
		}
		ann.stream(t, room, "")
		if v, err := ann.next().Room(t.Context(), room); err != nil || v.Comments != 2*len(a.nodes) {
			t.Errorf("got %+v, %v", v, err)
		}
	})
}
