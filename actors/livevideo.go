package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// liveVideo is the virtual actor that owns a live video: the one place where
// its comments get their ids and their order. It never waits: the journal, the
// store and the relays answer by messages.
type liveVideo struct {
	node *Node
	self *actor.PID
	id   string
	sink *journalSink

	// Until its newest comments are read from the store (onLoaded), requests
	// are kept here.
	loaded bool
	stash  []stashed
	// retired: the video's next request starts another activation.
	retired  bool
	lastUsed time.Time

	lastID   uint64 // the highest comment id given
	comments uint64 // in history, less elsewhere
	recent   *recent
	// elsewhere are the comments that another store counts, once counted; who
	// asks before that waits.
	elsewhere uint64
	counted   bool
	counting  []*actor.PID
	// pending are the records given to the journal that are not durable yet,
	// in the order in which they were given.
	pending []*pendingRecord
	keys    *answers
	// pages are known to the node from when the room is loaded until it retires.
	pages *firstPages

	subscriptions subscriptions
}

type stashed struct {
	message any
	sender  *actor.PID
}

// maxStashed bounds the requests that wait for a live video to start.
const maxStashed = 10_000

// pendingRecord is a change that waits for the journal.
type pendingRecord struct {
	row    *wire.Row // a comment posted, or nil
	answer *keptAnswer
	delete uint64 // a comment deleted, or 0
	// waiters are who is to be told.
	waiters []*actor.PID
}

type (
	// durable comes from the journal, through journalSink.
	durable struct {
		n    int
		last persistence.LSN
		err  error
	}
	// loadedRoom comes from load.
	loadedRoom struct {
		totals *records.VideoTotals
		rows   []*wire.Row // oldest first
		floor  uint64
		err    error
	}
	// countedElsewhere comes from countElsewhere.
	countedElsewhere struct {
		comments uint64
		err      error
	}
	reload    struct{}
	recount   struct{}
	countLate struct{}
	idleTimer struct{}
)

// journalSink takes the journal's word to a live video's mailbox. There is one
// for each activation, so that it is told once for each commit.
type journalSink struct {
	root *actor.RootContext
	pid  *actor.PID
}

func (s *journalSink) Durable(n int, last persistence.LSN, err error) {
	s.root.Send(s.pid, &durable{n, last, err})
}

func (l *liveVideo) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *cluster.ClusterInit:
		l.start(ctx, m.Identity.Identity)
	case *loadedRoom:
		l.onLoaded(m)
	case reload:
		l.load()
	case *countedElsewhere:
		l.onCounted(m)
	case recount:
		l.countElsewhere()
	case countLate:
		l.counted = true
		l.answerCounting()
	case *durable:
		l.onDurable(m)
	case viewersTimer:
		l.subscriptions.timer = false
		l.tellViewers()
	case idleTimer:
		l.onIdleTimer()
	case *actor.Stopping:
		l.forgetPages()
	case *wire.PostComment, *wire.DeleteComment, *wire.ReadRecent, *wire.ReadVideo, *wire.Subscribe, *wire.Lease:
		if sender := ctx.Sender(); sender != nil {
			l.request(m, sender)
		} else if lease, ok := m.(*wire.Lease); ok { // the relay's farewell needs no answer
			l.lease(lease)
		}
	}
}

func (l *liveVideo) start(ctx actor.Context, id string) {
	l.self, l.id = ctx.Self(), id
	l.sink = &journalSink{l.node.root, l.self}
	l.recent = newRecent(l.node.config.RecentComments)
	l.keys = newAnswers()
	l.subscriptions.relays = map[string]*subscription{}
	l.lastUsed = l.node.now()
	l.node.after(l.node.config.IdleAfter, l.self, idleTimer{})
	l.load()
}

// load reads what the live video needs to know from the store, when all that
// an earlier activation gave to the journal has arrived there.
func (l *liveVideo) load() {
	limit := l.node.config.RecentComments
	l.node.async(func(ctx context.Context) {
		m := &loadedRoom{floor: 1}
		lsn, err := l.node.journal.Barrier(ctx)
		if err == nil {
			err = l.node.applied.WaitApplied(ctx, lsn)
		}
		if err == nil {
			m.totals, err = l.node.store.Totals(ctx, l.id)
		}
		if err == nil {
			var comments []*records.Comment
			comments, err = l.node.store.Comments(ctx, l.id, persistence.Range{Limit: limit, Desc: true})
			for i := len(comments) - 1; i >= 0; i-- {
				m.rows = append(m.rows, EncodeRow(comments[i]))
			}
			switch {
			case len(m.rows) > 0 && (err != nil || len(comments) == limit):
				m.floor = m.rows[0].Id
			case err != nil:
				// Below every id that will be given, above every one that was.
				m.floor = max(m.totals.LastCommentId+1, persistence.FirstIDAt(l.node.now()))
			}
			if errors.Is(err, persistence.ErrUnavailable) {
				err = nil // it starts without older history
			}
		}
		m.err = err
		l.node.root.Send(l.self, m)
	})
}

// loadRetry is the pause before the store is asked again for a room.
const loadRetry = 500 * time.Millisecond

func (l *liveVideo) onLoaded(m *loadedRoom) {
	if m.err != nil {
		l.node.log.Error("starting a live video", "liveVideoId", l.id, "error", m.err)
		stash := l.stash
		l.stash = nil
		for _, s := range stash {
			l.refuse(s.message, s.sender, wire.Code_UNAVAILABLE, "The live video can't be started now.")
		}
		l.node.after(loadRetry, l.self, reload{})
		return
	}
	l.comments = m.totals.Comments
	l.lastID = m.totals.LastCommentId
	if n := len(m.rows); n > 0 {
		l.lastID = max(l.lastID, m.rows[n-1].Id) // which another node may have given
	}
	l.recent.load(m.rows, m.floor, l.lastID)
	l.countElsewhere()
	l.loaded = true
	l.pages = new(firstPages)
	l.node.firstPages.Store(l.id, l.pages)
	l.node.metrics.activations.Inc()
	stash := l.stash
	l.stash = nil
	for _, s := range stash {
		l.request(s.message, s.sender)
	}
}

const (
	// recountAfter is the pause before another store is asked again to count.
	recountAfter = 15 * time.Second
	// countPatience is how long who asks waits for that. Then they are told
	// what is known here: a post may wait for it, too (videos.autocreate).
	countPatience = time.Second
)

// countElsewhere has the comments counted that are in another store only.
func (l *liveVideo) countElsewhere() {
	l.node.after(countPatience, l.self, countLate{})
	l.node.async(func(ctx context.Context) {
		n, err := l.node.store.CountElsewhere(ctx, l.id)
		l.node.root.Send(l.self, &countedElsewhere{n, err})
	})
}

func (l *liveVideo) onCounted(m *countedElsewhere) {
	if m.err != nil {
		// Who waits is told what is known here.
		l.node.log.Debug("counting older comments", "liveVideoId", l.id, "error", m.err)
		l.node.after(recountAfter, l.self, recount{})
	}
	l.counted, l.elsewhere = true, m.comments
	l.answerCounting()
}

func (l *liveVideo) answerCounting() {
	video := &wire.Video{
		Viewers: l.subscriptions.viewers(), Comments: l.comments + l.elsewhere,
		Owner: l.node.config.NodeName, LastCommentId: l.lastID,
	}
	for _, asker := range l.counting {
		l.node.root.Send(asker, video)
	}
	l.counting = nil
}

// request handles what the edges and relays ask for.
func (l *liveVideo) request(message any, sender *actor.PID) {
	switch {
	case l.retired:
		l.refuse(message, sender, wire.Code_MOVED, "")
		return
	case !l.loaded && len(l.stash) >= maxStashed:
		l.refuse(message, sender, wire.Code_UNAVAILABLE, "The live video is starting.")
		return
	case !l.loaded:
		l.stash = append(l.stash, stashed{message, sender})
		return
	}
	l.lastUsed = l.node.now()
	switch m := message.(type) {
	case *wire.PostComment:
		l.post(m, sender)
	case *wire.DeleteComment:
		l.deleteComment(m, sender)
	case *wire.ReadRecent:
		l.node.root.Send(sender, l.recent.read(m))
	case *wire.ReadVideo:
		l.counting = append(l.counting, sender)
		if l.counted {
			l.answerCounting()
		}
	case *wire.Subscribe:
		l.subscribe(m, sender)
	case *wire.Lease:
		l.node.root.Send(sender, l.lease(m))
	}
}

// refuse answers a request with a fault, in the form that its asker expects.
func (l *liveVideo) refuse(message any, sender *actor.PID, code wire.Code, detail string) {
	fault := &wire.Fault{Code: code, Detail: detail}
	var answer any
	switch message.(type) {
	case *wire.PostComment, *wire.DeleteComment:
		answer = &wire.CommentAnswer{Fault: fault}
	case *wire.ReadRecent:
		answer = &wire.RecentRows{Fault: fault}
	case *wire.ReadVideo:
		answer = &wire.Video{Fault: fault}
	case *wire.Subscribe:
		answer = &wire.Subscribed{Fault: fault}
	case *wire.Lease:
		answer = &wire.LeaseAnswer{Fault: fault}
	}
	l.node.root.Send(sender, answer)
}

// subscribe begins or renews a relay's subscription.
func (l *liveVideo) subscribe(m *wire.Subscribe, sender *actor.PID) {
	key := m.Relay.String()
	s, known := l.subscriptions.relays[key]
	if !known {
		s = &subscription{relay: m.Relay}
		l.subscriptions.relays[key] = s
	}
	s.viewers, s.until = m.Viewers, l.node.now().Add(leaseTime)
	answer := &wire.Subscribed{
		Owner: l.self, NextSeq: s.nextSeq,
		Rows: l.recent.after(m.After), Floor: l.recent.floor, Viewers: l.subscriptions.told,
		LastCommentId: l.recent.lastID,
	}
	// Straight to the relay, as all that it will be sent from now on: the
	// asker's way is another one, on which a Publish could overtake this.
	l.node.root.Send(m.Relay, answer)
	l.node.root.Send(sender, &wire.Subscribed{})
	l.tellViewers()
}

func (l *liveVideo) lease(m *wire.Lease) *wire.LeaseAnswer {
	key := m.Relay.String()
	s, known := l.subscriptions.relays[key]
	switch {
	case !known:
		return &wire.LeaseAnswer{Fault: &wire.Fault{Code: wire.Code_NOT_FOUND}}
	case m.End:
		delete(l.subscriptions.relays, key)
	default:
		s.viewers, s.until = m.Viewers, l.node.now().Add(leaseTime)
	}
	l.tellViewers()
	return &wire.LeaseAnswer{}
}

// publish sends events to all relays.
func (l *liveVideo) publish(events *wire.Publish) {
	now := l.node.now()
	for key, s := range l.subscriptions.relays {
		if now.After(s.until) {
			delete(l.subscriptions.relays, key)
			continue
		}
		l.node.root.Send(s.relay, &wire.Publish{
			Seq: s.nextSeq, Rows: events.Rows, Deleted: events.Deleted,
			Viewers: events.Viewers, ViewersChanged: events.ViewersChanged,
		})
		s.nextSeq++
	}
}

// retiredFor is how long a retired live video answers that it has moved:
// longer than any request that was sent to it is on its way.
const retiredFor = 10 * time.Second

// onIdleTimer puts a live video that nobody uses to sleep.
func (l *liveVideo) onIdleTimer() {
	if l.retired {
		l.node.root.Stop(l.self)
		return
	}
	idle := l.node.now().Sub(l.lastUsed)
	if left := l.node.config.IdleAfter - idle; left > 0 || len(l.pending) > 0 || len(l.subscriptions.relays) > 0 || !l.loaded {
		l.node.after(max(left, time.Second), l.self, idleTimer{})
		return
	}
	l.retired = true
	l.forgetPages()
	l.node.owners.Release(l.id, l.self)
	l.node.after(retiredFor, l.self, idleTimer{})
}

// forgetPages ends the serving of pages of what this activation knows.
func (l *liveVideo) forgetPages() { l.node.firstPages.CompareAndDelete(l.id, l.pages) }
