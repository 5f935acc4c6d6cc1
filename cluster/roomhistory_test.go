//go:build !race

package cluster

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"barrage/persistence"
	"barrage/persistence/records"
)

// apply gives records to a node's own store, behind what its journal has.
func (n *testNode) apply(first persistence.LSN, rs ...*records.Record) {
	n.cluster.t.Helper()
	var es []persistence.Entry
	for i, r := range rs {
		es = append(es, persistence.Entry{LSN: first + persistence.LSN(i), Record: r})
	}
	if err := n.store.Apply(context.Background(), es); err != nil {
		n.cluster.t.Fatal(err)
	}
}

func replyTo(parent, id uint64) *records.Record {
	return &records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{
		Comment: &records.Comment{Id: id, LiveVideoId: "v", UserId: "u", ParentId: parent},
	}}}
}

// TestAMembersThreadsAreReadWhole: threads that are longer than one answer are
// read in several, and deletions come along.
func TestAMembersThreadsAreReadWhole(t *testing.T) {
	c := newTestCluster(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var rs []*records.Record
	for id := range uint64(MaxReplies + MaxReplies/2) { // most of them to 1
		parent := uint64(1)
		if id%10 == 0 {
			parent = 2 + id/10%5
		}
		rs = append(rs, replyTo(parent, 100+id))
	}
	c.nodes[1].apply(1, rs...)
	c.nodes[2].apply(1, replyTo(1, 102), replyTo(3, 7), &records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: &records.CommentDeleted{
		LiveVideoId: "v", CommentId: 101, DeletedBy: "mod", DeletedAtMs: 5,
	}}})
	replies, deleted, whole, err := c.nodes[0].member.Replies(ctx, "v", []uint64{9, 1, 3, 6, 1}, 0, 0)
	if err != nil || !whole {
		t.Fatal(err, whole)
	}
	count := map[uint64]int{}
	for parent, ids := range replies {
		slices.Sort(ids)
		count[parent] = len(slices.Compact(ids))
	}
	n := MaxReplies + MaxReplies/2
	if want := map[uint64]int{1: n - n/10, 3: n/50 + 1, 6: n / 50}; fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", count, want)
	}
	if !deleted[101] || len(deleted) != 1 {
		t.Errorf("deleted: %v", deleted)
	}
	replies, _, _, err = c.nodes[0].member.Replies(ctx, "v", []uint64{1}, 100, 104)
	slices.Sort(replies[1])
	replies[1] = slices.Compact(replies[1])
	if want := []uint64{101, 102, 103}; err != nil || !slices.Equal(replies[1], want) {
		t.Errorf("%v, want %v: %v", replies[1], want, err)
	}
}

func TestTheAuditOfAllMembersIsRead(t *testing.T) {
	c := newTestCluster(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	event := func(id uint64, at int64) *records.Record {
		return &records.Record{Kind: &records.Record_RoomEvent{RoomEvent: &records.RoomEvent{
			LiveVideoId: "v", Kind: "mute", EventId: id, AtMs: at, ActorId: "mod", UserId: "u", Detail: `{"seconds":5}`,
		}}}
	}
	c.nodes[1].apply(1, event(1, 10), event(2, 20), event(3, 30))
	c.nodes[2].apply(1, event(2, 20), event(4, 25))
	answers, whole, err := c.nodes[0].member.Audit(ctx, "v", 30, 2)
	if err != nil || !whole || len(answers) != 2 {
		t.Fatal(answers, whole, err)
	}
	var got []string
	for _, events := range answers {
		for _, e := range events {
			got = append(got, fmt.Sprintf("%d/%d%s", e.EventId, e.AtMs, e.Detail))
		}
	}
	slices.Sort(got)
	if want := `[1/10{"seconds":5} 2/20{"seconds":5} 2/20{"seconds":5} 4/25{"seconds":5}]`; fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
}
