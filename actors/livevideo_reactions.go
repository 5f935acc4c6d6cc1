package actors

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
	"barrage/persistence/records"
)

// Reactions are counted by the edges, each of which has a session for a live
// video and says how many it has counted so far. The highest of what a session
// says is right; so to count a request again, at another owner or in another
// order, changes nothing. A total is the sum over the sessions.

const (
	// MaxReactedComments is for how many comments, the newest, the totals are
	// kept in memory and told. Those of older ones are counted in the stores.
	MaxReactedComments = 10_000
	// maxReactionSlots is how many sessions' counts of comments an owner reads
	// as it begins.
	maxReactionSlots = 3 * MaxReactedComments
	// reactionsPeriod is the shortest time between two tellings of totals, and
	// maxReactionsTold for how many comments they are told at a time.
	reactionsPeriod  = time.Second
	maxReactionsTold = 200
)

// reactions are those to a live video and to its newest comments.
type reactions struct {
	video    reacted
	comments map[uint64]*reacted
	// floor: those to comments with lower ids are not here.
	floor uint64

	// To be told: of the live video, and of comments in the order of change.
	videoChanged bool
	changed      []uint64
	toldAt       time.Time
	timer        bool

	pending map[reactKey]*reactBatch
}

// reacted is what sessions have counted for one target. There are few kinds and
// few sessions: lists are smaller than maps.
type reacted struct {
	totals  []kindCount
	slots   []reactionSlot
	changed bool // it is in reactions.changed
}

type reactionSlot struct {
	session uint64
	counts  []kindCount
}

type kindCount struct {
	kind string
	n    uint64
}

// reactKey names a request of an edge.
type reactKey struct{ session, seq uint64 }

// reactBatch is a request whose records are not all durable.
type reactBatch struct {
	key     reactKey
	left    int
	failed  []uint64 // comments, 0 for the live video, whose reactions are not stored
	waiters []*actor.PID
}

// pendingReaction is a target of a batch.
type pendingReaction struct {
	batch  *reactBatch
	target *wire.ReactTarget
}

func (r *reactions) init() {
	r.comments, r.pending = map[uint64]*reacted{}, map[reactKey]*reactBatch{}
}

// all is the totals by kind; nil if there are none.
func (t *reacted) all() map[string]uint64 {
	if t == nil || len(t.totals) == 0 {
		return nil
	}
	all := make(map[string]uint64, len(t.totals))
	for _, c := range t.totals {
		all[c.kind] = c.n
	}
	return all
}

func (t *reacted) slot(session uint64) *reactionSlot {
	for i := range t.slots {
		if t.slots[i].session == session {
			return &t.slots[i]
		}
	}
	return nil
}

// counted is what a session has counted of a kind.
func (s *reactionSlot) counted(kind string) uint64 {
	if s == nil {
		return 0
	}
	for _, c := range s.counts {
		if c.kind == kind {
			return c.n
		}
	}
	return 0
}

// raise brings a session's count of a kind up to n, and says by how much.
func (t *reacted) raise(session uint64, kind string, n uint64) uint64 {
	s := t.slot(session)
	have := s.counted(kind)
	if n <= have {
		return 0
	}
	if s == nil {
		t.slots = append(t.slots, reactionSlot{session: session})
		s = &t.slots[len(t.slots)-1]
	}
	setCount(&s.counts, kind, n-have)
	setCount(&t.totals, kind, n-have)
	return n - have
}

// setCount adds to the count of a kind.
func setCount(counts *[]kindCount, kind string, more uint64) {
	for i := range *counts {
		if (*counts)[i].kind == kind {
			(*counts)[i].n += more
			return
		}
	}
	*counts = append(*counts, kindCount{kind, more})
}

// target gives what is reacted to, made if need be; nil for a comment that is
// too old.
func (r *reactions) target(commentID uint64) *reacted {
	switch {
	case commentID == 0:
		return &r.video
	case commentID < r.floor:
		return nil
	}
	t := r.comments[commentID]
	if t == nil {
		if len(r.comments) >= MaxReactedComments+MaxReactedComments/10 {
			r.evict()
			if commentID < r.floor {
				return nil
			}
		}
		t = &reacted{}
		r.comments[commentID] = t
	}
	return t
}

// evict forgets the oldest comments beyond the bound.
func (r *reactions) evict() {
	ids := r.newestFirst()
	for _, id := range ids[MaxReactedComments:] {
		delete(r.comments, id)
	}
	r.floor = max(r.floor, ids[MaxReactedComments]+1)
}

// raiseFloor forgets comments of which others may know more than is told here.
func (r *reactions) raiseFloor(floor uint64) {
	if floor <= r.floor {
		return
	}
	r.floor = floor
	for id := range r.comments {
		if id < floor {
			delete(r.comments, id)
		}
	}
}

func (r *reactions) newestFirst() []uint64 {
	ids := make([]uint64, 0, len(r.comments))
	for id := range r.comments {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids
}

// merge takes what a session has counted, and says how much is new.
func (r *reactions) merge(commentID, session uint64, counts map[string]uint64) (more uint64) {
	t := r.target(commentID)
	if t == nil {
		return 0
	}
	for kind, n := range counts {
		more += t.raise(session, kind, n)
	}
	if more > 0 {
		r.note(commentID, t)
	}
	return more
}

// note has a target's totals told.
func (r *reactions) note(commentID uint64, t *reacted) {
	if commentID == 0 {
		r.videoChanged = true
	} else if !t.changed {
		t.changed = true
		r.changed = append(r.changed, commentID)
	}
}

// has says whether a target's counts are known already.
func (r *reactions) has(session uint64, target *wire.ReactTarget) bool {
	t := &r.video
	if target.CommentId != 0 {
		t = r.comments[target.CommentId]
	}
	if t == nil {
		return false
	}
	slot := t.slot(session)
	return !slices.ContainsFunc(target.Counts, func(c *wire.ReactCount) bool { return slot.counted(c.Type) < c.SessionTotal })
}

// react counts reactions.
func (l *liveVideo) react(m *wire.React, sender *actor.PID) {
	key := reactKey{m.Session, m.Seq}
	if batch := l.reactions.pending[key]; batch != nil {
		batch.waiters = append(batch.waiters, sender)
		return
	}
	targets := slices.DeleteFunc(slices.Clone(m.Targets), func(t *wire.ReactTarget) bool {
		return len(t.Counts) == 0 || l.reactions.has(m.Session, t) || t.CommentId != 0 && l.recent.deletedOrMissing(t.CommentId)
	})
	switch {
	case len(targets) == 0:
		l.node.root.Send(sender, &wire.ReactAnswer{})
		return
	case l.room.set.GetEnded().GetEnded():
		l.refuse(m, sender, wire.Code_ENDED, "The live video has ended.")
		return
	}
	batch := &reactBatch{key: key, waiters: []*actor.PID{sender}}
	now := l.node.now().UnixMilli()
	for _, t := range targets {
		record := &records.ReactionsCounted{
			LiveVideoId: l.id, ReactionId: reactionID(m.Session, m.Seq, t.CommentId), CommentId: t.CommentId,
			CreatedAtMs: now, Session: m.Session,
		}
		for _, c := range t.Counts {
			record.Counts = append(record.Counts, &records.ReactionCount{Type: c.Type, Count: c.Count, SessionTotal: c.SessionTotal})
		}
		p := &pendingRecord{reaction: &pendingReaction{batch, t}}
		if !l.append(&records.Record{Kind: &records.Record_ReactionsCounted{ReactionsCounted: record}}, p) {
			batch.failed = append(batch.failed, t.CommentId)
			continue
		}
		batch.left++
	}
	if batch.left == 0 {
		l.node.root.Send(sender, batch.answer())
		return
	}
	l.reactions.pending[key] = batch
}

// reactionID is the same for each try of a request.
func reactionID(session, seq, commentID uint64) uint64 {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], session)
	binary.BigEndian.PutUint64(b[8:], seq)
	binary.BigEndian.PutUint64(b[16:], commentID)
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(sum[:])
}

// onReacted takes reactions that are durable.
func (l *liveVideo) onReacted(p *pendingReaction) {
	counts := make(map[string]uint64, len(p.target.Counts))
	for _, c := range p.target.Counts {
		counts[c.Type] = c.SessionTotal
	}
	if id := p.target.CommentId; id == 0 || !l.recent.deletedOrMissing(id) {
		l.node.metrics.reactions.Add(float64(l.reactions.merge(id, p.batch.key.session, counts)))
	}
	l.reacted(p, nil)
}

// reacted answers a request when all of it is decided.
func (l *liveVideo) reacted(p *pendingReaction, err error) {
	b := p.batch
	if err != nil {
		b.failed = append(b.failed, p.target.CommentId)
	}
	if b.left--; b.left > 0 {
		return
	}
	delete(l.reactions.pending, b.key)
	answer := b.answer()
	for _, waiter := range b.waiters {
		l.node.root.Send(waiter, answer)
	}
}

func (b *reactBatch) answer() *wire.ReactAnswer {
	if len(b.failed) == 0 {
		return &wire.ReactAnswer{}
	}
	return &wire.ReactAnswer{
		Fault:     &wire.Fault{Code: wire.Code_UNAVAILABLE, Detail: "The reactions can't be stored now."},
		Uncounted: b.failed,
	}
}

type reactionsTimer struct{}

// tellReactions tells the relays of changed totals, once in a while.
func (l *liveVideo) tellReactions() {
	r := &l.reactions
	if r.timer || !r.videoChanged && len(r.changed) == 0 {
		return
	}
	now := l.node.now()
	if wait := reactionsPeriod - now.Sub(r.toldAt); wait > 0 {
		r.timer = true
		l.node.after(wait, l.self, reactionsTimer{})
		return
	}
	r.toldAt = now
	var told []*wire.ReactionTotals
	if r.videoChanged {
		r.videoChanged = false
		told = append(told, &wire.ReactionTotals{Totals: r.video.all()})
	}
	n := min(len(r.changed), maxReactionsTold)
	for _, id := range r.changed[:n] {
		if t := r.comments[id]; t != nil {
			t.changed = false
			told = append(told, &wire.ReactionTotals{CommentId: id, Totals: t.all()})
		}
	}
	if r.changed = r.changed[n:]; len(r.changed) == 0 {
		r.changed = nil
	}
	if n > 0 && l.pages != nil {
		l.pages.version.Add(1)
	}
	l.list()
	if len(told) > 0 {
		l.publish(&wire.Publish{Reactions: told})
	}
	if len(r.changed) > 0 {
		l.tellReactions() // when it is time
	}
}

func (l *liveVideo) readReactions(m *wire.ReadReactions, sender *actor.PID) {
	answer := &wire.ManyReactions{}
	for _, id := range m.CommentIds {
		t := l.reactions.comments[id]
		if id == 0 {
			t = &l.reactions.video
		}
		if totals := t.all(); totals != nil {
			answer.Totals = append(answer.Totals, &wire.ReactionTotals{CommentId: id, Totals: totals})
		}
	}
	l.node.root.Send(sender, answer)
}

// encodeSlots writes what sessions have counted, the live video's first and
// then the newest comments', up to so many bytes; floor is as in Claimed.
func (r *reactions) encodeSlots(maxBytes int) (encoded [][]byte, floor uint64) {
	size := 0
	add := func(commentID uint64, t *reacted) bool {
		for _, s := range t.slots {
			slot := &records.ReactionSlot{CommentId: commentID, Session: s.session, Totals: map[string]uint64{}}
			for _, c := range s.counts {
				slot.Totals[c.kind] = c.n
			}
			b, err := proto.Marshal(slot)
			if size += len(b); err != nil || commentID != 0 && size > maxBytes {
				return false
			}
			encoded = append(encoded, b)
		}
		return true
	}
	add(0, &r.video)
	for _, id := range r.newestFirst() {
		if !add(id, r.comments[id]) {
			return encoded, id + 1
		}
	}
	return encoded, r.floor
}

// slotsFloor is the floor of slots that a store gave, the newest comments'
// first, where it was asked for no more than limit of these.
func slotsFloor(slots []*records.ReactionSlot, limit int) uint64 {
	comments := 0
	for _, s := range slots {
		if s.CommentId != 0 {
			comments++
		}
	}
	if comments < limit {
		return 0
	}
	return slots[len(slots)-1].CommentId + 1
}

// encodeStoredSlots is as encodeSlots, of what a store gave.
func encodeStoredSlots(slots []*records.ReactionSlot, maxBytes int) (encoded [][]byte, floor uint64, err error) {
	floor = slotsFloor(slots, maxReactionSlots)
	size := 0
	for _, s := range slots {
		b, err := proto.Marshal(s)
		if err != nil {
			return nil, 0, err
		}
		if size += len(b); s.CommentId != 0 && size > maxBytes {
			return encoded, max(floor, s.CommentId+1), nil
		}
		encoded = append(encoded, b)
	}
	return encoded, floor, nil
}

// loadReactions takes what the store and other nodes know.
func (l *liveVideo) loadReactions(m *loadedRoom) {
	r := &l.reactions
	r.floor = slotsFloor(m.slots, maxReactionSlots)
	for _, s := range m.slots {
		r.merge(s.CommentId, s.Session, s.Totals)
	}
	for _, c := range m.claimed {
		l.mergeReactions(c)
	}
	for id := range l.recent.deleted {
		delete(r.comments, id)
	}
	// Nobody follows this activation yet.
	r.videoChanged, r.changed = false, nil
	for _, t := range r.comments {
		t.changed = false
	}
}

// mergeReactions takes what another node knows.
func (l *liveVideo) mergeReactions(c Claimed) {
	l.reactions.raiseFloor(c.ReactionsFloor)
	for _, encoded := range c.ReactionSlots {
		slot := new(records.ReactionSlot)
		if err := proto.Unmarshal(encoded, slot); err != nil {
			l.node.log.Warn("another node's reactions can't be read", "liveVideoId", l.id, "node", c.Address, "error", err)
			return
		}
		if _, deleted := l.recent.deleted[slot.CommentId]; !deleted {
			l.reactions.merge(slot.CommentId, slot.Session, slot.Totals)
		}
	}
}
