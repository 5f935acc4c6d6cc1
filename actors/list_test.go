package actors

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

func TestLiveVideosAreListedAwakeAndAsleep(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.IdleAfter = 30 * time.Millisecond })
	for video, comments := range map[string]int{"a": 1, "b": 3, "c": 2} {
		for range comments {
			n.post(video, "x")
		}
	}
	n.ask("b", &wire.React{Session: 1, Seq: 1, Targets: []*wire.ReactTarget{{Counts: []*wire.ReactCount{{Type: "like", Count: 2, SessionTotal: 2}}}}})
	n.change("c", &wire.ChangeRoom{Ended: proto.Bool(true)})
	ids := func(m *wire.ListVideos) (ids []string) {
		videos, err := n.AllVideos(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range videos {
			ids = append(ids, v.LiveVideoId)
		}
		return ids
	}
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			question *wire.ListVideos
			want     []string
		}{
			{&wire.ListVideos{Sort: "comments", Limit: 10}, []string{"b", "a"}},
			{&wire.ListVideos{Sort: "comments", Limit: 10, States: ListAll}, []string{"b", "c", "a"}},
			{&wire.ListVideos{Sort: "comments", Limit: 1, States: ListAll, AfterId: "b", AfterNumber: 3}, []string{"c"}},
			{&wire.ListVideos{Sort: "viewers", Limit: 10, States: ListAll}, []string{"a", "b", "c"}},
			{&wire.ListVideos{Sort: "id", Limit: 10, States: ListEnded}, []string{"c"}},
			{&wire.ListVideos{Sort: "id", Limit: 10, States: ListAll, AfterId: "a"}, []string{"b", "c"}},
		} {
			if got := ids(c.question); !slices.Equal(got, c.want) {
				t.Errorf("%s %v lists %v, not %v", when, c.question, got, c.want)
			}
		}
	}
	asleep := func() bool {
		active := false
		n.listed.Range(func(any, any) bool { active = true; return false })
		return !active
	}
	check("first")
	eventually(t, "sleep", asleep)
	if err := n.pump.WaitApplied(t.Context(), n.journal.LastLSN()); err != nil {
		t.Fatal(err)
	}
	n.listings.mu.Lock()
	n.listings.stored = nil
	n.listings.mu.Unlock()
	check("asleep")
	videos := n.ListVideos(t.Context(), &wire.ListVideos{Sort: "comments", Limit: 1}).Videos
	if len(videos) != 1 || videos[0].Active || videos[0].Reactions["like"] != 2 || videos[0].Comments != 3 {
		t.Errorf("asleep the first is %v", videos)
	}
}

func TestTheNewestCopyOfALiveVideoIsListed(t *testing.T) {
	old := &wire.ListedVideo{LiveVideoId: "v", Revision: 3}
	newer := &wire.ListedVideo{LiveVideoId: "v", Revision: 5, Ended: true}
	active := &wire.ListedVideo{LiveVideoId: "v", Viewers: 7, Active: true}
	for _, c := range []struct {
		all  []*wire.ListedVideo
		want *wire.ListedVideo
	}{
		{[]*wire.ListedVideo{old, newer}, newer},
		{[]*wire.ListedVideo{newer, old}, newer},
		{[]*wire.ListedVideo{newer, active, old}, active},
		{[]*wire.ListedVideo{active, newer}, active},
	} {
		if got := mergeVideos(c.all); len(got) != 1 || got[0] != c.want {
			t.Errorf("of %v is listed %v", c.all, got)
		}
	}
}
