package actors

import (
	"errors"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"barrage/actors/wire"
	"barrage/persistence"
)

// What an owner leaves to the next one: all that it has in memory, and all that
// it still had to do for completeness (comments to be verified and merged, nodes
// to be asked). None of that may end with an activation, or a comment is in
// history that no viewer was sent or told of.
//
// An activation may have to give a live video up before it has begun: it was
// handed the memory of an owner that is none any more, and so hands that on.

// onClaim hands the live video over to the node that owns it now.
func (l *liveVideo) onClaim(m *wire.Claim, claimant *actor.PID) {
	if claimant == nil {
		return
	}
	if m.View < l.view && !l.retired {
		// It was the owner before this one, and doesn't know yet.
		fault := &wire.Fault{Code: wire.Code_MOVED, Owner: l.self.Address}
		l.node.root.Send(claimant, &wire.Claimed{Fault: fault})
		return
	}
	l.claimants = append(l.claimants, claimant)
	if l.claim == nil || l.claim.View <= m.View {
		l.claim = m
	}
	l.handsOver = l.handsOver || !l.retired
	l.retire()
	l.refuseStash(wire.Code_MOVED, "")
	if len(l.carried) > 0 && !l.reading {
		l.inherit(&loadedRoom{claimed: l.carried, err: errNotLoaded})
		l.carried = nil
	}
	l.yieldIfDone()
}

var errNotLoaded = errors.New("the live video was not loaded")

// yieldIfDone answers claims once all that was begun is done.
func (l *liveVideo) yieldIfDone() {
	if len(l.claimants) == 0 || len(l.pending) > 0 || l.reading {
		return
	}
	answer := &wire.Claimed{}
	if l.loaded || l.inherited {
		answer = l.handOver()
		// Who asks when there has been another owner can't rely on it alone.
		answer.WasOwner = l.handsOver
		if l.handsOver && l.lastID > l.began {
			answer.TookAfter = max(l.began, 1)
		}
	}
	for _, claimant := range l.claimants {
		l.node.root.Send(claimant, answer)
	}
	l.claimants = nil
	if l.handsOver {
		l.handsOver = false
		for _, s := range l.subscriptions.relays {
			l.node.root.Send(s.relay, &wire.Moved{Activation: l.activation})
		}
	}
}

// handOver is all that the next owner needs.
func (l *liveVideo) handOver() *wire.Claimed {
	answer := &wire.Claimed{
		Holds: true, LastCommentId: l.lastID, Revision: l.revision, Floor: max(l.recent.floor, l.recent.forget),
		LookAgain: l.lookPending, HeardOut: l.heardOut,
	}
	if l.older.sure {
		total := l.comments()
		answer.TotalComments = &total
	}
	l.handOverRoom(answer)
	bytes := 0
	for i := len(l.recent.rows) - 1; i >= 0; i-- {
		row := l.recent.rows[i].Row
		if bytes += len(row.Event); bytes > maxAnswerBytes {
			answer.Floor = row.Id + 1
			break
		}
		answer.Rows = append(answer.Rows, row)
	}
	for id := range l.recent.deleted {
		answer.Deleted = append(answer.Deleted, id)
	}
	l.handOverLate(answer)
	return answer
}

// handOverLate adds what was to be merged.
func (l *liveVideo) handOverLate(answer *wire.Claimed) {
	bytes := 0
	toAsk := slices.Concat(l.offers, l.asking)
	for _, c := range slices.Concat(l.verifying, l.late) {
		address := c.Address
		if address == "" {
			address = l.self.Address // they are in this node's store
		}
		answer.LastCommentId = max(answer.LastCommentId, c.LastCommentId)
		answer.Revision = max(answer.Revision, c.Revision)
		answer.Deleted = append(answer.Deleted, c.Deleted...)
		answer.Room = joinedRooms(answer.Room, c.Room)
		answer.ReactionSlots = append(answer.ReactionSlots, c.ReactionSlots...)
		for _, row := range c.Rows {
			bytes += len(row.Event)
		}
		if bytes > maxAnswerBytes {
			toAsk = append(toAsk, address)
		} else if len(c.Rows) > 0 {
			answer.Unverified = append(answer.Unverified, &wire.Unverified{Address: address, Rows: c.Rows, MissingAfter: c.MissingAfter})
		}
	}
	slices.Sort(toAsk)
	if answer.ToAsk = slices.Compact(toAsk); len(answer.ToAsk) > 0 {
		answer.AskAfter = l.lateAfter()
	}
}

// handed says whether the owner before handed the live video over.
func (m *loadedRoom) handed() bool {
	return slices.ContainsFunc(m.claimed, func(c Claimed) bool { return c.WasOwner })
}

// inherit keeps what an activation was handed that is the owner no more, for
// the next one.
func (l *liveVideo) inherit(m *loadedRoom) {
	if l.loaded || !m.handed() {
		return // others can be asked again
	}
	l.inherited, l.loadedAt = true, l.node.now()
	if m.err != nil {
		// What this node took alone was not read.
		l.toAsk(l.self.Address)
		l.askAfter = l.recent.floor
	}
	l.begin(m)
	l.inheritRoom(m)
	l.loadReactions(m)
}

// inheritLate takes over what the owner before had to merge.
func (l *liveVideo) inheritLate(c Claimed) {
	for _, u := range c.Unverified {
		late := &lateRows{Claimed: Claimed{Address: u.Address, Claimed: &wire.Claimed{Rows: u.Rows, MissingAfter: u.MissingAfter}}}
		if l.loaded {
			l.verify(late)
		} else {
			l.late = append(l.late, late)
		}
	}
	for _, address := range c.ToAsk {
		if address != l.self.Address {
			l.toAsk(address)
		}
	}
	if c.AskAfter != 0 && (l.askAfter == 0 || c.AskAfter < l.askAfter) {
		l.askAfter = c.AskAfter
	}
	l.lookPending = l.lookPending || c.LookAgain
}

// toAsk notes a node that may have parts of the live video.
func (l *liveVideo) toAsk(address string) {
	if address != "" && !slices.Contains(l.offers, address) {
		l.offers = append(l.offers, address)
	}
}

// lateAfter is the id above which nodes are asked for what is not here yet:
// from shortly before this activation on, or from where the owner before it had
// to ask.
func (l *liveVideo) lateAfter() uint64 {
	after := persistence.FirstIDAt(l.loadedAt.Add(-answerMemory)) - 1
	if l.askAfter != 0 {
		after = min(after, l.askAfter)
	}
	return max(after, l.recent.floor-1, 1)
}

// answered tells the answers of nodes from those members that gave none.
func (n *Node) answered(claimed []Claimed) (answers []Claimed, silent []string) {
	for _, c := range claimed {
		if c.GetFault().GetCode() == wire.Code_OK {
			answers = append(answers, c)
		} else if n.owners.Member(c.Address) {
			silent = append(silent, c.Address)
		}
	}
	return answers, silent
}

// addEarlier adds what an earlier owner on the same node knows to an answer.
func addEarlier(answer, earlier *wire.Claimed) {
	answer.Rows = append(answer.Rows, earlier.Rows...)
	answer.Deleted = append(answer.Deleted, earlier.Deleted...)
	answer.Unverified = append(answer.Unverified, earlier.Unverified...)
	answer.ToAsk = append(answer.ToAsk, earlier.ToAsk...)
	if answer.AskAfter == 0 || earlier.AskAfter != 0 && earlier.AskAfter < answer.AskAfter {
		answer.AskAfter = earlier.AskAfter
	}
	answer.LookAgain = answer.LookAgain || earlier.LookAgain
	answer.LastCommentId = max(answer.LastCommentId, earlier.LastCommentId)
	if earlier.Revision > answer.Revision || earlier.Revision == answer.Revision && answer.TotalComments == nil {
		answer.Revision, answer.TotalComments = earlier.Revision, earlier.TotalComments
	}
	answer.Room = joinedRooms(answer.Room, earlier.Room)
	answer.ReactionSlots = append(answer.ReactionSlots, earlier.ReactionSlots...)
	answer.ReactionsFloor = max(answer.ReactionsFloor, earlier.ReactionsFloor)
}
