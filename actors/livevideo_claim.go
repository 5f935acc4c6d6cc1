package actors

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// How a live video comes to a new owner, and leaves an old one.
//
// A new owner claims it: it asks the nodes that may have owned it for what they
// know. One that does own it finishes what it has begun, answers with what it
// has in memory, and retires. The others say what only they may know: comments
// that their relays were sent, and deletions. All else is in the stores.
//
// An owner that finds that another node is to own the live video offers it
// there (wire.Activate), so that it moves at once, with its viewers.

// Claimed is what a node answered to a claim.
type Claimed struct {
	Address string
	*wire.Claimed
}

// ErrMoved says that another node owns a live video.
type ErrMoved struct{ Owner string } // its address, or ""

func (e *ErrMoved) Error() string { return "another node owns the live video: " + e.Owner }

// loadedRoom comes from load.
type loadedRoom struct {
	totals  *records.VideoTotals
	rows    []*wire.Row // oldest first
	floor   uint64
	deleted []uint64
	claimed []Claimed
	offers  []string // that were asked
	silent  []string // members that did not answer
	// partial: the stores may lack comments that are out of reach.
	partial bool
	// own are this node's, newest first, if another had been the owner.
	own []*wire.Row
	// room and slots are what the store knows of the room and its reactions.
	room  *records.Room
	slots []*records.ReactionSlot
	err   error
}

// load reads what the live video needs to know: from the owners before this
// one, and from the store, when all that they gave to their journals has
// arrived there.
func (l *liveVideo) load() {
	if l.loading || l.retired {
		return
	}
	l.loading, l.reading = true, true
	offers, view := slices.Clone(l.offers), l.view
	l.node.async(func(ctx context.Context) {
		m := l.node.loadRoom(ctx, l.id, view, offers)
		m.offers = offers
		l.node.root.Send(l.self, m)
	})
}

func (n *Node) loadRoom(ctx context.Context, id string, view uint64, offers []string) *loadedRoom {
	m := &loadedRoom{floor: 1}
	claim := &wire.Claim{LiveVideoId: id, View: view, Limit: uint32(n.config.RecentComments)}
	m.claimed, m.err = n.owners.Claim(ctx, claim, offers...)
	m.claimed, m.silent = n.answered(m.claimed)
	if m.err != nil {
		return m
	}
	var lsn persistence.LSN
	if lsn, m.err = n.journal.Barrier(ctx); m.err == nil {
		m.err = n.applied.WaitApplied(ctx, lsn)
	}
	if m.err == nil {
		m.totals, m.err = n.store.Totals(ctx, id)
	}
	if m.err == nil {
		m.err = n.readRoom(ctx, id, m)
	}
	if m.err == nil && n.config.Deletions != nil {
		m.deleted, m.err = n.config.Deletions(ctx, id)
	}
	if m.err != nil {
		return m
	}
	limit := n.config.RecentComments
	if m.handed() {
		// It had all that is needed; but for what this node took while it could
		// not see the others.
		var comments []*records.Comment
		comments, m.err = n.config.Own.Comments(ctx, id, persistence.Range{Limit: limit, Desc: true})
		for _, c := range comments {
			m.own = append(m.own, EncodeRow(c))
		}
		if m.err == nil {
			m.err = n.addMarks(ctx, id, m)
		}
		return m
	}
	comments, err := n.store.Comments(ctx, id, persistence.Range{Limit: limit, Desc: true})
	m.partial = n.owners.Partial()
	for i := len(comments) - 1; i >= 0; i-- {
		m.rows = append(m.rows, EncodeRow(comments[i]))
	}
	switch {
	case len(m.rows) > 0 && (err != nil || len(comments) == limit):
		m.floor = m.rows[0].Id
	case err != nil:
		// Below every id that will be given, above every one that was.
		m.floor = max(m.totals.LastCommentId+1, persistence.FirstIDAt(n.now()))
	}
	if !errors.Is(err, persistence.ErrUnavailable) && !errors.Is(err, persistence.ErrIncomplete) {
		m.err = err
	} // otherwise it starts without older history
	return m
}

// addMarks adds which of the comments that others told this node knows to be
// deleted: they may not have heard of it.
func (n *Node) addMarks(ctx context.Context, id string, m *loadedRoom) error {
	from, to := ^uint64(0), uint64(0)
	for _, c := range m.claimed {
		for _, row := range c.Rows {
			from, to = min(from, row.Id), max(to, row.Id)
		}
	}
	if n.config.Marks == nil || to == 0 {
		return nil
	}
	marks, err := n.config.Marks(ctx, id, from, to)
	for deleted := range marks {
		m.deleted = append(m.deleted, deleted)
	}
	return err
}

// loadRetry is the pause before the store is asked again for a room.
const loadRetry = 500 * time.Millisecond

func (l *liveVideo) onLoaded(m *loadedRoom) {
	l.reading = false
	m.claimed = append(m.claimed, l.carried...)
	l.carried = nil
	var moved *ErrMoved
	if errors.As(m.err, &moved) && !l.retired {
		l.claim = &wire.Claim{From: moved.Owner}
		l.retire()
		l.refuseStash(wire.Code_MOVED, "")
	}
	if l.retired {
		l.inherit(m)
		l.yieldIfDone()
		return
	}
	if m.err != nil {
		l.node.log.Error("starting a live video", "liveVideoId", l.id, "error", m.err)
		l.refuseStash(wire.Code_UNAVAILABLE, "The live video can't be started now.")
		l.carried = m.claimed
		l.node.after(loadRetry, l.self, reload{})
		return
	}
	l.loadedAt = l.node.now()
	l.begin(m)
	l.loadRoomState(m)
	l.loadReactions(m)
	l.adoptAnswers(m.rows)
	for _, c := range m.claimed {
		l.adoptAnswers(c.Rows) // also of those that memory doesn't begin with
	}
	l.began = l.lastID
	l.startCount()
	l.loaded = true
	l.pages = new(firstPages)
	l.node.firstPages.Store(l.id, l.pages)
	l.node.metrics.activations.Inc()
	l.node.rooms.Add(1)
	l.settleHeld()
	l.list()
	stash := l.stash
	l.stash = nil
	for _, s := range stash {
		l.request(s.message, s.sender)
	}
	late := l.late
	l.late = nil
	for _, c := range late {
		l.verify(c)
	}
	if l.lookPending = l.lookPending || len(m.own) == 0 && len(l.holders) > 0; l.lookPending {
		l.node.after(secondLook+rand.N(secondLook/2), l.self, lookAgain{}) //nolint:gosec // jitter is no secret
	}
	l.claimLate()
}

// secondLook is when an owner that took over from a dead one looks into the
// stores again: comments that had no copy may have reached ClickHouse, and it is
// known by then how far that is to be believed.
const secondLook = 6 * time.Second

type (
	lookAgain struct{}
	// lookedAgain has what the stores have, newest first.
	lookedAgain struct{ rows []*wire.Row }
)

func (l *liveVideo) lookAgain() {
	if l.retired {
		return
	}
	l.node.async(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
		defer cancel()
		comments, err := l.node.store.Comments(ctx, l.id, persistence.Range{Limit: l.node.config.RecentComments, Desc: true})
		if err != nil {
			l.node.log.Debug("looking into the stores again", "liveVideoId", l.id, "error", err)
		}
		m := &lookedAgain{}
		for _, c := range comments {
			m.rows = append(m.rows, EncodeRow(c))
		}
		l.node.root.Send(l.self, m)
	})
}

// adoptAnswers remembers which posts these comments are of.
func (l *liveVideo) adoptAnswers(rows []*wire.Row) {
	for _, row := range rows {
		if l.loadedAt.Sub(persistence.IDTime(row.Id)) < 2*answerMemory {
			l.answers.adopt(row, l.loadedAt.Add(answerMemory))
		}
	}
}

// begin puts together what the store and other nodes know.
func (l *liveVideo) begin(m *loadedRoom) {
	floor := m.floor
	rows := m.rows
	l.lastID, l.revision = m.totals.GetLastCommentId(), m.totals.GetRevision()
	// How many comments there are, as far as somebody has counted.
	total, known := m.totals.GetComments(), l.revision != 0 && m.totals.GetCountedFrom() == 0
	handed := false
	for _, c := range m.claimed {
		if c.WasOwner || !m.handed() { // of who handed it over, the stores were not asked
			l.hearOut(c.Address)
		}
		for _, address := range c.HeardOut {
			l.hearOut(address)
		}
		if c.Holds {
			l.holders = append(l.holders, c.Address)
		}
		if c.WasOwner {
			// It had everything from its floor on.
			if handed {
				floor = max(floor, c.Floor)
			} else {
				floor, handed = c.Floor, true
			}
		}
		l.lastID = max(l.lastID, c.LastCommentId)
		// Of two that know as much, one may know less of what was before it.
		if c.Revision > l.revision || c.Revision == l.revision && !known && c.TotalComments != nil {
			l.revision, total, known = c.Revision, c.GetTotalComments(), c.TotalComments != nil
		}
	}
	if n := len(rows); n > 0 {
		l.lastID = max(l.lastID, rows[n-1].Id) // which another node may have given
	}
	if m.partial {
		// Memory must not stand for what others have. They will be read again.
		rows, floor = nil, max(l.lastID+1, persistence.FirstIDAt(l.node.now()))
	}
	l.recent.load(rows, floor, l.lastID)
	l.beginCount(total, known, m)
	for _, c := range m.claimed {
		for _, id := range c.Deleted {
			l.recent.delete(id, 0, l.loadedAt.Add(claimedDeletions))
		}
		// The newest of them decides what is shown, whoever gave it.
		l.recent.merge(c.Rows)
	}
	l.lastID = max(l.lastID, l.recent.lastID)
	l.recent.lastID = l.lastID
	for _, id := range m.deleted {
		l.recent.delete(id, l.node.applied.Applied(), l.loadedAt)
	}
	l.offers = slices.DeleteFunc(l.offers, func(s string) bool { return slices.Contains(m.offers, s) })
	for _, address := range m.silent {
		l.toAsk(address)
	}
	for _, c := range m.claimed {
		l.inheritLate(c)
	}
	if len(m.own) > 0 {
		l.late = append(l.late, &lateRows{Claimed: Claimed{Claimed: &wire.Claimed{Rows: m.own}}})
	}
}

// claimedDeletions is how long a deletion that another node told is kept: its
// journal has it, and brings it to all stores much sooner.
const claimedDeletions = 10 * time.Minute

func (l *liveVideo) refuseStash(code wire.Code, detail string) {
	stash := l.stash
	l.stash = nil
	for _, s := range stash {
		l.refuse(s.message, s.sender, code, detail)
	}
}
