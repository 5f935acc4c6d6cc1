package actors

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// What other owners of a live video took at the same time as this one, or what
// came late from an owner before it: it is asked for, looked up in the stores,
// and merged.

// lateClaim comes from claimLate: what nodes know that were owners at the same
// time as this one, while they could not see it.
type lateClaim struct {
	asked   []string
	after   uint64
	older   bool // it was asked for older ids
	claimed []Claimed
	err     error
}

// lateRetry is the pause before nodes are asked again that did not answer, and
// lateTries how often they are.
const (
	lateRetry = time.Second
	lateTries = 10
)

type retryLate struct{}

// onOffer begins the activation, or asks a node that has parts of the live
// video for them.
func (l *liveVideo) onOffer(from string) {
	l.toAsk(from)
	if l.retired {
		return // the next owner asks it
	}
	l.load()
	if l.loaded {
		l.claimLate()
	}
}

func (l *liveVideo) claimLate() {
	if len(l.offers) == 0 || l.retired {
		return
	}
	offers := l.offers
	l.offers = nil
	older := slices.ContainsFunc(offers, func(address string) bool { return !slices.Contains(l.heardOut, address) })
	l.claimFrom(offers, l.lateAfter(), older)
}

// claimFrom asks nodes for comments above an id. older has them tell the ids of
// those below as well: one that was away when this activation began may have
// taken some alone, any time before.
func (l *liveVideo) claimFrom(offers []string, after uint64, older bool) {
	l.asking = append(l.asking, offers...)
	claim := &wire.Claim{
		LiveVideoId: l.id, View: l.view, After: after, Limit: uint32(l.node.config.RecentComments), Floor: l.recent.floor, Older: older,
	}
	l.node.async(func(ctx context.Context) {
		m := &lateClaim{asked: offers, after: after, older: older}
		m.claimed, m.err = l.node.owners.ClaimFrom(ctx, claim, offers...)
		m.claimed, _ = l.node.answered(m.claimed)
		l.node.root.Send(l.self, m)
	})
}

// onLateClaim merges what was posted elsewhere at the same time. Viewers here
// are past it, and are told of a gap.
func (l *liveVideo) onLateClaim(m *lateClaim) {
	for _, address := range m.asked {
		if i := slices.Index(l.asking, address); i >= 0 {
			l.asking = slices.Delete(l.asking, i, i+1)
		}
	}
	for _, c := range m.claimed {
		if c.Holds {
			l.doubtCount() // it may have what nobody else has
		}
		if late := (&lateRows{Claimed: c}); l.retired {
			l.late = append(l.late, late)
			if m.older {
				l.toAsk(c.Address) // the next owner asks for what is older
			}
		} else {
			l.verify(late)
			l.takeOlder(m, c)
		}
		l.inheritLate(c)
	}
	// Who is cut off, or thinks that it is the owner, is asked again.
	silent := slices.DeleteFunc(m.asked, func(address string) bool {
		return slices.ContainsFunc(m.claimed, func(c Claimed) bool { return c.Address == address })
	})
	if l.retired {
		l.offers = append(l.offers, silent...)
		return
	}
	if len(silent) == 0 {
		l.lateFailures = 0
		return
	}
	if l.lateFailures++; l.lateFailures > lateTries {
		l.node.log.Warn("another node's part of a live video can't be had", "liveVideoId", l.id, "nodes", silent, "error", m.err)
		l.lateFailures = 0
		return
	}
	l.offers = append(l.offers, silent...)
	l.node.after(lateRetry, l.self, retryLate{})
}

// takeOlder asks a node again that has older comments of which nobody knows
// here.
func (l *liveVideo) takeOlder(m *lateClaim, c Claimed) {
	missing := uint64(0)
	for _, id := range c.OlderIds { // the newest first
		_, deleted := l.recent.deleted[id]
		if id >= l.recent.floor && !l.recent.has(id) && !deleted && !slices.Contains(c.Deleted, id) {
			missing = id
		}
	}
	if len(c.OlderIds) == l.node.config.RecentComments && missing != 0 {
		missing = l.recent.floor // there may be more
	}
	switch {
	case missing != 0:
		l.claimFrom([]string{c.Address}, max(missing-1, 1), false)
	case m.older || m.after < l.lateAfter():
		l.hearOut(c.Address)
	}
}

// hearOut notes that a node has told all that it took before this activation.
func (l *liveVideo) hearOut(address string) {
	if address != "" && !slices.Contains(l.heardOut, address) {
		l.heardOut = append(l.heardOut, address)
	}
}

// Straggler is a comment, or another change, that an owner before this one has
// sent to this node, as to the one that has copies, and that came after this one
// began.
type Straggler struct {
	Comment *records.Comment
	// Room and Reactions are what else such an owner has sent.
	Room      *records.Room
	Reactions *records.ReactionsCounted
}

func (l *liveVideo) onStraggler(m *Straggler) {
	c := &lateRows{Claimed: Claimed{Claimed: m.claimed()}}
	if l.loaded && !l.retired {
		l.verify(c)
	} else {
		l.late = append(l.late, c)
	}
}

// lateRows are comments that are verified, and then merged.
type lateRows struct {
	Claimed
	since time.Time // when they were first to be verified
}

// verified comes from verify: which comments above one id and below another
// are in the stores, and other comments there of posts that came late.
type verified struct {
	late          *lateRows
	after, before uint64
	there         map[uint64]bool
	twins         map[uint64]*wire.Row // by the late one's id
	err           error
}

// verify looks in the stores which of the comments that are not here yet are
// there, before they are merged: one that was deleted is still in the store of
// a node that did not hear of it. Posts of which the stores have another
// comment, older than memory, are found as well. Until then they are among
// l.verifying.
func (l *liveVideo) verify(c *lateRows) {
	r := persistence.Range{Limit: maxLate}
	var unknown []*wire.Row
	for _, row := range c.Rows {
		if l.recent.has(row.Id) || l.isPending(row.Id) {
			continue
		}
		unknown = append(unknown, row)
		if row.Id >= l.recent.floor {
			if r.Before == 0 || row.Id <= r.After {
				r.After = row.Id - 1
			}
			r.Before = max(r.Before, row.Id+1)
		}
	}
	if len(unknown) == 0 {
		l.mergeLate(c)
		return
	}
	if c.since.IsZero() {
		c.since = l.node.now()
		l.verifying = append(l.verifying, c)
	} else if l.node.now().Sub(c.since) > verifyPatience {
		l.mergeLate(c) // their node went away with its store
		return
	}
	if c.Address != "" && !l.node.owners.Member(c.Address) {
		// Its store is not read with the others' yet.
		l.node.after(lateRetry, l.self, &unverified{c})
		return
	}
	l.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
		defer cancel()
		m := &verified{late: c, after: r.After, before: r.Before}
		if r.Before != 0 {
			m.there, m.err = l.node.stored(ctx, l.id, r)
		}
		if m.err == nil {
			m.twins, m.err = l.node.twins(ctx, l.id, unknown)
		}
		l.node.root.Send(l.self, m)
	})
}

// mergeLate ends verify.
func (l *liveVideo) mergeLate(c *lateRows) {
	l.verifying = slices.DeleteFunc(l.verifying, func(v *lateRows) bool { return v == c })
	l.merge([]Claimed{c.Claimed})
}

const (
	// maxLate is the most comments that are verified at a time.
	maxLate       = 1 << 16
	verifyTimeout = 5 * time.Second
	// verifyPatience is how long comments wait for a node that could tell
	// whether they were deleted.
	verifyPatience = 30 * time.Second
)

// stored gives the ids of a range that are in the stores.
func (n *Node) stored(ctx context.Context, id string, r persistence.Range) (map[uint64]bool, error) {
	if err := n.Settle(ctx); err != nil {
		return nil, err
	}
	comments, err := n.store.Comments(ctx, id, r)
	if err != nil {
		return nil, fmt.Errorf("reading what came late: %w", err)
	}
	there := make(map[uint64]bool, len(comments))
	for _, c := range comments {
		there[c.Id] = true
	}
	return there, nil
}

// twins gives the other comments that the stores have of the posts that some
// are of, by their ids: taken by another owner within a minute.
func (n *Node) twins(ctx context.Context, id string, rows []*wire.Row) (map[uint64]*wire.Row, error) {
	type post struct {
		token  uint64
		userID string
	}
	posts := map[post]*wire.Row{}
	var first, last uint64
	for _, row := range rows {
		if row.PostToken != 0 {
			posts[post{row.PostToken, row.UserId}] = row
			if first == 0 || row.Id < first {
				first = row.Id
			}
			last = max(last, row.Id)
		}
	}
	if len(posts) == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	there := map[uint64]bool{}
	after := persistence.FirstIDAt(persistence.IDTime(first).Add(-answerMemory)) - 1
	before := persistence.FirstIDAt(persistence.IDTime(last).Add(answerMemory))
	twins := map[uint64]*wire.Row{}
	for read := 0; read < maxLate; {
		comments, err := n.store.Comments(ctx, id, persistence.Range{After: after, Before: before, Limit: twinsPage})
		if err != nil {
			return nil, fmt.Errorf("reading what came twice: %w", err)
		}
		for _, c := range comments {
			row := posts[post{c.PostToken, c.UserId}]
			if row == nil {
				continue
			}
			if there[c.Id] = true; row.Id == c.Id {
				continue
			}
			if apart := persistence.IDTime(row.Id).Sub(persistence.IDTime(c.Id)); apart.Abs() < answerMemory {
				twins[row.Id] = EncodeRow(c)
			}
		}
		if len(comments) < twinsPage {
			break
		}
		read += len(comments)
		after = comments[len(comments)-1].Id
	}
	// One that was taken back already is none to be kept.
	maps.DeleteFunc(twins, func(id uint64, _ *wire.Row) bool { return !there[id] })
	return twins, nil
}

// twinsPage is how many comments are looked through at a time.
const twinsPage = 4096

// takeBackTwin ends it that a post is there twice, once in the stores alone, and
// says whether the late comment was the one taken back.
func (l *liveVideo) takeBackTwin(row, twin *wire.Row) bool {
	if twin == nil || l.recent.has(twin.Id) || l.isDeleted(twin.Id) || l.isDeleted(row.Id) {
		return false // merge does it, or it is done
	}
	if !l.heldAs(row) && !answeredRather(row, twin) {
		l.revoke(row)
		return true
	}
	l.revoke(twin)
	return false
}

func (l *liveVideo) onVerified(m *verified) {
	switch {
	case l.retired: // the next owner does it
	case m.err != nil:
		l.node.log.Debug("what came late can't be verified now", "liveVideoId", l.id, "error", m.err)
		l.node.after(lateRetry, l.self, &unverified{m.late})
	default:
		m.late.Rows = slices.DeleteFunc(m.late.Rows, func(row *wire.Row) bool {
			return row.Id > m.after && row.Id < m.before && !m.there[row.Id] || l.takeBackTwin(row, m.twins[row.Id])
		})
		l.mergeLate(m.late)
	}
}

// unverified has comments verified again, after their stores could not be
// read.
type unverified struct{ late *lateRows }

// merge takes what others know of a live video that is active here.
func (l *liveVideo) merge(claimed []Claimed) {
	events := &wire.Publish{}
	for _, c := range claimed {
		if c.Holds && !slices.Contains(l.holders, c.Address) {
			l.holders = append(l.holders, c.Address)
		}
		l.revision = max(l.revision, c.Revision)
		for _, id := range c.Deleted {
			switch _, known := l.recent.deleted[id]; {
			case l.recent.has(id):
				events.Deleted = append(events.Deleted, id)
			case id < l.recent.floor && !known:
				l.doubtCount()
			}
			l.recent.delete(id, 0, l.node.now().Add(claimedDeletions))
		}
		l.mergeReactions(c)
		if room := l.claimedRoom(c); room != nil {
			l.mergeRoom(room, events)
		}
		rows, came, floor := c.Rows, false, l.recent.floor
		slices.SortFunc(rows, func(a, b *wire.Row) int { return cmp.Compare(a.Id, b.Id) })
		for _, row := range rows {
			if l.isPending(row.Id) {
				continue // a copy of what is on its way here
			}
			if l.isDeleted(row.Id) {
				continue // it may be of a post of which another comment stays
			}
			if row.PostToken != 0 && l.twinOfHeld(row) {
				l.revoke(row)
				continue
			}
			if twin, known := l.twinOf(row); twin != nil {
				if !l.heldAs(row) && !answeredRather(row, twin) {
					l.revoke(row)
					continue
				}
				l.revoke(twin)
				if known != nil {
					l.answers.remove(known)
				}
			}
			if row.Id < l.recent.floor {
				l.doubtCount()
			}
			if !l.recent.insert(row, 0) {
				continue
			}
			l.answers.adopt(row, l.node.now().Add(answerMemory))
			came = true
			if events.MissedAfter == 0 || row.Id <= events.MissedAfter {
				events.MissedAfter = row.Id - 1
			}
			events.MissedBefore = max(events.MissedBefore, row.Id+1)
		}
		l.missesSome(c, rows, came, floor, events)
		l.lastID = max(l.lastID, c.LastCommentId, l.recent.lastID)
	}
	l.settleHeld()
	l.unpinDeleted()
	l.readPinned()
	if events.Room != nil {
		events.Room = l.roomState() // with the pinned comment, if it has come
	}
	l.tellReactions()
	l.listCounts()
	if events.MissedBefore == 0 && len(events.Deleted) == 0 && events.Room == nil && len(events.Held) == 0 && len(events.Muted) == 0 {
		return
	}
	l.pages.version.Add(1)
	l.evict()
	l.publish(events)
}

// twinOf gives another comment of the same post that is here, and what is
// remembered of it, if it is.
func (l *liveVideo) twinOf(row *wire.Row) (*wire.Row, *keptAnswer) {
	if row.PostToken == 0 {
		return nil, nil
	}
	if known := l.answers.find(row.PostToken, row.UserId); known != nil && known.id() != row.Id {
		return known.comment(), known
	}
	if l.recent.has(row.Id) {
		return nil, nil
	}
	return l.recent.twinOf(row), nil
}

// missesSome adds to events what another owner took that is not among the rows
// that it gave, or was too old for memory, which began at a floor: it is in the
// stores alone. came says that some of the rows were new.
func (l *liveVideo) missesSome(c Claimed, rows []*wire.Row, came bool, floor uint64, events *wire.Publish) {
	after := c.MissingAfter
	if took := c.TookAfter; took != 0 && (took+1 < floor || took+1 < c.Floor) {
		after = took
	} else if !came {
		return // it had all of that
	}
	if after == 0 {
		return
	}
	if events.MissedAfter == 0 || after < events.MissedAfter {
		events.MissedAfter = after
	}
	events.MissedBefore = max(events.MissedBefore, min(max(floor, c.Floor), c.LastCommentId+1))
	if len(rows) > 0 && (c.MissingAfter != 0 || c.Floor > floor) {
		l.recent.forgetBelow(rows[0].Id)
	}
}

// isPending says whether a comment is one of this owner's that is not durable
// here yet; the node that has its copies may have it already.
func (l *liveVideo) isPending(id uint64) bool {
	return slices.ContainsFunc(l.pending, func(p *pendingRecord) bool { return p.row != nil && p.row.Id == id })
}

// answeredRather says of two comments of one post, taken by two owners, whether
// its author was answered with the first of them. Of two tries shortly after
// another it is the one sent later: who sends it has given up the earlier. If
// that was answered in time before the request of the later one came, or if
// there is more time in between, the post is repeated.
func answeredRather(row, other *wire.Row) bool {
	apart := sentAt(row).Sub(sentAt(other))
	first, later := other, row
	if apart < 0 {
		first, later = row, other
	}
	givenUp := apart.Abs() < triesTime && !answeredBefore(first, later)
	return (apart > 0) == givenUp
}

// answeredBefore says whether a comment was answered at once, and some time
// before the request came of which another is. An owner that is cut off takes
// longer: it waits for the node that is to have a copy. Who has given up sends
// the next request soon.
func answeredBefore(row, later *wire.Row) bool {
	after := time.Duration(row.AnsweredAfterMs) * time.Millisecond
	came := sentAt(later).Add(-time.Duration(later.PostWaitedMs) * time.Millisecond)
	return after > 0 && after < inTime && came.After(sentAt(row).Add(after+sentSoon))
}

func sentAt(row *wire.Row) time.Time {
	if row.GetPostSentMs() == 0 {
		return persistence.IDTime(row.GetId())
	}
	return time.UnixMilli(row.GetPostSentMs())
}

// triesTime is about how long an edge tries; its last try begins so much after
// its first.
const triesTime = 6500 * time.Millisecond

// inTime is when an answer certainly comes while its edge still waits for it.
const inTime = 1500 * time.Millisecond

// sentSoon is how long who has given up a request usually waits, at most,
// before the next.
const sentSoon = time.Second

// revoke takes back a comment that is there twice: its author was not answered
// with this one.
func (l *liveVideo) revoke(row *wire.Row) {
	record := &records.CommentDeleted{
		LiveVideoId: l.id, CommentId: row.Id, DeletedBy: row.UserId, DeletedAtMs: l.node.now().UnixMilli(),
		UserId: row.UserId, ParentId: row.ParentId,
	}
	p := &pendingRecord{delete: row.Id, change: l.unpinned(row.Id)}
	if l.recent.has(row.Id) || l.isPending(row.Id) {
		p.comments = -1 // it was counted
	}
	l.append(&records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: record}, Room: p.change.room()}, p)
}
