package replication

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence"
	"barrage/persistence/records"
)

func comment(video string, id uint64) *records.Record {
	return &records.Record{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{
		Comment: &records.Comment{Id: id, LiveVideoId: video, Message: "a comment of the usual length, more or less"},
	}}}
}

// anyRecord answers a comment, one that resolves a held one, or an act in a room.
func anyRecord(video string, id uint64) *records.Record {
	r := comment(video, id)
	switch id % 4 {
	case 0:
		r.Kind = &records.Record_RoomEvent{RoomEvent: &records.RoomEvent{LiveVideoId: video, Kind: "mute", EventId: id, AtMs: int64(id)}}
		r.Room = &records.Room{Mutes: []*records.Mute{{UserId: "u", AtMs: int64(id), By: "mod"}}}
	case 1:
		r.Room = &records.Room{Held: []*records.Held{{
			Comment: &records.Comment{Id: id + 1<<40}, Resolution: records.Resolution_APPROVED, ResolvedAtMs: 1, CommentId: id,
		}}}
	}
	return r
}

func idOf(r *records.Record) uint64 {
	return max(r.GetCommentPosted().GetComment().GetId(), r.GetRoomEvent().GetEventId())
}

// teller is a live video's sink: it is told of each record once, in order.
type teller struct {
	t        *testing.T
	appended []uint64
	told     int
	kept     []uint64
	l        *memJournal
}

func (s *teller) Durable(n int, last persistence.LSN, err error) {
	s.l.mu <- struct{}{}
	defer func() { <-s.l.mu }()
	if s.told+n > len(s.appended) {
		s.t.Errorf("told of %d records, %d were appended", s.told+n, len(s.appended))
		return
	}
	for _, id := range s.appended[s.told : s.told+n] {
		if err == nil {
			s.kept = append(s.kept, id)
		}
	}
	s.told += n
	if err == nil && last == 0 {
		s.t.Error("durable nowhere")
	}
}

// memJournal is a journal in memory. What waits meets its fate by commit.
type memJournal struct {
	mu      chan struct{}
	waiting []pending
	kept    []*records.Record
	refuse  bool
	added   int
	done    int
}

type pending struct {
	record *records.Record
	sink   persistence.Sink
}

func newMem() *memJournal { return &memJournal{mu: make(chan struct{}, 1)} }

func (m *memJournal) Append(r *records.Record, sink persistence.Sink) error {
	m.mu <- struct{}{}
	defer func() { <-m.mu }()
	if m.refuse {
		return persistence.ErrUnavailable
	}
	m.added++
	m.waiting = append(m.waiting, pending{proto.Clone(r).(*records.Record), sink})
	return nil
}

// turn has the journal refuse records, or take them again.
func (m *memJournal) turn(refuse bool) {
	m.mu <- struct{}{}
	m.refuse = refuse
	<-m.mu
}

func (m *memJournal) commit(err error) {
	m.mu <- struct{}{}
	ws := m.waiting
	m.waiting = nil
	type sum struct {
		n    int
		last persistence.LSN
	}
	sums := map[persistence.Sink]*sum{}
	var order []persistence.Sink
	for _, p := range ws {
		s := sums[p.sink]
		if s == nil {
			s = &sum{}
			sums[p.sink] = s
			order = append(order, p.sink)
		}
		s.n++
		if err == nil {
			m.kept = append(m.kept, p.record)
			s.last = persistence.LSN(len(m.kept))
		}
	}
	<-m.mu
	for _, s := range order {
		s.Durable(sums[s].n, sums[s].last, err)
	}
	m.mu <- struct{}{}
	m.done += len(ws)
	<-m.mu
}

func (m *memJournal) Barrier(ctx context.Context) (persistence.LSN, error) {
	m.mu <- struct{}{}
	want := m.added
	<-m.mu
	for {
		m.mu <- struct{}{}
		done, n := m.done, len(m.kept)
		<-m.mu
		if done >= want {
			return persistence.LSN(n), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// world is an origin, its peers, and the network between them.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	local *memJournal
	j     *Journal
	disks map[string]*memJournal // of the peers; they outlive restarts
	peers map[string]*Receiver
	down  map[string]bool
	lossy bool
	route map[string]string
	calls chan func()
}

func (w *world) deliver(f func()) {
	if w.lossy && w.rnd.Intn(5) == 0 {
		return
	}
	times := 1
	if w.lossy && w.rnd.Intn(10) == 0 {
		times = 2
	}
	for range times {
		delay := time.Millisecond
		if w.lossy {
			delay = time.Duration(w.rnd.Intn(50)) * time.Millisecond // reorders
		}
		time.AfterFunc(delay, func() { w.calls <- f })
	}
}

// run runs what has arrived, on this goroutine, until nothing moves.
func (w *world) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		synctest.Wait()
		for len(w.calls) > 0 {
			(<-w.calls)()
			synctest.Wait()
		}
	}
}

func newWorld(t *testing.T, seed int64) *world {
	w := &world{
		t: t, rnd: rand.New(rand.NewSource(seed)), local: newMem(),
		disks: map[string]*memJournal{}, peers: map[string]*Receiver{}, down: map[string]bool{},
		route: map[string]string{}, calls: make(chan func(), 100_000),
	}
	for _, p := range []string{"A", "B"} {
		w.disks[p] = newMem()
		w.restart(p)
	}
	sends := make(chan send, 10_000)
	routes := map[string]string{}
	w.route = routes
	var err error
	w.j, err = New(Config{
		Local: w.local, Origin: "o", Wanted: true,
		Peer: func(v string) string { return routes[v] },
		Others: func(string) []string {
			if seed%3 == 1 {
				return []string{"A", "B"}
			}
			return nil
		},
		Send: func(p string, b Batch) { sends <- send{p, b} },
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case s := <-sends:
				w.calls <- func() { w.deliver(func() { w.arrive(s) }) }
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-ended })
	return w
}

func (w *world) arrive(s send) {
	if w.down[s.peer] {
		return
	}
	w.peers[s.peer].Take("o", s.batch, func(a Ack) {
		w.deliver(func() { w.j.Acked(s.peer, a) })
	})
}

func (w *world) restart(p string) {
	w.disks[p].waiting = nil // what was not durable
	w.peers[p] = NewReceiver(ReceiverConfig{Local: w.disks[p]})
}

func (w *world) has(id uint64) bool {
	for _, d := range w.disks {
		if slices.ContainsFunc(d.kept, func(r *records.Record) bool { return idOf(r) == id }) {
			return true
		}
	}
	return false
}

// peers are members that are called as their nodes.
func peers(names ...string) (all []Peer) {
	for _, name := range names {
		all = append(all, Peer{name, name})
	}
	return all
}

// TestRecordsAreInOrderOnceAndNotLocalOnly goes through random losses,
// restarts, refusals and changes of peers.
func TestRecordsAreInOrderOnceAndNotLocalOnly(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { modelRound(t, int64(seed)) })
		})
	}
}

func modelRound(t *testing.T, seed int64) {
	w := newWorld(t, seed)
	rnd := w.rnd
	videos := []string{"v0", "v1", "v2"}
	sinks := map[string]*teller{}
	for _, v := range videos {
		sinks[v] = &teller{t: t, l: w.local}
		w.route[v] = "A"
	}
	w.j.Members(peers("A", "B"))
	id := uint64(0)
	calm := seed%3 == 0 // no peer is ever given up
	w.lossy = !calm
	appended := 0
	for range 150 {
		switch k := rnd.Intn(100); {
		case k < 50:
			v := videos[rnd.Intn(len(videos))]
			s := sinks[v]
			id++
			w.local.mu <- struct{}{}
			s.appended = append(s.appended, id)
			<-w.local.mu
			if err := w.j.Append(anyRecord(v, id), s); err != nil {
				if !errors.Is(err, persistence.ErrUnavailable) {
					t.Fatal(err)
				}
				w.local.mu <- struct{}{}
				s.appended = s.appended[:len(s.appended)-1]
				<-w.local.mu
			}
			appended++
		case k < 62:
			var err error
			if rnd.Intn(8) == 0 {
				err = persistence.ErrUnavailable
			}
			w.local.commit(err)
		case k < 80:
			p := []string{"A", "B"}[rnd.Intn(2)]
			var err error
			if !calm && rnd.Intn(12) == 0 {
				err = persistence.ErrUnavailable
			}
			w.disks[p].commit(err)
		case k < 84:
			synctest.Wait()
			w.route[videos[rnd.Intn(len(videos))]] = []string{"A", "B"}[rnd.Intn(2)]
		case calm:
		case k < 86:
			w.down["A"] = !w.down["A"]
		case k < 88:
			w.local.turn(!w.local.refuse)
		case k < 90:
			w.restart([]string{"A", "B"}[rnd.Intn(2)])
		case k < 92:
			w.j.Members([][]Peer{peers("A", "B"), peers("A"), {}, peers("B")}[rnd.Intn(4)])
		case k < 94:
			w.disks["B"].refuse = !w.disks["B"].refuse
		}
		w.run(time.Duration(rnd.Intn(40)) * time.Millisecond)
		w.check(sinks, calm)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	// All comes to rest.
	w.local.turn(false)
	w.down["A"], w.disks["B"].refuse, w.lossy = false, false, false
	w.j.Members(peers("A", "B"))
	barrier := make(chan error, 1)
	go func() {
		_, err := w.j.Barrier(context.Background())
		barrier <- err
	}()
	for range 100 {
		w.run(100 * time.Millisecond)
		w.local.commit(nil)
		w.disks["A"].commit(nil)
		w.disks["B"].commit(nil)
	}
	select {
	case err := <-barrier:
		if err != nil {
			t.Error(err)
		}
	default:
		t.Fatalf("seed %d: the barrier does not open: %+v", seed, w.j.Stats())
	}
	for v, s := range sinks {
		if s.told != len(s.appended) {
			t.Errorf("seed %d: %s was told of %d of %d records", seed, v, s.told, len(s.appended))
		}
	}
	if s := w.j.Stats(); s.Waiting != 0 || s.WaitingBytes != 0 || len(w.j.lanes) != 0 {
		t.Errorf("seed %d: something still waits: %+v", seed, s)
	}
	w.check(sinks, calm)
	w.whole(t)
	w.confirmed(t)
	w.revoked(t)
	if err := w.j.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// check compares the local journal with what the live videos were told and, in
// calm times, with the peers' journals.
func (w *world) check(sinks map[string]*teller, calm bool) {
	w.local.mu <- struct{}{}
	defer func() { <-w.local.mu }()
	got, lack := map[string][]uint64{}, uint64(0)
	for _, r := range w.local.kept {
		v := persistence.LiveVideoOf(r)
		got[v] = append(got[v], idOf(r))
		if !w.has(idOf(r)) {
			lack++
		}
	}
	// So it is at whatever moment the origin crashes.
	if alone := w.j.Stats().Alone; lack > alone || calm && lack > 0 {
		w.t.Errorf("%d records are only here, %d went on without a copy", lack, alone)
	}
	for v, s := range sinks {
		if !slices.Equal(got[v], s.kept) {
			w.t.Errorf("%s: the journal has %v, its live video was told of %v", v, got[v], s.kept)
		}
	}
}

// whole checks that a copy has all of its record, what it sets for the room
// included.
func (w *world) whole(t *testing.T) {
	for p, d := range w.disks {
		for _, r := range d.kept {
			if Revokes(r) {
				continue
			}
			same := proto.CloneOf(r)
			same.Copy = nil
			if want := anyRecord(persistence.LiveVideoOf(r), idOf(r)); !proto.Equal(same, want) {
				t.Errorf("%s has %v, want %v", p, same, want)
			}
		}
	}
}

// confirmed checks, at each position that ClickHouse may have, that no copy is
// confirmed whose record it lacks.
func (w *world) confirmed(t *testing.T) {
	at := map[uint64]persistence.LSN{}
	for i, r := range w.local.kept {
		at[idOf(r)] = persistence.LSN(i + 1)
	}
	for upTo := range len(w.local.kept) + 1 {
		w.j.Archived(persistence.LSN(upTo))
		for p, d := range w.disks {
			for _, a := range w.j.Confirm(p) {
				for _, r := range d.kept {
					c := r.GetCopy()
					if c.GetSession() == a.Session && c.GetSeq() <= a.Seq && at[idOf(r)] > persistence.LSN(upTo) {
						t.Fatalf("record %d is at %d, and was confirmed at %d", idOf(r), at[idOf(r)], upTo)
					}
					if upTo == len(w.local.kept) && c.GetSession() == a.Session && c.GetSeq() > a.Seq {
						t.Errorf("record %d is not confirmed when all is", idOf(r))
					}
				}
			}
		}
	}
}

// revoked checks that a peer was told of all that it has and the origin has
// not.
func (w *world) revoked(t *testing.T) {
	here := map[uint64]bool{}
	for _, r := range w.local.kept {
		here[idOf(r)] = true
	}
	for p, d := range w.disks {
		gone := map[uint64]bool{}
		for _, r := range d.kept {
			if Revokes(r) {
				gone[r.GetCommentDeleted().GetCommentId()] = true
			}
		}
		for _, r := range d.kept {
			// What is set for a room can't be taken back, and needs not: it comes
			// out when owners' rooms are merged.
			if id := r.GetCommentPosted().GetComment().GetId(); id != 0 && here[id] == gone[id] {
				t.Errorf("%s has record %d: kept by the origin %v, revoked %v", p, id, here[id], gone[id])
			}
		}
	}
}
