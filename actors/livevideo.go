package actors

import (
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence"
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
	loading, loaded bool
	reading         bool // a loadedRoom is to come
	stash           []stashed
	// retired: the video's next request starts another activation.
	retired  bool
	lastUsed time.Time

	// activation tells this one from all others of the live video.
	activation uint64
	// view is the revision of the view in which this node is the owner.
	view uint64
	// claim is of the next owner: claimants are answered when nothing is pending
	// or loading.
	claim     *wire.Claim
	claimants []*actor.PID
	handsOver bool // to them: nobody has been the owner since
	// offers are the nodes that handed the live video over, or may have parts
	// of it, and are still to be asked; asking those that are being asked.
	offers, asking []string
	// heardOut are the addresses of nodes that have told all that they know of
	// from before this activation.
	heardOut     []string
	askAfter     uint64      // above which id the owner before this one would have asked them; 0: it had none to ask
	late         []*lateRows // that came while it was loaded
	lateFailures int         // in a row
	// verifying is what the stores are being asked about.
	verifying   []*lateRows
	lookPending bool // a second look into the stores is to come
	// inherited: retired before it was loaded, with what was handed to it.
	// carried is what was when it could not be loaded.
	inherited bool
	carried   []Claimed
	// holders are the nodes that have comments of it in their stores.
	holders  []string
	loadedAt time.Time

	lastID uint64 // the highest comment id given
	// began is lastID as the activation began: who followed another owner
	// further than that may have missed something.
	began    uint64
	revision uint64 // of the live video's newest record
	recent   *recent
	older    olderCount
	// pendingComments are those that the pending records add, or take away.
	pendingComments int
	// pending are the records given to the journal that are not durable yet,
	// in the order in which they were given.
	pending []*pendingRecord
	answers *answers
	// pages are known to the node from when the room is loaded until it retires.
	pages *firstPages

	subscriptions subscriptions
	room          roomState
	reactions     reactions
	listed        *listedVideo
	missed        []missedRange // that relays were told of, oldest first
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
	// comments is by how many the live video has more with it.
	comments int
	memory   time.Duration // how long its answer is remembered
	// waiters are who is to be told.
	waiters []*actor.PID

	change   *roomChange // in the room, or nil
	posted   *postNote   // what was noted of its author
	reaction *pendingReaction
	// held is a post that is held, with its digest and token.
	held   *wire.Row
	digest []byte
	token  uint64
	// resolves is the held comment that is approved or rejected, or 0.
	resolves uint64
	// answerRow is the answer, if it is not row.
	answerRow *wire.Row
}

type (
	// durable comes from the journal, through journalSink.
	durable struct {
		n    int
		last persistence.LSN
		err  error
	}
	reload    struct{}
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
		l.loading = false
		l.load()
	case *countedOlder:
		l.onCountedOlder(m)
	case recount:
		l.recount()
	case countLate:
		l.older.known = true
		l.answerAskers()
	case *durable:
		l.onDurable(m)
	case leasesTimer:
		l.onLeasesTimer()
	case viewersTimer:
		l.subscriptions.timer = false
		l.tellViewers()
	case reactionsTimer:
		if l.reactions.timer = false; !l.retired {
			l.tellReactions()
		}
	case *pinnedRead:
		l.onPinnedRead(m)
	case readPinnedAgain:
		if !l.retired {
			l.readPinned()
		}
	case idleTimer:
		l.onIdleTimer()
	case *actor.Stopping:
		l.forgetPages()
		l.unlist()
		if l.loaded {
			l.node.rooms.Add(-1)
		}
	case *keyChecked:
		l.onKeyChecked(m)
	case *wire.Claim:
		l.onClaim(m, ctx.Sender())
	case *wire.Activate:
		l.view = max(l.view, m.View)
		l.onOffer(m.From)
	case *lateClaim:
		l.onLateClaim(m)
	case retryLate:
		if l.loaded && !l.retired {
			l.claimLate()
		}
	case *verified:
		l.onVerified(m)
	case lookAgain:
		l.lookAgain()
	case *lookedAgain:
		if !l.retired {
			l.lookPending = false
			l.merge([]Claimed{{Claimed: &wire.Claimed{Rows: m.rows}}})
		}
	case *unverified:
		if !l.retired {
			l.verify(m.late)
		}
	case *Straggler:
		l.onStraggler(m)
	case *wire.PostComment, *wire.DeleteComment, *wire.ReadRecent, *wire.ReadVideo, *wire.Subscribe, *wire.Lease,
		*wire.ChangeRoom, *wire.React, *wire.ResolveHeld, *wire.ReadHeld, *wire.ReadMutes, *wire.ReadReactions:
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
	l.activation = rand.Uint64() //nolint:gosec // unique, no secret
	l.recent = newRecent(l.node.config.RecentComments)
	l.answers = newAnswers()
	l.subscriptions.relays = map[string]*subscription{}
	l.reactions.init()
	l.lastUsed = l.node.now()
	l.node.after(min(l.node.config.IdleAfter, unusedFor), l.self, idleTimer{})
}

// request handles what the edges and relays ask for.
func (l *liveVideo) request(message any, sender *actor.PID) {
	switch {
	case l.retired, !l.node.owners.Sure():
		// Somebody else may own it by now; the asker finds out.
		l.refuse(message, sender, wire.Code_MOVED, "")
		return
	case !l.loaded && len(l.stash) >= maxStashed:
		l.refuse(message, sender, wire.Code_UNAVAILABLE, "The live video is starting.")
		return
	case !l.loaded:
		l.load()
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
		answer := l.recent.read(m)
		answer.Reacted, answer.Holding = len(l.reactions.comments) > 0, l.room.held.waiting > 0
		l.node.root.Send(sender, answer)
	case *wire.ReadVideo:
		l.readVideo(m, sender)
	case *wire.ChangeRoom:
		l.changeRoom(m, sender)
	case *wire.React:
		l.react(m, sender)
	case *wire.ResolveHeld:
		l.resolveHeld(m, sender)
	case *wire.ReadHeld:
		l.readHeld(m, sender)
	case *wire.ReadMutes:
		l.readMutes(sender)
	case *wire.ReadReactions:
		l.readReactions(m, sender)
	case *wire.Subscribe:
		l.subscribe(m, sender)
	case *wire.Lease:
		l.node.root.Send(sender, l.lease(m))
	}
}

// refuse answers a request with a fault, in the form that its asker expects.
func (l *liveVideo) refuse(message any, sender *actor.PID, code wire.Code, detail string) {
	fault := &wire.Fault{Code: code, Detail: detail}
	if code == wire.Code_MOVED && l.claim != nil {
		fault.Owner = l.claim.From
	}
	l.node.root.Send(sender, faultyAnswer(message, fault))
}

func faultyAnswer(message any, fault *wire.Fault) (answer any) {
	switch message.(type) {
	case *wire.PostComment, *wire.DeleteComment, *wire.ResolveHeld:
		answer = &wire.CommentAnswer{Fault: fault}
	case *wire.ChangeRoom:
		answer = &wire.Video{Fault: fault}
	case *wire.React:
		answer = &wire.ReactAnswer{Fault: fault}
	case *wire.ReadHeld:
		answer = &wire.HeldRows{Fault: fault}
	case *wire.ReadMutes:
		answer = &wire.Mutes{Fault: fault}
	case *wire.ReadReactions:
		answer = &wire.ManyReactions{Fault: fault}
	case *wire.ReadRecent:
		answer = &wire.RecentRows{Fault: fault}
	case *wire.ReadVideo:
		answer = &wire.Video{Fault: fault}
	case *wire.Subscribe:
		answer = &wire.Subscribed{Fault: fault}
	case *wire.Lease:
		answer = &wire.LeaseAnswer{Fault: fault}
	}
	return answer
}

// subscribe begins or renews a relay's subscription.
func (l *liveVideo) subscribe(m *wire.Subscribe, sender *actor.PID) {
	key := m.Relay.String()
	s, known := l.subscriptions.relays[key]
	if !known {
		s = &subscription{relay: m.Relay, unheard: unheard{most: uint64(l.node.config.UnheardBytes)}}
		l.subscriptions.relays[key] = s
	}
	s.viewers, s.until = m.Viewers, l.node.now().Add(leaseTime)
	l.watchLeases()
	if m.Activation == l.activation {
		s.unheard.hear(m.NextSeq)
	}
	if !s.unheard.caughtUp() {
		l.node.root.Send(sender, &wire.Subscribed{Fault: &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: "Too much is on its way there."}})
		return
	}
	after := m.After
	if m.From != 0 {
		after = min(after, m.From-1)
	}
	answer := &wire.Subscribed{
		Owner: l.self, Activation: l.activation, NextSeq: s.nextSeq,
		Rows: l.recent.after(after), Floor: l.recent.floor, Viewers: l.subscriptions.told,
		LastCommentId: l.recent.lastID, From: m.From,
		Room: l.roomState(), Held: l.heldForRelay(), Muted: l.mutedLately(),
	}
	if totals := l.reactions.video.all(); totals != nil {
		answer.Reactions = &wire.ReactionTotals{Totals: totals}
	}
	lost := m.Activation == l.activation && (!known || m.NextSeq < s.nextSeq)
	answer.MissedAfter = l.missedBy(m, lost)
	if m.Activation == 0 {
		answer.Deleted = l.deletions()
	}
	boundRows(answer)
	// Straight to the relay, as all that it will be sent from now on: the
	// asker's way is another one, on which a Publish could overtake this.
	l.node.root.Send(m.Relay, answer)
	l.node.root.Send(sender, &wire.Subscribed{})
	if lost || m.Activation != 0 && m.Activation != l.activation {
		l.repeatDeletions(s)
	}
	l.tellViewers()
}

// repeatDeletions tells a relay that has followed another owner, or lost a
// message, what was deleted lately: it may not have heard.
func (l *liveVideo) repeatDeletions(s *subscription) {
	events := &wire.Publish{Seq: s.nextSeq, Activation: l.activation}
	for _, d := range l.deletions() {
		events.Deleted = append(events.Deleted, d.CommentId)
	}
	if len(events.Deleted) > 0 {
		l.node.root.Send(s.relay, events)
		s.nextSeq++
	}
}

// boundRows leaves the oldest rows out of an answer that would be too large;
// the relay announces them as a gap if it lacks them.
func boundRows(m *wire.Subscribed) {
	bytes := 0
	for i := len(m.Rows) - 1; i >= 0; i-- {
		if bytes += len(m.Rows[i].Event); bytes > maxAnswerBytes {
			m.Floor, m.Rows = m.Rows[i].Id+1, m.Rows[i+1:]
			return
		}
	}
}

func (l *liveVideo) lease(m *wire.Lease) *wire.LeaseAnswer {
	key := m.Relay.String()
	s, known := l.subscriptions.relays[key]
	answer := &wire.LeaseAnswer{Activation: l.activation}
	switch {
	case !known:
		answer.Fault = &wire.Fault{Code: wire.Code_NOT_FOUND}
		return answer
	case m.End:
		delete(l.subscriptions.relays, key)
	default:
		s.viewers, s.until = m.Viewers, l.node.now().Add(leaseTime)
		if m.NextSeq != nil {
			s.unheard.hear(m.GetNextSeq())
		}
		answer.NextSeq = s.nextSeq
	}
	l.tellViewers()
	return answer
}

// publish sends events to all relays.
func (l *liveVideo) publish(events *wire.Publish) {
	now := l.node.now()
	l.noteMissed(events, now)
	size := proto.Size(events)
	for key, s := range l.subscriptions.relays {
		if now.After(s.until) {
			delete(l.subscriptions.relays, key)
			continue
		}
		ok, news := s.unheard.room()
		if news {
			l.node.metrics.slowRelays.Inc()
			l.node.log.Warn("a node is too slow for a live video, and is sent nothing until it has caught up", "liveVideoId", l.id, "node", s.relay.Address)
		}
		if !ok {
			s.nextSeq++ // its lease tells it that something is missing
			continue
		}
		s.unheard.send(s.nextSeq, size)
		l.node.root.Send(s.relay, &wire.Publish{
			Seq: s.nextSeq, Activation: l.activation, Rows: events.Rows, Deleted: events.Deleted,
			Viewers: events.Viewers, ViewersChanged: events.ViewersChanged,
			MissedAfter: events.MissedAfter, MissedBefore: events.MissedBefore,
			Room: events.Room, Reactions: events.Reactions, Held: events.Held, Muted: events.Muted,
		})
		s.nextSeq++
	}
}

// publishRows sends events to all relays, in messages of a bounded size.
func (l *liveVideo) publishRows(events *wire.Publish) {
	rows := events.Rows
	for {
		n, bytes := 0, 0
		for n < len(rows) && (n == 0 || bytes+len(rows[n].Event) <= maxPublishBytes) {
			bytes += len(rows[n].Event)
			n++
		}
		events.Rows, rows = rows[:n], rows[n:]
		if len(rows) == 0 {
			l.publish(events) // deletions come last: they may be of these rows
			return
		}
		l.publish(&wire.Publish{Rows: events.Rows})
	}
}

const (
	// maxPublishBytes and maxAnswerBytes bound the comments in a message, well
	// below what a node takes.
	maxPublishBytes = 256 << 10
	maxAnswerBytes  = 1 << 20
)

// retiredFor is how long a retired live video answers that it has moved:
// longer than any request that was sent to it is on its way.
const retiredFor = 10 * time.Second

// unusedFor is how long a live video that was never used stays when nobody asks
// for it any more: anybody may ask for any id.
const unusedFor = 2 * time.Second

// onIdleTimer puts a live video that nobody uses to sleep.
func (l *liveVideo) onIdleTimer() {
	if l.retired && len(l.pending) > 0 {
		l.node.after(time.Second, l.self, idleTimer{}) // its authors wait
		return
	}
	if l.retired {
		l.node.root.Stop(l.self)
		return
	}
	idle := l.node.now().Sub(l.lastUsed)
	if left := l.idleAfter() - idle; left > 0 || len(l.pending) > 0 || len(l.subscriptions.relays) > 0 || !l.loaded {
		l.node.after(max(left, time.Second), l.self, idleTimer{})
		return
	}
	l.retire()
}

func (l *liveVideo) idleAfter() time.Duration {
	if !l.exists() {
		return min(l.node.config.IdleAfter, unusedFor)
	}
	return l.node.config.IdleAfter
}

// retire ends the activation: from now on requests are told that it has moved.
func (l *liveVideo) retire() {
	if l.retired {
		return
	}
	l.retired = true
	l.forgetPages()
	l.unlist()
	l.node.owners.Release(l.id, l.self)
	linger := retiredFor
	if l.loaded && l.claim == nil && !l.exists() {
		linger = unusedFor
	}
	l.node.after(linger, l.self, idleTimer{})
}

// forgetPages ends the serving of pages of what this activation knows.
func (l *liveVideo) forgetPages() { l.node.firstPages.CompareAndDelete(l.id, l.pages) }
