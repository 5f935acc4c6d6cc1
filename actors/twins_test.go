package actors

import (
	"context"
	"testing"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
)

// Of two comments of a post one was taken back. A node that has not heard of
// that may tell of it again: then the other must not go, too.
func TestACommentThatWasTakenBackTakesNoOtherWithIt(t *testing.T) {
	n := newTestNode(t, nil)
	post := func(message string) *wire.Row {
		t.Helper()
		answer := n.ask("v", &wire.PostComment{UserId: "u", Message: message, PostToken: 7}).(*wire.CommentAnswer)
		if answer.Fault != nil {
			t.Fatal(answer.Fault)
		}
		return answer.Row
	}
	kept := post("once")
	if err := n.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := &wire.Row{Id: persistence.FirstIDAt(time.Now().Add(time.Second)), UserId: "u", PostToken: 7}
	if twins, err := n.twins(context.Background(), "v", []*wire.Row{other}); err != nil || len(twins) > 0 {
		t.Errorf("it is found to be there twice: %v, %v", twins, err)
	}
	again := &wire.Row{Id: kept.Id, UserId: "u", PostToken: 7}
	if twins, err := n.twins(context.Background(), "v", []*wire.Row{again}); err != nil || len(twins) > 0 {
		t.Errorf("it is found to be its own twin: %v, %v", twins, err)
	}
}
