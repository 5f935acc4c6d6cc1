package actors

import (
	"cmp"
	"context"
	"fmt"
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
	gone := make(map[uint64]bool, len(c.Deleted))
	for _, id := range c.Deleted {
		gone[id] = true
	}
	missing := uint64(0)
	for _, id := range c.OlderIds { // the newest first
		if id >= l.recent.floor && !l.recent.has(id) && !l.isDeleted(id) && !gone[id] {
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
