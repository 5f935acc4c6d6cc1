//go:build !race

package cluster

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
)

// TestARoomMovesWithItsLiveVideo sets all there is, has the owner leave, and
// looks at the next one; then it comes back.
func TestARoomMovesWithItsLiveVideo(t *testing.T) {
	c := newTestCluster(t, 3)
	const id = "moving-room"
	ask := func(n *testNode, m proto.Message) proto.Message {
		t.Helper()
		answer, err := n.member.Owners().Request(context.Background(), id, m)
		if err != nil || faultOf(answer).GetCode() != wire.Code_OK {
			t.Fatalf("%T was answered with %v, %v", m, answer, err)
		}
		return answer
	}
	n := c.nodes[0]
	n.mustPost(id, "a")
	held := ask(n, &wire.PostComment{UserId: "u", Message: "secret", Hold: "link", PostToken: 9}).(*wire.CommentAnswer).Row
	ask(n, &wire.ChangeRoom{By: "m", SlowModeSeconds: proto.Uint32(7), Mute: &wire.MuteUser{UserId: "x"}})
	ask(n, &wire.React{Session: 4, Seq: 1, Targets: []*wire.ReactTarget{{Counts: []*wire.ReactCount{{Type: "like", Count: 2, SessionTotal: 2}}}}})
	check := func(when string) {
		t.Helper()
		for _, n := range c.nodes {
			v := ask(n, &wire.ReadVideo{UserId: "x"}).(*wire.Video)
			if v.Room.SlowModeSeconds != 7 || v.Mute == nil || v.Reactions["like"] != 2 {
				t.Errorf("%s, %s says %v", when, n.name(), v)
			}
			rows := ask(n, &wire.ReadHeld{}).(*wire.HeldRows).Rows
			if len(rows) != 1 || rows[0].Row.Id != held.Id {
				t.Errorf("%s, %s says that %v wait", when, n.name(), rows)
			}
			if a := ask(n, &wire.PostComment{UserId: "u", Message: "secret", Hold: "link", PostToken: 9}).(*wire.CommentAnswer); !a.Held || a.Row.Id != held.Id {
				t.Errorf("%s, %s answers the same post with %v", when, n.name(), a)
			}
		}
	}
	check("at the first owner")
	first := owner(id, c.nodes...)
	at := slices.Index(c.nodes, first)
	c.members(slices.Delete(slices.Clone(c.nodes), at, at+1)...)
	check("at the next owner")
	c.members(c.nodes...)
	check("back at the first")
	for _, n := range c.nodes {
		videos, err := n.actors.AllVideos(context.Background(), &wire.ListVideos{Sort: "comments", Limit: 10})
		if err != nil || len(videos) != 1 || videos[0].LiveVideoId != id || videos[0].Reactions["like"] != 2 || !videos[0].Active {
			t.Errorf("%s lists %v, %v", n.name(), videos, err)
		}
	}
	ask(n, &wire.ResolveHeld{HeldId: held.Id, Approve: true, By: "m"})
	if rows, err := n.actors.History().Rows(context.Background(), id, persistence.Range{Limit: 10}); err != nil || len(rows) != 2 {
		t.Errorf("history has %v, %v", rows, err)
	}
}
