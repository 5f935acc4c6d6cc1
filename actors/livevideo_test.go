package actors

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

func postWith(n *testNode, video, user, key, message string) *wire.CommentAnswer {
	n.tb.Helper()
	return n.ask(video, &wire.PostComment{UserId: user, IdempotencyKey: key, Message: message}).(*wire.CommentAnswer)
}

func TestAnIdempotencyKeyIsAnsweredWithTheFirstComment(t *testing.T) {
	n := newTestNode(t, nil)
	first := postWith(n, "v", "u", "k", "hello")
	again := postWith(n, "v", "u", "k", "hello")
	if first.Row.Id != again.Row.Id || string(first.Row.Event) != string(again.Row.Event) {
		t.Errorf("the same key was answered with %v, then %v", first, again)
	}
	if other := postWith(n, "v", "u", "k", "other"); other.GetFault().GetCode() != wire.Code_KEY_REUSED {
		t.Errorf("the same key with another body was answered with %v", other)
	}
	for _, own := range []*wire.CommentAnswer{postWith(n, "v", "u2", "k", "hello"), postWith(n, "w", "u", "k", "hello")} {
		if own.Fault != nil || own.Row.Id == first.Row.Id {
			t.Errorf("another user's, or video's, key was answered with %v", own)
		}
	}
	if v := n.ask("v", &wire.ReadVideo{}).(*wire.Video); v.Comments != 2 {
		t.Errorf("%d comments are counted, not 2", v.Comments)
	}
}

// heldJournal is a journal whose records become durable, or are refused, when
// the test says so.
type heldJournal struct {
	Journal
	mu     sync.Mutex
	held   []func()
	refuse error
}

func (j *heldJournal) Append(record *records.Record, sink persistence.Sink) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if errors.Is(j.refuse, errAtAppend) {
		return fmt.Errorf("%w: %w", persistence.ErrUnavailable, j.refuse)
	}
	refuse := j.refuse
	j.held = append(j.held, func() {
		if refuse != nil {
			sink.Durable(1, 0, refuse)
		} else if err := j.Journal.Append(record, sink); err != nil {
			panic(err)
		}
	})
	return nil
}

func (j *heldJournal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.held)
}

func (j *heldJournal) release() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range j.held {
		f()
	}
	j.held = nil
}

var errAtAppend = errors.New("full")

func TestNothingIsAnsweredOrShownBeforeItIsDurable(t *testing.T) {
	held := &heldJournal{}
	n := newTestNode(t, func(c *Config) { held.Journal, c.Journal = c.Journal, held })
	viewer := n.watch("v", ViewerConfig{})
	viewer.untilHas(t, "event: viewers")
	const posts = 3
	answers := make(chan *wire.CommentAnswer, posts)
	for range posts { // the same post three times: one record
		go func() { answers <- postWith(n, "v", "u", "k", "hello") }()
	}
	for n.ask("v", &wire.ReadVideo{}); held.waiting() == 0; n.ask("v", &wire.ReadVideo{}) {
	}
	if rows := n.ask("v", &wire.ReadRecent{Limit: 10}).(*wire.RecentRows); len(rows.Rows) != 0 || len(answers) != 0 || len(commentIDs(string(viewer.bytes))) != 0 {
		t.Error("a comment that is not durable was answered or shown")
	}
	held.release()
	id := (<-answers).Row.Id
	for range posts - 1 {
		if again := (<-answers).Row.Id; again != id {
			t.Errorf("one post has the ids %d and %d", id, again)
		}
	}
	viewer.untilHas(t, FormatID(id))
}

func TestARefusedCommentLeavesNothingBehind(t *testing.T) {
	held := &heldJournal{refuse: persistence.ErrUnavailable}
	n := newTestNode(t, func(c *Config) { held.Journal, c.Journal = c.Journal, held })
	answer := make(chan *wire.CommentAnswer, 1)
	go func() { answer <- postWith(n, "v", "u", "k", "hello") }()
	for n.ask("v", &wire.ReadVideo{}); held.waiting() == 0; n.ask("v", &wire.ReadVideo{}) {
	}
	held.release()
	if a := <-answer; a.GetFault().GetCode() != wire.Code_UNAVAILABLE {
		t.Errorf("a comment that the journal lost was answered with %v", a)
	}
	held.refuse = errAtAppend
	if a := postWith(n, "v", "u", "k", "hello"); a.GetFault().GetCode() != wire.Code_UNAVAILABLE {
		t.Errorf("a comment that the journal refused was answered with %v", a)
	}
	if rows := n.ask("v", &wire.ReadRecent{Limit: 10}).(*wire.RecentRows); len(rows.Rows) != 0 {
		t.Errorf("a refused comment is in history: %v", rows)
	}
	held.refuse = nil
	go func() { answer <- postWith(n, "v", "u", "k", "another body, as the first was never taken") }()
	for n.ask("v", &wire.ReadVideo{}); held.waiting() == 0; n.ask("v", &wire.ReadVideo{}) {
	}
	held.release()
	if a := <-answer; a.Fault != nil {
		t.Errorf("after a refusal the key was answered with %v", a)
	}
}

func TestARestartKeepsCommentsIDsAndKeys(t *testing.T) {
	dir := t.TempDir()
	n := startTestNode(t, dir, nil)
	var ids []uint64
	for i := range 50 {
		ids = append(ids, n.post("v", fmt.Sprintf("comment %d", i)))
	}
	kept := postWith(n, "v", "u", "k", "hello")
	n.ask("v", &wire.DeleteComment{CommentId: ids[10], DeletedBy: "u"})
	n.close()

	n = startTestNode(t, dir, nil)
	defer n.close()
	v := n.ask("v", &wire.ReadVideo{}).(*wire.Video)
	if v.Comments != 50 || v.LastCommentId != kept.Row.Id {
		t.Errorf("after a restart the live video is %v", v)
	}
	rows, err := n.History().Rows(context.Background(), "v", persistence.Range{Limit: 100})
	if err != nil || len(rows) != 50 {
		t.Errorf("after a restart history has %d comments of 50: %v", len(rows), err)
	}
	if _, err := n.History().Row(context.Background(), "v", ids[10]); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("a deleted comment is back: %v", err)
	}
	if id := n.post("v", "new"); id <= kept.Row.Id {
		t.Errorf("id %d after the restart is not above %d", id, kept.Row.Id)
	}
	answer, err := n.store.KeptAnswer(context.Background(), "v", "u", "k")
	if err != nil || answer.Comment.Id != kept.Row.Id {
		t.Errorf("the key is kept as %v: %v", answer, err)
	}
}

func TestHistoryIsOneAcrossMemoryAndStore(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.RecentComments = MaxHistory })
	var ids []uint64
	for i := range 700 {
		ids = append(ids, n.post("v", fmt.Sprintf("comment %d", i)))
	}
	if err := n.pump.WaitApplied(context.Background(), n.journal.LastLSN()); err != nil {
		t.Fatal(err)
	}
	n.post("v", "one more lets memory forget what the store has")
	for _, desc := range []bool{false, true} {
		for _, size := range []int{1, 7, 100, 450} {
			var got []uint64
			r := persistence.Range{Limit: size, Desc: desc, Before: ids[699] + 1}
			for {
				rows, err := n.History().Rows(context.Background(), "v", r)
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range rows {
					got = append(got, row.Id)
				}
				if len(rows) < size {
					break
				}
				if desc {
					r.Before = got[len(got)-1]
				} else {
					r.After = got[len(got)-1]
				}
			}
			for i, id := range got {
				if want := ids[i]; !desc && id != want || desc && id != ids[699-i] {
					t.Fatalf("desc=%v, pages of %d: comment %d is %d, not %d", desc, size, i, id, want)
				}
			}
			if len(got) != 700 {
				t.Errorf("desc=%v, pages of %d: %d comments of 700", desc, size, len(got))
			}
		}
	}
}

func TestNoCommentHasTheIDZero(t *testing.T) {
	n := newTestNode(t, nil)
	n.post("v", "the oldest")
	if row, err := n.History().Row(context.Background(), "v", 0); !errors.Is(err, persistence.ErrNotFound) {
		t.Errorf("got %v, %v", row, err)
	}
}

func TestAnIdleLiveVideoSleepsAndWakesWithoutLoss(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.IdleAfter = 30 * time.Millisecond })
	id := n.post("v", "before it slept")
	first := n.owners.get("v")
	deadline := time.Now().Add(time.Minute)
	for n.owners.get("v") == first {
		if time.Now().After(deadline) {
			t.Fatal("the live video does not go to sleep")
		}
		time.Sleep(5 * time.Millisecond)
	}
	rows := n.ask("v", &wire.ReadRecent{Limit: 10}).(*wire.RecentRows)
	if len(rows.Rows) != 1 || rows.Rows[0].Id != id {
		t.Errorf("awake again it knows %v", rows)
	}
	if next := n.post("v", "after"); next <= id {
		t.Errorf("id %d after %d", next, id)
	}
	// The old activation answers stragglers that it has moved.
	answer, err := n.owners.system.Root.RequestFuture(first, &wire.ReadVideo{}, time.Second).Result()
	if err != nil || answer.(*wire.Video).Fault.GetCode() != wire.Code_MOVED {
		t.Errorf("the activation that sleeps answered %v, %v", answer, err)
	}
}

func TestDeletingTwiceIsNotFound(t *testing.T) {
	n := newTestNode(t, nil)
	id := n.post("v", "x")
	if a := n.ask("v", &wire.DeleteComment{CommentId: id}).(*wire.CommentAnswer); a.Fault != nil {
		t.Error(a.Fault)
	}
	if a := n.ask("v", &wire.DeleteComment{CommentId: id}).(*wire.CommentAnswer); a.GetFault().GetCode() != wire.Code_NOT_FOUND {
		t.Errorf("the second deletion was answered with %v", a)
	}
	if a := n.ask("v", &wire.PostComment{UserId: "u", Message: "reply", ParentId: id}).(*wire.CommentAnswer); a.GetFault().GetCode() != wire.Code_NO_PARENT {
		t.Errorf("a reply to a deleted comment was answered with %v", a)
	}
	if v := n.ask("v", &wire.ReadVideo{}).(*wire.Video); v.Comments != 0 {
		t.Errorf("%d comments are counted, not 0", v.Comments)
	}
}

// TestTheNewestPageIsThatOfNow reads the newest page from many goroutines while
// comments are posted and deleted: each reader sees all that was answered
// before it asked.
func TestTheNewestPageIsThatOfNow(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.IdleAfter = 20 * time.Millisecond })
	for i := range 20 {
		n.post("v", fmt.Sprint(i))
	}
	var newest, deleted atomic.Uint64 // answered
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for size := 5; ; size = 5 + (size+1)%7 {
				select {
				case <-stop:
					return
				default:
				}
				least, gone := newest.Load(), deleted.Load()
				made, err := n.FirstPage(context.Background(), "v", size, func(page *Page, _ error) *MadePage {
					var ids []byte
					for _, row := range page.Rows {
						ids = binary.BigEndian.AppendUint64(ids, row.Id)
					}
					return &MadePage{Body: ids}
				})
				if err != nil {
					t.Error(err)
					return
				}
				page := made.Body
				if err != nil || len(page) != 8*size || binary.BigEndian.Uint64(page) < least {
					t.Errorf("%v, %d bytes: older than %d", err, len(page), least)
					return
				}
				for i := 0; i < len(page); i += 8 {
					if id := binary.BigEndian.Uint64(page[i:]); id == gone {
						t.Errorf("comment %d is back", id)
						return
					}
				}
			}
		})
	}
	before := uint64(0)
	for i := range 300 {
		id := n.post("v", "next")
		newest.Store(id)
		if i%3 == 0 && before != 0 {
			if answer := n.ask("v", &wire.DeleteComment{CommentId: before}).(*wire.CommentAnswer); answer.Fault != nil {
				t.Fatal(answer.Fault)
			}
			deleted.Store(before)
		}
		before = id
		if i%100 == 50 {
			time.Sleep(40 * time.Millisecond) // it falls asleep, and wakes
		}
	}
	close(stop)
	readers.Wait()
}

// Anybody may ask for any id, and watch any.
func TestWhatWasNeverUsedLeavesMemorySoon(t *testing.T) {
	n := newTestNode(t, nil)
	n.post("used", "hello")
	videos := []string{"never"}
	for i := range 19 {
		videos = append(videos, fmt.Sprint("never-", i))
	}
	all := n.watch("", ViewerConfig{Videos: videos})
	one := n.watch("never", ViewerConfig{})
	for _, c := range []*testConn{all, one} {
		c.untilHas(t, `"viewers":2`)
	}
	for i := range 20 {
		n.ask(fmt.Sprint("read-", i), &wire.ReadRecent{Limit: 10})
	}
	if rooms := n.Rooms(); rooms < 21 {
		t.Errorf("%d rooms while they are watched and read", rooms)
	}
	all.viewer.HungUp()
	one.viewer.HungUp()
	for deadline := time.Now().Add(20 * time.Second); n.Rooms() > 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d rooms are left of those that nobody has used", n.Rooms()-1)
		}
	}
	if n.post("never", "used now"); n.Rooms() != 2 {
		t.Errorf("%d rooms, want the two that are used", n.Rooms())
	}
}
