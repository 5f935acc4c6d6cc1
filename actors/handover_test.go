package actors

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// handOver has the next owner claim a live video.
func (n *testNode) handOver(pid *actor.PID, view uint64) *wire.Claimed {
	n.tb.Helper()
	claim := &wire.Claim{LiveVideoId: "v", View: view, From: "next"}
	answer, err := n.owners.system.Root.RequestFuture(pid, claim, 10*time.Second).Result()
	if err != nil {
		n.tb.Fatal(err)
	}
	return answer.(*wire.Claimed)
}

func (n *testNode) offer(pid *actor.PID, from string, view uint64) {
	n.owners.system.Root.Send(pid, &wire.Activate{LiveVideoId: "v", From: from, Offered: from != "", View: view})
}

// elsewhere makes a comment that another node took at some time.
func elsewhere(at time.Time, text string) *wire.Row {
	id := persistence.FirstIDAt(at) + 7
	return EncodeRow(&records.Comment{Id: id, LiveVideoId: "v", UserId: "u", Message: text, CreatedAtMs: at.UnixMilli()})
}

func idsOf(rows []*wire.Row) (ids []uint64) {
	for _, row := range rows {
		ids = append(ids, row.Id)
	}
	return ids
}

func TestWhatAnOwnerWasVerifyingIsHandedOver(t *testing.T) {
	n := newTestNode(t, nil)
	late := elsewhere(time.Now(), "late")
	last := persistence.FirstIDAt(time.Now().Add(time.Minute))
	n.owners.strangers = map[string]bool{"other": true} // so that it is waited for
	merging := make(chan struct{})
	n.owners.claimFrom = func(m *wire.Claim, from []string) ([]Claimed, error) {
		if from[0] == "slow" {
			<-merging // while the one before is verified
			return nil, nil
		}
		return []Claimed{{Address: from[0], Claimed: &wire.Claimed{
			Rows: []*wire.Row{late}, Deleted: []uint64{5}, LastCommentId: last,
		}}}, nil
	}
	posted := n.post("v", "mine")
	pid := n.owners.get("v")
	n.offer(pid, "other", 0)
	n.offer(pid, "slow", 0)
	for deadline := time.Now().Add(10 * time.Second); ; {
		// Its answer can come at any time; what it has is known either way.
		if time.Now().After(deadline) {
			t.Fatal("it never had anything to verify")
		}
		answer := n.handOver(pid, 1)
		if len(answer.Unverified) == 0 { // the other node has not answered yet
			if !slices.Contains(answer.ToAsk, "other") {
				t.Fatalf("neither what another node has nor that node is handed over: %v", answer)
			}
			continue
		}
		if u := answer.Unverified[0]; u.Address != "other" || !slices.Equal(idsOf(u.Rows), []uint64{late.Id}) {
			t.Errorf("%v is handed over to be verified", answer.Unverified)
		}
		// An owner that had retired when the other answered leaves it to the next
		// one to ask that for what is older.
		toAsk := slices.DeleteFunc(slices.Clone(answer.ToAsk), func(address string) bool { return address == "other" })
		if !slices.Equal(toAsk, []string{"slow"}) || answer.AskAfter == 0 || answer.AskAfter >= posted {
			t.Errorf("%v are to be asked, after %d", answer.ToAsk, answer.AskAfter)
		}
		if answer.LastCommentId != last || !slices.Contains(answer.Deleted, 5) {
			t.Errorf("it says %v", answer)
		}
		break
	}
	close(merging)
}

func TestAStragglerThatComesToARetiredOwnerIsHandedOver(t *testing.T) {
	n := newTestNode(t, nil)
	n.post("v", "mine")
	pid := n.owners.get("v")
	n.handOver(pid, 1)
	late := &records.Comment{Id: persistence.FirstIDAt(time.Now()), LiveVideoId: "v", UserId: "u", Message: "late"}
	n.owners.system.Root.Send(pid, &Straggler{Comment: late})
	answer := n.handOver(pid, 2)
	if len(answer.Unverified) != 1 || answer.Unverified[0].Rows[0].Id != late.Id || answer.Unverified[0].Address != pid.Address {
		t.Errorf("%v", answer.Unverified)
	}
}

// storeOf has comments that other nodes have, too. It answers from ready on.
type storeOf struct {
	persistence.Store
	others []*records.Comment
	ready  chan struct{}
}

func (s *storeOf) Comments(ctx context.Context, video string, r persistence.Range) ([]*records.Comment, error) {
	<-s.ready
	comments, err := s.Store.Comments(ctx, video, r)
	for _, c := range s.others {
		if c.Id > r.After && (r.Before == 0 || c.Id < r.Before) {
			comments = append(comments, c)
		}
	}
	slices.SortFunc(comments, func(a, b *records.Comment) int { return int(b.Id) - int(a.Id) })
	if !r.Desc {
		slices.Reverse(comments)
	}
	return comments, err
}

func TestTheNextOwnerMergesWhatTheOneBeforeHadToAndTellsViewers(t *testing.T) {
	now := time.Now()
	first, deleted, asked, seen := elsewhere(now.Add(-4*time.Second), "first"), elsewhere(now.Add(-3*time.Second), "deleted"),
		elsewhere(now.Add(-2*time.Second), "asked"), elsewhere(now.Add(-time.Second), "seen")
	viewing := make(chan struct{})
	n := newTestNode(t, func(c *Config) {
		others := &storeOf{Store: c.Store, ready: viewing}
		for _, row := range []*wire.Row{first, asked} {
			others.others = append(others.others, &records.Comment{Id: row.Id, LiveVideoId: "v", UserId: "u", Message: "?"})
		}
		c.Own, c.Store = c.Store, others
	})
	n.owners.claim = func(*wire.Claim, []string) ([]Claimed, error) {
		return []Claimed{{Address: "before", Claimed: &wire.Claimed{
			WasOwner: true, Holds: true, Rows: []*wire.Row{seen}, LastCommentId: seen.Id, Floor: 1,
			Unverified: []*wire.Unverified{{Address: "other", Rows: []*wire.Row{first, deleted}}},
			ToAsk:      []string{"slow"}, AskAfter: first.Id,
		}}}, nil
	}
	release := make(chan uint64, 10)
	n.owners.claimFrom = func(m *wire.Claim, from []string) ([]Claimed, error) {
		<-viewing
		if !slices.Equal(from, []string{"slow"}) {
			t.Errorf("%v is asked", from)
		}
		release <- m.After
		return []Claimed{{Address: "slow", Claimed: &wire.Claimed{Rows: []*wire.Row{asked}}}}, nil
	}
	viewer := n.watch("v", ViewerConfig{History: 10})
	viewer.untilHas(t, FormatID(seen.Id))
	close(viewing)
	if after := <-release; after > first.Id {
		t.Errorf("the node is asked for what came after %d, not after %d", after, first.Id)
	}
	viewer.untilHas(t, fmt.Sprintf(`"after":"%d"`, first.Id-1))
	viewer.untilHas(t, fmt.Sprintf(`"after":"%d"`, asked.Id-1))
	rows, err := n.History().Rows(context.Background(), "v", persistence.Range{Limit: 10})
	if err != nil || !slices.Equal(idsOf(rows), []uint64{first.Id, asked.Id, seen.Id}) {
		t.Errorf("history has %v, %v", idsOf(rows), err)
	}
	if got := n.ask("v", &wire.ReadRecent{Limit: 10}).(*wire.RecentRows); !slices.Equal(idsOf(got.Rows), idsOf(rows)) {
		t.Errorf("memory has %v", idsOf(got.Rows))
	}
}

func TestWhatAnOwnerWasHandedBeforeItBeganIsHandedOn(t *testing.T) {
	for name, failure := range map[string]error{"loaded": nil, "moved": &ErrMoved{"third"}} {
		t.Run(name, func(t *testing.T) {
			n := newTestNode(t, nil)
			seen := elsewhere(time.Now(), "seen")
			claimed := make(chan struct{})
			n.owners.claim = func(*wire.Claim, []string) ([]Claimed, error) {
				<-claimed
				return []Claimed{{Address: "before", Claimed: &wire.Claimed{
					WasOwner: true, Rows: []*wire.Row{seen}, LastCommentId: seen.Id + 1, Floor: 1,
				}}}, failure
			}
			pid := n.owners.get("v")
			n.offer(pid, "before", 1)
			answers := make(chan *wire.Claimed, 2)
			for range cap(answers) { // it is asked twice
				go func() { answers <- n.handOver(pid, 2) }()
			}
			for n.owners.holds("v", pid) {
				time.Sleep(time.Millisecond)
			}
			close(claimed)
			for range cap(answers) {
				answer := <-answers
				if !slices.Equal(idsOf(answer.Rows), []uint64{seen.Id}) || answer.LastCommentId != seen.Id+1 {
					t.Errorf("handed on: %v", answer)
				}
			}
			if again := n.handOver(pid, 3); again.WasOwner || !slices.Equal(idsOf(again.Rows), []uint64{seen.Id}) {
				t.Errorf("whoever asks later is told %v", again)
			}
		})
	}
}

// Nobody posted since this node handed it over, so its store knows as much as
// the owner before; and it has to give it up before it has begun.
func TestTheCountOfCommentsIsHandedOnByAnOwnerThatNeverBegan(t *testing.T) {
	n := newTestNode(t, nil)
	for i := range 3 {
		n.post("v", fmt.Sprint(i))
	}
	before := n.handOver(n.owners.get("v"), 1)
	if before.GetTotalComments() != 3 {
		t.Fatalf("handed over: %v", before)
	}
	claimed := make(chan struct{})
	n.owners.claim = func(*wire.Claim, []string) ([]Claimed, error) {
		<-claimed
		return []Claimed{{Address: "before", Claimed: before}}, nil
	}
	pid := n.owners.get("v")
	n.offer(pid, "before", 2)
	answer := make(chan *wire.Claimed, 1)
	go func() { answer <- n.handOver(pid, 3) }()
	for n.owners.holds("v", pid) {
		time.Sleep(time.Millisecond)
	}
	close(claimed)
	if got := <-answer; got.TotalComments == nil || got.GetTotalComments() != 3 || got.Revision != before.Revision {
		t.Errorf("handed on: %v", got)
	}
}

func TestTheCountOfCommentsIsOfWhoKnowsIt(t *testing.T) {
	three, one := uint64(3), uint64(1)
	answers := map[string]*wire.Claimed{
		"was owner, does not know": {WasOwner: true, Floor: 4, Revision: 9, LastCommentId: 3},
		"knows":                    {Revision: 9, TotalComments: &three, LastCommentId: 3},
		"knows what was":           {Revision: 2, TotalComments: &one, LastCommentId: 1},
	}
	for first := range answers {
		t.Run(first+" comes first", func(t *testing.T) {
			n := newTestNode(t, nil)
			n.owners.claim = func(*wire.Claim, []string) ([]Claimed, error) {
				claimed := []Claimed{{Address: first, Claimed: answers[first]}}
				for other, answer := range answers {
					if other != first {
						claimed = append(claimed, Claimed{Address: other, Claimed: answer})
					}
				}
				return claimed, nil
			}
			if v := n.ask("v", &wire.ReadVideo{}).(*wire.Video); v.Comments != 3 {
				t.Errorf("%d comments are counted, not 3", v.Comments)
			}
		})
	}
}

func TestAnEarlierOwnersCountIsToldWithItsComments(t *testing.T) {
	three, one := uint64(3), uint64(1)
	earlier := &wire.Claimed{Revision: 9, TotalComments: &three}
	for name, answer := range map[string]*wire.Claimed{
		"the store is older":     {Revision: 2, TotalComments: &one},
		"the store has no total": {Revision: 9},
		"it knows nothing":       {},
	} {
		if addEarlier(answer, earlier); answer.Revision != 9 || answer.GetTotalComments() != 3 {
			t.Errorf("%s: %v", name, answer)
		}
	}
	newer := &wire.Claimed{Revision: 10, TotalComments: &one}
	if addEarlier(newer, earlier); newer.Revision != 10 || newer.GetTotalComments() != 1 {
		t.Errorf("what an earlier owner knew is told for newer: %v", newer)
	}
}

func TestAnEarlierOwnerGetsNothingOfALaterOne(t *testing.T) {
	n := newTestNode(t, nil)
	pid := n.owners.get("v")
	n.offer(pid, "", 5)
	n.post("v", "mine")
	if answer := n.handOver(pid, 4); answer.GetFault().GetCode() != wire.Code_MOVED || answer.Fault.Owner != pid.Address {
		t.Errorf("%v", answer)
	}
	n.post("v", "mine, too")
	if answer := n.handOver(pid, 5); !answer.WasOwner || len(answer.Rows) != 2 {
		t.Errorf("%v", answer)
	}
}

func TestANodeThatDidNotAnswerAtFirstIsAskedAgain(t *testing.T) {
	n := newTestNode(t, nil)
	late := elsewhere(time.Now().Add(-time.Second), "late")
	n.owners.claim = func(*wire.Claim, []string) ([]Claimed, error) {
		return []Claimed{{Address: "slow", Claimed: &wire.Claimed{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE}}}}, nil
	}
	asked := make(chan string, 1)
	n.owners.claimFrom = func(_ *wire.Claim, from []string) ([]Claimed, error) {
		asked <- from[0]
		return []Claimed{{Address: from[0], Claimed: &wire.Claimed{Rows: []*wire.Row{late}}}}, nil
	}
	n.post("v", "mine")
	if from := <-asked; from != "slow" {
		t.Errorf("%s was asked", from)
	}
}

// follower is a relay of which the test decides what it gets.
type follower struct {
	n    *testNode
	pid  *actor.PID
	told chan any
}

func (n *testNode) follower() *follower {
	f := &follower{n: n, told: make(chan any, 100)}
	f.pid = n.owners.system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case *wire.Subscribed, *wire.Publish:
			f.told <- m
		}
	}))
	return f
}

// subscribe gives the owner's answer.
func (f *follower) subscribe(m *wire.Subscribe) *wire.Subscribed {
	f.n.tb.Helper()
	m.Relay = f.pid
	f.n.ask("v", m)
	for deadline := time.After(10 * time.Second); ; {
		select {
		case told := <-f.told:
			if answer, ok := told.(*wire.Subscribed); ok {
				return answer
			}
		case <-deadline:
			f.n.tb.Fatal("no answer")
		}
	}
}

func TestARelayThatSubscribesAgainHearsWhatItMayHaveMissed(t *testing.T) {
	late, last := elsewhere(time.Now().Add(-time.Second), "late"), uint64(0)
	n := newTestNode(t, func(c *Config) {
		others := &storeOf{Store: c.Store, ready: make(chan struct{})}
		others.others = []*records.Comment{{Id: late.Id, LiveVideoId: "v", UserId: "u", Message: "late"}}
		close(others.ready)
		c.Own, c.Store = c.Store, others
	})
	n.owners.claim = func(*wire.Claim, []string) ([]Claimed, error) {
		return []Claimed{{Address: "before", Claimed: &wire.Claimed{WasOwner: true, Floor: 1, LastCommentId: late.Id - 1}}}, nil
	}
	n.owners.claimFrom = func(*wire.Claim, []string) ([]Claimed, error) {
		return []Claimed{{Address: "slow", Claimed: &wire.Claimed{Rows: []*wire.Row{late}}}}, nil
	}
	f := n.follower()
	first := f.subscribe(&wire.Subscribe{})
	last = n.post("v", "mine")
	n.offer(n.owners.get("v"), "slow", 0)
	var next uint64 // that it would expect if it had got all
	for merged := false; !merged; {
		p := (<-f.told).(*wire.Publish)
		merged, next = p.MissedBefore != 0, p.Seq+1
	}
	for name, c := range map[string]struct {
		subscribe *wire.Subscribe
		missed    bool
	}{
		"it has got all":               {&wire.Subscribe{Activation: first.Activation, NextSeq: next, After: last}, false},
		"a message was lost":           {&wire.Subscribe{Activation: first.Activation, NextSeq: next - 1, After: last}, true},
		"it followed another owner":    {&wire.Subscribe{Activation: first.Activation + 1, NextSeq: next + 7, After: last}, true},
		"it has nothing so new":        {&wire.Subscribe{Activation: first.Activation + 1, After: late.Id - 1}, false},
		"it has followed nobody yet":   {&wire.Subscribe{}, false},
		"its subscription had run out": {&wire.Subscribe{Activation: first.Activation, NextSeq: next, After: last}, true},
	} {
		who := f
		if name == "its subscription had run out" {
			who = n.follower()
		}
		answer := who.subscribe(c.subscribe)
		if missed := answer.MissedAfter != 0; missed != c.missed || missed && answer.MissedAfter >= late.Id {
			t.Errorf("%s: it is told that it missed what came after %d", name, answer.MissedAfter)
		}
	}
}

// A client may have been answered by a later try than that which made the
// comment. Whoever compares owners' comments of one post must know.
func TestALaterTryAtAPostIsHandedOver(t *testing.T) {
	n := newTestNode(t, nil)
	began := time.Now()
	try := func(sent time.Time) *wire.Row {
		answer := n.ask("v", &wire.PostComment{UserId: "u", Message: "m", IdempotencyKey: "k", SentMs: sent.UnixMilli()})
		return answer.(*wire.CommentAnswer).Row
	}
	first := try(began)
	for _, later := range []struct {
		sent time.Duration
		want time.Duration
	}{
		{-time.Second, 0},
		{2 * time.Second, 2 * time.Second},
		{time.Second, 2 * time.Second},
		{2*time.Second + triesTime, 2 * time.Second}, // it was answered, and is repeated
	} {
		if row := try(began.Add(later.sent)); row.Id != first.Id {
			t.Fatalf("another comment: %v", row)
		}
		want := began.Add(later.want).UnixMilli()
		if rows := n.handOver(n.owners.get("v"), 1).Rows; len(rows) != 1 || rows[0].PostSentMs != want {
			t.Errorf("after a try %v later, %v is handed over, not %d", later.sent, rows, want)
		}
		n.owners.claim = func(*wire.Claim, []string) ([]Claimed, error) {
			row := proto.CloneOf(first)
			row.PostSentMs = want
			return []Claimed{{Claimed: &wire.Claimed{WasOwner: true, Floor: 1, Rows: []*wire.Row{row}}}}, nil
		}
	}
	other := proto.CloneOf(first)
	other.PostSentMs += 5000
	if rows := n.AnswerClaim(t.Context(), &wire.Claim{LiveVideoId: "v", After: 1, Limit: 10}, &wire.Claimed{Rows: []*wire.Row{other}}).Rows; len(rows) != 1 || rows[0].PostSentMs != other.PostSentMs {
		t.Errorf("the store's is told, not that of an owner: %v", rows)
	}
}

func TestOfTwoCommentsOfAPostTheOneStaysThatWasAnswered(t *testing.T) {
	const s = 1000
	row := func(sent int64, waited, after uint32) *wire.Row {
		return &wire.Row{PostSentMs: 1_700_000_000_000 + sent, PostWaitedMs: waited, AnsweredAfterMs: after}
	}
	for name, c := range map[string]struct {
		first, later *wire.Row
		stays        bool // the later one
	}{
		"a try was given up, nobody knows more":               {row(0, 0, 0), row(4*s, 0, 0), true},
		"repeated long after":                                 {row(0, 0, 0), row(7*s, 0, 0), false},
		"answered, then repeated":                             {row(0, 0, 20), row(4*s, 0, 20), false},
		"answered, then repeated, which took its time":        {row(0, 0, 20), row(6*s, 4*s, 20), false},
		"given up a moment before it was answered":            {row(0, 0, 200), row(4*s, 3*s, 20), true},
		"another try of the same request":                     {row(0, 0, 20), row(4*s, 4000, 20), true},
		"another try of a request that came before an answer": {row(0, 0, 200), row(4*s, 3900, 20), true},
		"answered when its edge had given up":                 {row(0, 0, 3*s), row(4*s, 0, 20), true},
		"answered late, to another request":                   {row(0, 0, 2*s), row(7*s, 0, 20), false},
	} {
		if got := answeredRather(c.later, c.first); got != c.stays {
			t.Errorf("%s: the later one stays: %v", name, got)
		}
		if got := answeredRather(c.first, c.later); got == c.stays {
			t.Errorf("%s: the first one stays: %v", name, got)
		}
	}
}

// Two owners may have taken more at the same time than fits into an answer. The
// rest is in the stores: viewers are told of all of it, and memory does not
// stand for what it lacks.
func TestWhatDoesNotFitIntoAnAnswerIsAnnouncedAndReadFromTheStores(t *testing.T) {
	began := time.Now().Add(-5 * time.Second)
	var theirs []*wire.Row
	others := &storeOf{ready: make(chan struct{})}
	for i := range 4 {
		row := elsewhere(began.Add(time.Duration(i)*time.Second), "theirs")
		theirs = append(theirs, row)
		others.others = append(others.others, &records.Comment{Id: row.Id, LiveVideoId: "v", UserId: "u", Message: "theirs"})
	}
	close(others.ready)
	n := newTestNode(t, func(c *Config) {
		others.Store = c.Store
		c.Own, c.Store = c.Store, others
	})
	n.owners.claim = func(*wire.Claim, []string) ([]Claimed, error) {
		return []Claimed{{Address: "before", Claimed: &wire.Claimed{WasOwner: true, Floor: 1, LastCommentId: theirs[0].Id - 1}}}, nil
	}
	n.owners.claimFrom = func(m *wire.Claim, _ []string) ([]Claimed, error) {
		return []Claimed{{Address: "slow", Claimed: &wire.Claimed{Rows: []*wire.Row{theirs[3], theirs[2]}, MissingAfter: m.After}}}, nil
	}
	viewer := n.watch("v", ViewerConfig{})
	mine := n.post("v", "mine")
	viewer.untilHas(t, FormatID(mine))
	n.offer(n.owners.get("v"), "slow", 0)
	after, before := lastGap(t, viewer.untilHas(t, `"before"`))
	if after >= theirs[0].Id || before <= theirs[3].Id {
		t.Errorf("viewers are told that they miss what is between %d and %d, not all of %v", after, before, idsOf(theirs))
	}
	want := append(idsOf(theirs), mine)
	if rows, err := n.History().Rows(t.Context(), "v", persistence.Range{Limit: 10}); err != nil || !slices.Equal(idsOf(rows), want) {
		t.Errorf("history has %v, not %v, %v", idsOf(rows), want, err)
	}
}

func TestAnAnswerToAClaimSaysThatItIsNotAll(t *testing.T) {
	n := newTestNode(t, func(c *Config) { c.Own = c.Store })
	first := n.post("v", "0")
	for i := range 3 {
		n.post("v", fmt.Sprint(i+1))
	}
	for limit, want := range map[uint32]uint64{2: first, 3: first, 4: 0} {
		answer := n.AnswerClaim(t.Context(), &wire.Claim{LiveVideoId: "v", After: first, Limit: limit})
		if len(answer.Rows) != min(int(limit), 3) || answer.MissingAfter != want {
			t.Errorf("at most %d: %d rows, missing after %d", limit, len(answer.Rows), answer.MissingAfter)
		}
	}
}
