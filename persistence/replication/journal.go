package replication

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

// Journal makes records durable at a peer and then in the local journal. Its
// methods may be called from any goroutine.
type Journal struct {
	cfg    Config
	waking chan struct{} // holds a token while there may be something to do
	ended  chan struct{} // closed when the goroutine has ended

	// mu guards what follows, lanes, items and streams. Neither Send, Local nor
	// a sink is called with it held.
	mu      sync.Mutex
	streams map[string]*stream  // by member
	members map[string]string   // their nodes; nil: not told yet, all are, and are called as their nodes
	nodes   map[string]string   // their members
	owed    map[string][][]byte // revocations for nodes that are no members now
	lanes   map[string]*lane
	free    []*lane
	ready   []*lane // whose first item is
	sends   []send
	gen     *generation // of records that are appended now
	before  *generation // the one before it
	archive persistence.LSN
	stats   Stats
	closing bool
	empty   chan struct{} // while closing: closed when there is no lane
	stop    bool
}

var _ Local = (*Journal)(nil)

type send struct {
	peer  string
	batch Batch
}

// freeLanes bounds the lanes kept for use again.
const freeLanes = 1024

// New starts a journal.
func New(cfg Config) (*Journal, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	j := &Journal{
		cfg:     cfg.withDefaults(),
		waking:  make(chan struct{}, 1),
		ended:   make(chan struct{}),
		streams: map[string]*stream{},
		owed:    map[string][][]byte{},
		lanes:   map[string]*lane{},
		gen:     &generation{open: 1, done: make(chan struct{})},
	}
	go j.run()
	return j, nil
}

// Append implements persistence.Journal. It never waits. The first to have the
// record is the peer that is named for its live video, if there is one.
func (j *Journal) Append(record *records.Record, sink persistence.Sink) error {
	if !j.cfg.Available() {
		return fmt.Errorf("replication: the local journal is full: %w", persistence.ErrUnavailable)
	}
	if j.cfg.Peer == nil {
		return j.appendAlone(record, sink)
	}
	video := persistence.LiveVideoOf(record)
	peer := j.cfg.Peer(video)
	bytes, err := proto.Marshal(record)
	if err != nil {
		return fmt.Errorf("replication: encoding a record: %w", err)
	}
	return j.enter(record, sink, video, peer, bytes)
}

// appendAlone is for a node that never has a peer. Any other must know what is
// in the local journal, so that its sinks are told of refusals in order.
func (j *Journal) appendAlone(record *records.Record, sink persistence.Sink) error {
	j.mu.Lock()
	closing := j.closing
	j.countAlone()
	j.mu.Unlock()
	if closing {
		return persistence.ErrClosed
	}
	return j.cfg.Local.Append(record, sink)
}

func (j *Journal) enter(record *records.Record, sink persistence.Sink, video, peer string, bytes []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closing {
		return persistence.ErrClosed
	}
	st := j.open(peer)
	if st == nil {
		st = j.another(video, peer)
	}
	none := st == nil && j.streams[peer] == nil
	j.stats.NoPeer, j.stats.UnderReplicated = j.cfg.Wanted && none, j.cfg.Wanted && st == nil
	if j.stats.WaitingBytes+int64(len(bytes)) > maxWaitingBytes {
		return fmt.Errorf("replication: %d bytes wait for peers already: %w", j.stats.WaitingBytes, persistence.ErrUnavailable)
	}
	l := j.lanes[video]
	if l == nil {
		l = j.lane(video)
	}
	it := &item{record: record, bytes: bytes, sink: sink, lane: l, gen: j.gen, to: st}
	j.gen.open++
	j.gen.added = true
	l.waiting.push(it)
	j.stats.Waiting++
	j.stats.WaitingBytes += int64(len(bytes))
	if st == nil {
		j.release(it)
	} else {
		j.add(st, it)
	}
	j.wake()
	return nil
}

// open gives the stream to a peer; nil if that takes nothing now. It is called
// with mu held.
func (j *Journal) open(peer string) *stream {
	if _, member := j.members[peer]; peer == "" || j.members != nil && !member {
		return nil
	}
	st := j.stream(peer)
	if st.missing {
		return nil
	}
	return st
}

// stream gives the stream to a member. It is called with mu held.
func (j *Journal) stream(peer string) *stream {
	st := j.streams[peer]
	if st == nil {
		node := peer
		if j.members != nil {
			node = j.members[peer]
		}
		st = &stream{peer: peer, node: node, now: newSession(j.newSession()), pause: j.cfg.Resend}
		j.streams[peer] = st
	}
	return st
}

// another gives the stream to the best peer for a live video but one; nil if
// none takes anything now. It is called with mu held.
func (j *Journal) another(video, but string) *stream {
	for _, peer := range j.cfg.Others(video) {
		if peer == but {
			continue
		}
		if st := j.open(peer); st != nil {
			return st
		}
	}
	return nil
}

// lane is called with mu held.
func (j *Journal) lane(video string) *lane {
	var l *lane
	if n := len(j.free); n > 0 {
		l, j.free = j.free[n-1], j.free[:n-1]
		l.video = video
	} else {
		l = &lane{j: j, video: video}
	}
	j.lanes[video] = l
	return l
}

// drop forgets a lane that is empty. It is called with mu held.
func (j *Journal) drop(l *lane) {
	if l.waiting.len() > 0 || l.local.len() > 0 || l.outcomes.len() > 0 || l.telling || l.queued || j.lanes[l.video] != l {
		return
	}
	delete(j.lanes, l.video)
	if len(j.free) < freeLanes {
		j.free = append(j.free, l)
	}
	if j.empty != nil && len(j.lanes) == 0 {
		close(j.empty)
		j.empty = nil
	}
}

// Barrier waits until all records that were appended before have met their
// fate here, and answers the last durable position.
func (j *Journal) Barrier(ctx context.Context) (persistence.LSN, error) {
	if g := j.rotate(); g != nil {
		select {
		case <-g.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return j.cfg.Local.Barrier(ctx)
}

// rotate answers the generation of the newest record, to which no more are
// added; nil: there was none.
func (j *Journal) rotate() *generation {
	j.mu.Lock()
	defer j.mu.Unlock()
	g := j.gen
	if !g.added {
		return j.before
	}
	next := &generation{open: 2, done: make(chan struct{})}
	g.next, j.gen, j.before = next, next, g
	j.leave(g, 1)
	return g
}

// Acked takes what a peer answered.
func (j *Journal) Acked(peer string, a Ack) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if st := j.streams[peer]; st != nil {
		j.acknowledge(st, a)
		j.wake()
	}
}

// Peer is a member, and the node that it is: a node that comes back is another
// member.
type Peer struct{ Member, Node string }

// Members says who is there. What waits for others goes on without them at
// once, and Peer may name none of them. Until it is called, all are. Of two
// members that are one node, the later is the newer.
func (j *Journal) Members(peers []Peer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.members, j.nodes = make(map[string]string, len(peers)), make(map[string]string, len(peers))
	for _, p := range peers {
		j.members[p.Member], j.nodes[p.Node] = p.Node, p.Member
	}
	for p, st := range j.streams {
		if _, member := j.members[p]; !member {
			delete(j.streams, p)
			j.renew(st, true)
			for st.now.items.len() > 0 { // revocations
				j.takeBack(st.node, st.now.items.pop().bytes)
			}
		}
	}
	for node, all := range j.owed {
		if _, member := j.nodes[node]; member {
			delete(j.owed, node)
			for _, bytes := range all {
				j.takeBack(node, bytes)
			}
		}
	}
	j.wake()
}

// Archived says that this node's ClickHouse has all records up to a position
// of the local journal.
func (j *Journal) Archived(upTo persistence.LSN) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.archive = max(j.archive, upTo)
}

// Confirm answers what a peer is to be told of its copies, in each Ping: of all
// sessions, those included of which nothing is in ClickHouse. Of what it has
// not been told for a while (Receiver), it takes care itself.
func (j *Journal) Confirm(peer string) []Archived {
	j.mu.Lock()
	defer j.mu.Unlock()
	st := j.streams[peer]
	if st == nil {
		return nil
	}
	now := time.Now()
	var all []Archived
	kept := st.closed[:0]
	for _, s := range st.closed {
		s.archive(j.archive, now)
		if s.doneAt.IsZero() || now.Sub(s.doneAt) < closedMemory {
			kept = append(kept, s)
			all = append(all, Archived{s.id, s.archived})
		}
	}
	clear(st.closed[len(kept):])
	st.closed = kept
	if st.now.mostSent > 0 {
		st.now.archive(j.archive, now)
		all = append(all, Archived{st.now.id, st.now.archived})
	}
	return all
}

// Close takes no more records. What waits for a peer may do so until ctx ends;
// then it goes on without. All has met its fate here when Close returns. The
// local journal is to be closed after it.
func (j *Journal) Close(ctx context.Context) error {
	j.mu.Lock()
	if !j.closing {
		j.closing = true
		if len(j.lanes) > 0 {
			j.empty = make(chan struct{})
		}
	}
	empty := j.empty
	j.mu.Unlock()
	if empty != nil {
		select {
		case <-empty:
		case <-ctx.Done():
			j.Members(nil)
			<-empty
		}
	}
	j.mu.Lock()
	j.stop = true
	j.mu.Unlock()
	j.wake()
	<-j.ended
	return nil
}

// Stats is how replication stands.
type Stats struct {
	Waiting      int   // records that wait for a peer, or behind one that does
	WaitingBytes int64 // at most 64 MiB
	// Missing are the peers that don't take records now. NoPeer: none could be
	// named for the newest record, though one is wanted.
	Missing []string
	NoPeer  bool
	// UnderReplicated: no node took the newest record, though one is wanted. It
	// is false where another took it in the place of a missing one.
	UnderReplicated bool
	// Alone are the records that went on without a copy, though one is wanted.
	Alone uint64
	// Resent are the records that were sent more than once, Revoked those that
	// peers are to take back, each counted at each peer, and RevocationsLost those
	// that a peer is not told of.
	Resent, Revoked, RevocationsLost uint64
}

// Stats may be asked often.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	for p, st := range j.streams {
		if st.missing {
			s.Missing = append(s.Missing, p)
		}
	}
	return s
}

// countAlone is called with mu held.
func (j *Journal) countAlone() {
	if j.cfg.Wanted {
		j.stats.Alone++
	}
}

func (j *Journal) wake() {
	select {
	case j.waking <- struct{}{}:
	default:
	}
}

// newSession draws a name that no other process of this node uses.
func (j *Journal) newSession() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return max(1, binary.LittleEndian.Uint64(b[:]))
}
