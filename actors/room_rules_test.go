package actors

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

// code is that of an answer's fault.
func code(m proto.Message) wire.Code {
	return m.(interface{ GetFault() *wire.Fault }).GetFault().GetCode()
}

func (n *testNode) change(video string, m *wire.ChangeRoom) *wire.Video {
	n.tb.Helper()
	if m.By == "" {
		m.By = "admin"
	}
	return n.ask(video, m).(*wire.Video)
}

func (n *testNode) postAs(video, user string, change func(*wire.PostComment)) *wire.CommentAnswer {
	n.tb.Helper()
	m := &wire.PostComment{UserId: user, Message: "hello"}
	if change != nil {
		change(m)
	}
	return n.ask(video, m).(*wire.CommentAnswer)
}

// held is what waits.
func (n *testNode) held(video string, m *wire.ReadHeld) []*wire.HeldRow {
	n.tb.Helper()
	return n.ask(video, m).(*wire.HeldRows).Rows
}

func withKey(key string) func(*wire.PostComment) {
	return func(m *wire.PostComment) { m.IdempotencyKey = key }
}

func held(token uint64) func(*wire.PostComment) {
	return func(m *wire.PostComment) { m.Hold, m.PostToken, m.Message = "word-list", token, "secret words" }
}

func TestAnEndedLiveVideoTakesNoComments(t *testing.T) {
	n := newTestNode(t, nil)
	first := n.postAs("v", "u", withKey("k"))
	if v := n.change("v", &wire.ChangeRoom{Ended: proto.Bool(true)}); code(v) != wire.Code_OK || !v.Room.Ended {
		t.Fatalf("ending was answered with %v", v)
	}
	if a := n.postAs("v", "u", nil); code(a) != wire.Code_ENDED {
		t.Errorf("a post was answered with %v", a)
	}
	if a := n.postAs("v", "u", func(m *wire.PostComment) { m.Moderates = true }); code(a) != wire.Code_ENDED {
		t.Errorf("a moderator's post was answered with %v", a)
	}
	if a := n.postAs("v", "u", withKey("k")); code(a) != wire.Code_OK || a.Row.Id != first.Row.Id {
		t.Errorf("a post that was taken before was answered with %v", a)
	}
	react := &wire.React{Session: 1, Seq: 1, Targets: []*wire.ReactTarget{{Counts: []*wire.ReactCount{{Type: "like", Count: 1, SessionTotal: 1}}}}}
	if a := n.ask("v", react); code(a) != wire.Code_ENDED {
		t.Errorf("a reaction was answered with %v", a)
	}
	n.change("v", &wire.ChangeRoom{Ended: proto.Bool(false)})
	if a := n.postAs("v", "u", nil); code(a) != wire.Code_OK {
		t.Errorf("live again, a post was answered with %v", a)
	}
}

func TestAMutedUserDoesNotSpeak(t *testing.T) {
	var clock testClock
	clock.set(time.Now())
	n := newTestNode(t, func(c *Config) { c.Now = clock.now })
	mute := func(user string, d time.Duration) {
		until := int64(0)
		if d != 0 {
			until = clock.now().Add(d).UnixMilli()
		}
		if v := n.change("v", &wire.ChangeRoom{By: "mod", Mute: &wire.MuteUser{UserId: user, UntilMs: until}}); code(v) != wire.Code_OK || v.Mute == nil {
			t.Fatalf("muting was answered with %v", v)
		}
	}
	first := n.postAs("v", "a", withKey("k"))
	mute("a", 10*time.Second)
	mute("b", 0)
	a := n.postAs("v", "a", nil)
	if code(a) != wire.Code_MUTED || !strings.Contains(a.Fault.Detail, "until") || a.Fault.RetryMs <= 0 {
		t.Errorf("a muted user's post was answered with %v", a)
	}
	if a := n.postAs("v", "a", withKey("k")); code(a) != wire.Code_OK || a.Row.Id != first.Row.Id {
		t.Errorf("a post that was taken before the mute was answered with %v", a)
	}
	if a := n.postAs("v", "a", func(m *wire.PostComment) { m.Moderates = true }); code(a) != wire.Code_OK {
		t.Errorf("a moderator was refused: %v", a)
	}
	if a := n.postAs("v", "c", nil); code(a) != wire.Code_OK {
		t.Errorf("another user was refused: %v", a)
	}
	if m := n.ask("v", &wire.ReadMutes{}).(*wire.Mutes); len(m.Mutes) != 2 || m.Mutes[0].By != "mod" {
		t.Errorf("muted are %v", m)
	}
	clock.add(10*time.Second - time.Millisecond)
	if a := n.postAs("v", "a", nil); code(a) != wire.Code_MUTED {
		t.Errorf("just before the mute's end a post was answered with %v", a)
	}
	clock.add(time.Millisecond)
	if a := n.postAs("v", "a", nil); code(a) != wire.Code_OK {
		t.Errorf("at the mute's end a post was answered with %v", a)
	}
	clock.add(24 * time.Hour)
	if a := n.postAs("v", "b", nil); code(a) != wire.Code_MUTED {
		t.Errorf("a user who is muted for good posted: %v", a)
	}
	for range 2 {
		if v := n.change("v", &wire.ChangeRoom{Mute: &wire.MuteUser{UserId: "b", Unmute: true}}); code(v) != wire.Code_OK || v.Mute != nil {
			t.Errorf("unmuting was answered with %v", v)
		}
	}
	if a := n.postAs("v", "b", nil); code(a) != wire.Code_OK {
		t.Errorf("a user who may speak again was refused: %v", a)
	}
}

func TestSlowModeLetsUsersWait(t *testing.T) {
	var clock testClock
	clock.set(time.Now())
	dir := t.TempDir()
	n := startTestNode(t, dir, func(c *Config) { c.Now = clock.now })
	n.postAs("v", "early", nil)
	n.change("v", &wire.ChangeRoom{SlowModeSeconds: proto.Uint32(10)})
	if a := n.postAs("v", "early", nil); code(a) != wire.Code_SLOW_MODE {
		t.Errorf("who posted just before slow mode was answered with %v", a)
	}
	if a := n.postAs("v", "a", nil); code(a) != wire.Code_OK {
		t.Fatal(a)
	}
	clock.add(4 * time.Second)
	a := n.postAs("v", "a", nil)
	if code(a) != wire.Code_SLOW_MODE || a.Fault.RetryMs != 6000 {
		t.Errorf("after 4 s of 10 a post was answered with %v", a)
	}
	if a := n.postAs("v", "a", held(7)); code(a) != wire.Code_SLOW_MODE {
		t.Errorf("a post to be held was answered with %v", a)
	}
	for range 2 {
		if a := n.postAs("v", "a", func(m *wire.PostComment) { m.Moderates = true }); code(a) != wire.Code_OK {
			t.Errorf("a moderator was answered with %v", a)
		}
	}
	n.close()

	// The next activation knows who has just posted.
	n = startTestNode(t, dir, func(c *Config) { c.Now = clock.now })
	defer n.close()
	clock.add(2 * time.Second)
	if a := n.postAs("v", "a", nil); code(a) != wire.Code_SLOW_MODE {
		t.Errorf("after a restart a post was answered with %v", a)
	}
	clock.add(10 * time.Second)
	if a := n.postAs("v", "a", nil); code(a) != wire.Code_OK {
		t.Errorf("after its time a post was answered with %v", a)
	}
	n.change("v", &wire.ChangeRoom{SlowModeSeconds: proto.Uint32(0)})
	if a := n.postAs("v", "a", nil); code(a) != wire.Code_OK {
		t.Errorf("without slow mode a post was answered with %v", a)
	}
}

func TestRepeatsAreRefused(t *testing.T) {
	var clock testClock
	clock.set(time.Now())
	dir := t.TempDir()
	set := func(c *Config) {
		c.Now, c.RepeatLimit, c.RepeatWindow = clock.now, 2, 30*time.Second
		c.TextHash = func(s string) uint64 { return uint64(len(s)) }
	}
	n := startTestNode(t, dir, set)
	say := func(user, text string) *wire.CommentAnswer {
		return n.postAs("v", user, func(m *wire.PostComment) { m.Message, m.TextHash = text, uint64(len(text)) })
	}
	for i := range 2 {
		if a := say("a", "spam"); code(a) != wire.Code_OK {
			t.Fatalf("the %d. of two was answered with %v", i+1, a)
		}
		clock.add(time.Second)
	}
	if a := say("a", "spam"); code(a) != wire.Code_REPEATED || a.Fault.RetryMs <= 0 || a.Fault.RetryMs > 30_000 {
		t.Errorf("the third was answered with %v", a)
	}
	if a := say("b", "spam"); code(a) != wire.Code_OK {
		t.Errorf("another user was answered with %v", a)
	}
	if a := say("a", "other"); code(a) != wire.Code_OK {
		t.Errorf("another text was answered with %v", a)
	}
	if a := n.postAs("v", "a", func(m *wire.PostComment) { m.Message, m.TextHash, m.Moderates = "spam", 4, true }); code(a) != wire.Code_OK {
		t.Errorf("a moderator was answered with %v", a)
	}
	n.close()
	n = startTestNode(t, dir, set)
	defer n.close()
	if a := say("a", "spam"); code(a) != wire.Code_REPEATED {
		t.Errorf("after a restart the next was answered with %v", a)
	}
	clock.add(31 * time.Second)
	if a := say("a", "spam"); code(a) != wire.Code_OK {
		t.Errorf("after the window a post was answered with %v", a)
	}
}

func TestAHeldCommentIsAnsweredAsSuchAndApprovedOnce(t *testing.T) {
	n := newTestNode(t, nil)
	for _, key := range []string{"", "k"} {
		t.Run("key="+key, func(t *testing.T) {
			post := func() *wire.CommentAnswer {
				return n.postAs("v"+key, "a", func(m *wire.PostComment) { held(7)(m); m.IdempotencyKey = key })
			}
			first := post()
			if code(first) != wire.Code_OK || !first.Held || !strings.Contains(string(RowJSON(first.Row)), `"held":true`) {
				t.Fatalf("a post to be held was answered with %v", first)
			}
			if again := post(); !again.Held || again.Row.Id != first.Row.Id {
				t.Errorf("tried again it was answered with %v", again)
			}
			if rows := n.held("v"+key, &wire.ReadHeld{}); len(rows) != 1 || rows[0].Reason != "word-list" || rows[0].Row.Id != first.Row.Id {
				t.Errorf("what waits is %v", rows)
			}
			if rows := n.held("v"+key, &wire.ReadHeld{UserId: "b"}); len(rows) != 0 {
				t.Errorf("another user sees %v", rows)
			}
			if rows := n.ask("v"+key, &wire.ReadRecent{Limit: 10}).(*wire.RecentRows); len(rows.Rows) != 0 || !rows.Holding {
				t.Errorf("history has %v", rows)
			}
			approve := &wire.ResolveHeld{HeldId: first.Row.Id, Approve: true, By: "mod"}
			approved := n.ask("v"+key, approve).(*wire.CommentAnswer)
			if code(approved) != wire.Code_OK || approved.Row.Id <= first.Row.Id || strings.Contains(string(approved.Row.Event), "held") {
				t.Fatalf("approving was answered with %v", approved)
			}
			if again := n.ask("v"+key, approve).(*wire.CommentAnswer); again.GetRow().GetId() != approved.Row.Id {
				t.Errorf("approving again was answered with %v", again)
			}
			if again := post(); again.Held || again.GetRow().GetId() != approved.Row.Id {
				t.Errorf("tried again, approved, it was answered with %v", again)
			}
			if a := n.ask("v"+key, &wire.ResolveHeld{HeldId: first.Row.Id}); code(a) != wire.Code_NOT_FOUND {
				t.Errorf("rejecting what is approved was answered with %v", a)
			}
			if v := n.ask("v"+key, &wire.ReadVideo{}).(*wire.Video); v.Comments != 1 {
				t.Errorf("%d comments are counted, not 1", v.Comments)
			}
		})
	}
}

func TestAKeyOfAHeldCommentIsItsOwn(t *testing.T) {
	n := newTestNode(t, nil)
	n.postAs("v", "a", func(m *wire.PostComment) { held(0)(m); m.IdempotencyKey = "k" })
	if a := n.postAs("v", "a", withKey("k")); code(a) != wire.Code_KEY_REUSED {
		t.Errorf("the key with another body was answered with %v", a)
	}
}

func TestARejectedCommentIsGone(t *testing.T) {
	n := newTestNode(t, nil)
	first := n.postAs("v", "a", held(7))
	reject := &wire.ResolveHeld{HeldId: first.Row.Id, By: "mod"}
	for range 2 {
		if a := n.ask("v", reject); code(a) != wire.Code_OK {
			t.Errorf("rejecting was answered with %v", a)
		}
	}
	if a := n.postAs("v", "a", held(7)); code(a) != wire.Code_FORBIDDEN {
		t.Errorf("tried again it was answered with %v", a)
	}
	if rows := n.held("v", &wire.ReadHeld{}); len(rows) != 0 {
		t.Errorf("what waits is %v", rows)
	}
	if a := n.ask("v", &wire.ResolveHeld{HeldId: first.Row.Id, Approve: true}); code(a) != wire.Code_NOT_FOUND {
		t.Errorf("approving what is rejected was answered with %v", a)
	}
	if a := n.ask("v", &wire.ResolveHeld{HeldId: 12345, Approve: true}); code(a) != wire.Code_NOT_FOUND {
		t.Errorf("approving what never was, was answered with %v", a)
	}
}

func TestAMuteDoesNotStopApproval(t *testing.T) {
	n := newTestNode(t, nil)
	first := n.postAs("v", "a", held(7))
	n.change("v", &wire.ChangeRoom{Mute: &wire.MuteUser{UserId: "a"}})
	if a := n.ask("v", &wire.ResolveHeld{HeldId: first.Row.Id, Approve: true}); code(a) != wire.Code_OK {
		t.Errorf("approving was answered with %v", a)
	}
}

func TestNothingIsApprovedBehindTheEnd(t *testing.T) {
	n := newTestNode(t, nil)
	approve := func(a *wire.CommentAnswer) proto.Message {
		return n.ask("v", &wire.ResolveHeld{HeldId: a.Row.Id, Approve: true, By: "mod"})
	}
	before := n.postAs("v", "a", held(6))
	approved := approve(before).(*wire.CommentAnswer)
	first, second := n.postAs("v", "a", held(7)), n.postAs("v", "a", held(8))
	n.change("v", &wire.ChangeRoom{Ended: proto.Bool(true)})
	if a := approve(first); code(a) != wire.Code_ENDED {
		t.Errorf("approving was answered with %v", a)
	}
	if rows := n.held("v", &wire.ReadHeld{}); len(rows) != 2 {
		t.Errorf("what waits is %v", rows)
	}
	if a := approve(before).(*wire.CommentAnswer); a.GetRow().GetId() != approved.Row.Id {
		t.Errorf("approving again what was approved before was answered with %v", a)
	}
	if a := n.ask("v", &wire.ResolveHeld{HeldId: second.Row.Id}); code(a) != wire.Code_OK {
		t.Errorf("rejecting was answered with %v", a)
	}
	n.change("v", &wire.ChangeRoom{Ended: proto.Bool(false)})
	if a := approve(first); code(a) != wire.Code_OK {
		t.Errorf("live again, approving was answered with %v", a)
	}
}

func TestSoManyCommentsWaitAndNoMore(t *testing.T) {
	n := newTestNode(t, nil)
	var last *wire.CommentAnswer
	for i := range MaxHeld {
		if last = n.postAs("v", fmt.Sprint("u", i), held(uint64(i+1))); code(last) != wire.Code_OK {
			t.Fatalf("comment %d was answered with %v", i, last)
		}
	}
	if a := n.postAs("v", "one", held(MaxHeld+1)); code(a) != wire.Code_UNAVAILABLE || !strings.Contains(a.Fault.Detail, "moderator") {
		t.Errorf("one more was answered with %v", a)
	}
	n.ask("v", &wire.ResolveHeld{HeldId: last.Row.Id})
	if a := n.postAs("v", "one", held(MaxHeld+1)); code(a) != wire.Code_OK {
		t.Errorf("when one waits less, the next was answered with %v", a)
	}
}

// Otherwise one user could fill the queue, and nobody else's comment waits in it.
func TestSoManyCommentsOfAUserWaitAndNoMore(t *testing.T) {
	n := newTestNode(t, nil)
	var last *wire.CommentAnswer
	for i := range MaxHeldPerUser {
		if last = n.postAs("v", "a", held(uint64(i+1))); code(last) != wire.Code_OK {
			t.Fatalf("comment %d was answered with %v", i, last)
		}
	}
	one := func() *wire.CommentAnswer { return n.postAs("v", "a", held(MaxHeldPerUser+1)) }
	if a := one(); code(a) != wire.Code_TOO_MANY_HELD || a.Fault.RetryMs < 1000 || !strings.Contains(a.Fault.Detail, "moderator") {
		t.Errorf("one more was answered with %v", a)
	}
	if a := n.postAs("v", "a", held(MaxHeldPerUser)); !a.Held || a.Row.Id != last.Row.Id {
		t.Errorf("the last, tried again, was answered with %v", a)
	}
	if a := n.postAs("v", "a", nil); code(a) != wire.Code_OK {
		t.Errorf("a comment that need not wait was answered with %v", a)
	}
	if a := n.postAs("v", "b", held(1000)); code(a) != wire.Code_OK {
		t.Errorf("another user's was answered with %v", a)
	}
	if a := n.postAs("w", "a", held(1)); code(a) != wire.Code_OK {
		t.Errorf("the user's in another live video was answered with %v", a)
	}
	n.ask("v", &wire.ResolveHeld{HeldId: last.Row.Id, Approve: true})
	if a := one(); code(a) != wire.Code_OK {
		t.Errorf("when one waits less, the next was answered with %v", a)
	}
}

// Those on their way to the journal count, too.
func TestHeldCommentsOfAUserAtOnceAreNotMore(t *testing.T) {
	n := newTestNode(t, nil)
	answers := make(chan *wire.CommentAnswer)
	for i := range 2 * MaxHeldPerUser {
		go func() {
			a, err := n.owners.Request(t.Context(), "v", &wire.PostComment{UserId: "a", Message: "x", Hold: "word-list", PostToken: uint64(i + 1)})
			if err != nil {
				t.Error(err)
			}
			answer, _ := a.(*wire.CommentAnswer)
			answers <- answer
		}()
	}
	taken := 0
	for range 2 * MaxHeldPerUser {
		if code(<-answers) == wire.Code_OK {
			taken++
		}
	}
	if rows := n.held("v", &wire.ReadHeld{}); taken != MaxHeldPerUser || len(rows) != taken {
		t.Errorf("%d were taken, %d wait", taken, len(rows))
	}
}

func TestSoManyUsersAreMutedAndNoMore(t *testing.T) {
	n := newTestNode(t, nil)
	done := make(chan wire.Code, MaxMutes)
	for i := range MaxMutes {
		go func() {
			done <- code(n.ask("v", &wire.ChangeRoom{By: "m", Mute: &wire.MuteUser{UserId: fmt.Sprint("u", i)}}))
		}()
	}
	for range MaxMutes {
		if c := <-done; c != wire.Code_OK {
			t.Fatalf("muting was answered with %v", c)
		}
	}
	if v := n.change("v", &wire.ChangeRoom{Mute: &wire.MuteUser{UserId: "another"}}); code(v) != wire.Code_UNAVAILABLE {
		t.Errorf("one more was answered with %v", v)
	}
	if v := n.change("v", &wire.ChangeRoom{Mute: &wire.MuteUser{UserId: "u7", UntilMs: time.Now().Add(time.Hour).UnixMilli()}}); code(v) != wire.Code_OK {
		t.Errorf("another time for one of them was answered with %v", v)
	}
}

func TestAPinnedCommentThatIsDeletedIsUnpinned(t *testing.T) {
	n := newTestNode(t, nil)
	id := n.post("v", "pin me")
	if v := n.change("v", &wire.ChangeRoom{PinnedCommentId: proto.Uint64(id)}); v.GetRoom().GetPinnedCommentId() != id || !strings.Contains(string(v.Room.Pinned), "pin me") {
		t.Fatalf("pinning was answered with %v", v)
	}
	if v := n.change("v", &wire.ChangeRoom{PinnedCommentId: proto.Uint64(id + 1)}); code(v) != wire.Code_NOT_FOUND {
		t.Errorf("pinning what is not there was answered with %v", v)
	}
	n.ask("v", &wire.DeleteComment{CommentId: id})
	if v := n.ask("v", &wire.ReadVideo{}).(*wire.Video); v.Room.PinnedCommentId != 0 {
		t.Errorf("a deleted comment is pinned: %v", v)
	}
}

// TestARoomSurvivesSleepAndRestart sets everything, and looks again after the
// live video slept, and after a restart.
func TestARoomSurvivesSleepAndRestart(t *testing.T) {
	dir := t.TempDir()
	set := func(c *Config) { c.IdleAfter = 30 * time.Millisecond }
	n := startTestNode(t, dir, set)
	id := n.post("v", "pin me")
	waiting := n.postAs("v", "a", held(7))
	react := &wire.React{Session: 1, Seq: 1, Targets: []*wire.ReactTarget{
		{Counts: []*wire.ReactCount{{Type: "like", Count: 3, SessionTotal: 3}}},
		{CommentId: id, Counts: []*wire.ReactCount{{Type: "wow", Count: 2, SessionTotal: 2}}},
	}}
	for _, m := range []proto.Message{
		react,
		&wire.ChangeRoom{PinnedCommentId: &id},
		&wire.ChangeRoom{SlowModeSeconds: proto.Uint32(60)},
		&wire.ChangeRoom{Mute: &wire.MuteUser{UserId: "b"}},
		&wire.ChangeRoom{Ended: proto.Bool(true)},
	} {
		if a := n.ask("v", m); code(a) != wire.Code_OK {
			t.Fatalf("%v was answered with %v", m, a)
		}
	}
	check := func(when string) {
		t.Helper()
		eventually(t, when+": the pinned comment", func() bool {
			return strings.Contains(string(n.ask("v", &wire.ReadVideo{}).(*wire.Video).Room.Pinned), "pin me")
		})
		v := n.ask("v", &wire.ReadVideo{UserId: "b"}).(*wire.Video)
		if r := v.Room; !r.Ended || r.SlowModeSeconds != 60 || r.PinnedCommentId != id || v.Mute == nil || v.Reactions["like"] != 3 || !v.Exists {
			t.Errorf("%s the live video is %v", when, v)
		}
		if rows := n.held("v", &wire.ReadHeld{}); len(rows) != 1 || rows[0].Row.Id != waiting.Row.Id || string(rows[0].Row.Event) != string(waiting.Row.Event) {
			t.Errorf("%s what waits is %v", when, rows)
		}
		if a := n.postAs("v", "a", held(7)); !a.Held || a.Row.Id != waiting.Row.Id {
			t.Errorf("%s the held post, tried again, was answered with %v", when, a)
		}
		many := n.ask("v", &wire.ReadReactions{CommentIds: []uint64{id, 5}}).(*wire.ManyReactions)
		if len(many.Totals) != 1 || many.Totals[0].Totals["wow"] != 2 {
			t.Errorf("%s the reactions are %v", when, many)
		}
		if a := n.ask("v", react); code(a) != wire.Code_OK {
			t.Errorf("%s counted reactions, sent again, were answered with %v", when, a)
		}
	}
	check("awake")
	first := n.owners.get("v")
	eventually(t, "sleep", func() bool { return n.owners.get("v") != first })
	check("awake again")
	n.close()
	n = startTestNode(t, dir, set)
	defer n.close()
	check("after a restart")
}

func TestRepliesAreCountedInMemory(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.RecentComments = MaxHistory })
	old := n.post("v", "old")
	for range 2 * MaxHistory {
		n.post("v", "x")
	}
	if err := n.pump.WaitApplied(t.Context(), n.journal.LastLSN()); err != nil {
		t.Fatal(err)
	}
	thread := n.post("v", "new")
	var replies []uint64
	for _, parent := range []uint64{old, thread, thread, thread} {
		replies = append(replies, n.ask("v", &wire.PostComment{UserId: "u", Message: "reply", ParentId: parent}).(*wire.CommentAnswer).Row.Id)
	}
	n.ask("v", &wire.DeleteComment{CommentId: replies[3], ParentId: thread})
	count := func(m *wire.ReadRecent, parent uint64) uint32 {
		rows := n.ask("v", m).(*wire.RecentRows)
		if old >= rows.Floor {
			t.Fatal("memory has the old comment")
		}
		for _, r := range rows.Replies {
			if r.ParentId == parent {
				return r.Count
			}
		}
		return 0
	}
	if got := count(&wire.ReadRecent{Limit: 10, Desc: true}, thread); got != 2 {
		t.Errorf("a comment in memory has %d replies, not 2", got)
	}
	if got := count(&wire.ReadRecent{Limit: 10, Before: old + 1, Desc: true}, old); got != 1 {
		t.Errorf("a comment in the store has %d replies in memory, not 1", got)
	}
}
