package httpedge

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors/wire"
)

// Reactions come by the hundred thousand and mean nothing one by one. So a node
// adds up those to a live video: it has one request to the owner under way at a
// time, and what comes meanwhile goes with the next. Each request says how many
// of each kind there have been in this session, so that one that is tried again
// can't count twice.

const (
	// maxSessionCounters is how many sums a session keeps. One that needs more
	// ends, and another begins.
	maxSessionCounters = 4096
	// maxBatchCounters is how many sums a request may change: it must be small
	// beside the comments' records.
	maxBatchCounters = 512
	// batchInterval is the shortest time between two requests: each is a record in
	// the journal, and viewers are told of totals once a second. A reaction that
	// comes after a pause goes at once.
	batchInterval = 25 * time.Millisecond
	// sessionIdle is after how long without a reaction a session ends. Each that
	// there ever was costs the live video a few bytes for good.
	sessionIdle = 10 * time.Minute
)

// reactors adds up the reactions of a node.
type reactors struct {
	owners   func() requester
	patience time.Duration // until a reaction is durable

	mu      sync.Mutex
	byVideo map[string]*reactor
	swept   time.Time
}

// requester is what of actors.Owners is needed.
type requester interface {
	Request(ctx context.Context, liveVideoID string, message proto.Message) (proto.Message, error)
}

// reactor adds up the reactions to a live video.
type reactor struct {
	all   *reactors
	video string

	// Guarded by all.mu:
	waiting []*reactionBatch // the last of them takes what comes
	running bool
	used    time.Time

	// Of the goroutine that is running:
	session uint64 // 0: none has begun
	seq     uint64
	totals  map[counter]uint64 // of the session
	sent    time.Time          // when the last request was
}

// counter is one of the sums.
type counter struct {
	comment uint64
	kind    string
}

// reactionBatch is what goes with one request.
type reactionBatch struct {
	until  time.Time // when the first of those who wait is to be answered
	counts map[counter]uint32
	done   chan struct{} // closed when err is known
	err    error
	// uncounted are the comments, 0 for the live video, that err is about; none:
	// all of them.
	uncounted []uint64
}

func newReactors(owners func() requester, patience time.Duration) *reactors {
	return &reactors{owners: owners, patience: patience, byVideo: map[string]*reactor{}}
}

// count counts a reaction and waits until that is durable.
func (a *reactors) count(video string, r reaction) error {
	batch := a.join(video, r, time.Now())
	<-batch.done // it ends by its own deadline
	if len(batch.uncounted) > 0 && !slices.Contains(batch.uncounted, r.comment) {
		return nil
	}
	return batch.err
}

// join adds a reaction to those that go with the next request.
func (a *reactors) join(video string, r reaction, now time.Time) *reactionBatch {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgetIdle(now)
	of := a.byVideo[video]
	if of == nil {
		of = &reactor{all: a, video: video}
		a.byVideo[video] = of
	}
	of.used = now
	batch := of.open(now)
	batch.counts[counter{r.comment, r.kind}] += uint32(r.count)
	if !of.running {
		of.running = true
		go of.run()
	}
	return batch
}

// open gives the batch that takes what comes now.
func (r *reactor) open(now time.Time) *reactionBatch {
	if n := len(r.waiting); n > 0 && len(r.waiting[n-1].counts) < maxBatchCounters {
		return r.waiting[n-1]
	}
	batch := &reactionBatch{until: now.Add(r.all.patience), counts: map[counter]uint32{}, done: make(chan struct{})}
	r.waiting = append(r.waiting, batch)
	return batch
}

// forgetIdle ends the sessions that nobody uses.
func (a *reactors) forgetIdle(now time.Time) {
	if now.Sub(a.swept) < sweepEvery {
		return
	}
	a.swept = now
	for video, r := range a.byVideo {
		if !r.running && now.Sub(r.used) > sessionIdle {
			delete(a.byVideo, video)
		}
	}
}

// run sends what waits, until nothing does.
func (r *reactor) run() {
	for {
		r.all.mu.Lock()
		if len(r.waiting) == 0 {
			r.running = false
			r.all.mu.Unlock()
			return
		}
		batch := r.waiting[0]
		if wait := batchInterval - time.Since(r.sent); wait > 0 && len(r.waiting) == 1 {
			r.all.mu.Unlock()
			<-time.After(wait) // more may come for the same request
			continue
		}
		r.waiting = r.waiting[1:]
		r.all.mu.Unlock()
		r.sent = time.Now()
		batch.err = r.send(batch)
		close(batch.done)
	}
}

// send brings a batch to the owner. If it is not known what became of it, the
// session ends: its sums are not known either.
func (r *reactor) send(batch *reactionBatch) error {
	ctx, cancel := context.WithDeadline(context.Background(), batch.until)
	defer cancel()
	if ctx.Err() != nil {
		return reactionsUnavailable()
	}
	if r.session == 0 || len(r.totals)+len(batch.counts) > maxSessionCounters {
		r.session, r.seq, r.totals = max(1, rand.Uint64()), 0, map[counter]uint64{} //nolint:gosec // unique, no secret
	}
	answer, err := r.all.owners().Request(ctx, r.video, r.request(batch))
	if err == nil {
		batch.uncounted, err = reactionFault(answer)
	} else {
		err = reactionsUnavailable()
	}
	if err != nil {
		r.session = 0
		return err
	}
	r.seq++
	for c, n := range batch.counts {
		r.totals[c] += uint64(n)
	}
	return nil
}

func reactionFault(answer proto.Message) (uncounted []uint64, err error) {
	reacted, ok := answer.(*wire.ReactAnswer)
	if !ok {
		return nil, errors.New("unexpected answer of an owner to reactions")
	}
	if fault := reacted.Fault; fault.GetCode() != wire.Code_OK {
		return reacted.Uncounted, problemOf(fault)
	}
	return nil, nil
}

func reactionsUnavailable() error {
	return unavailable.because("Reactions can't be counted now.").after(unavailableRetry)
}

// request makes a batch's request.
func (r *reactor) request(batch *reactionBatch) *wire.React {
	counters := make([]counter, 0, len(batch.counts))
	for c := range batch.counts {
		counters = append(counters, c)
	}
	slices.SortFunc(counters, func(a, b counter) int {
		return cmp.Or(cmp.Compare(a.comment, b.comment), cmp.Compare(a.kind, b.kind))
	})
	m := &wire.React{Session: r.session, Seq: r.seq + 1}
	for _, c := range counters {
		n := len(m.Targets)
		if n == 0 || m.Targets[n-1].CommentId != c.comment {
			m.Targets = append(m.Targets, &wire.ReactTarget{CommentId: c.comment})
			n++
		}
		count := batch.counts[c]
		m.Targets[n-1].Counts = append(m.Targets[n-1].Counts, &wire.ReactCount{
			Type: c.kind, Count: count, SessionTotal: r.totals[c] + uint64(count),
		})
	}
	return m
}
