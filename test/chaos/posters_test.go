package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"barrage/test/chaos/verify"
	"barrage/test/harness"
)

const (
	// postPatience is when a post counts as failed.
	postPatience = 60 * time.Second
	// The time after which a client tries the next node is drawn from this
	// range: below and above the 8 s that a node itself waits.
	tryAtLeast, tryAtMost = 2 * time.Second, 12 * time.Second
	// mostInFlight posts of one poster may be unanswered.
	mostInFlight = 400
	// One of so many posts is sent again later, at another node.
	repeated = 50
	// One of so many posts of a room with deletions is deleted later.
	deleted = 40
)

// posting is a poster's work.
type posting struct {
	room      string
	home      []int // indexes of nodes; each post begins at one of them
	perSecond float64
	deletes   bool
	plain     bool // nothing is sent again
}

// load is posters at work.
type load struct {
	w      *world
	cancel context.CancelFunc
	ctx    context.Context
	ended  sync.WaitGroup
}

func (w *world) newLoad() *load {
	ctx, cancel := context.WithCancel(context.Background())
	return &load{w: w, cancel: cancel, ctx: ctx}
}

// stop waits until all that was posted is answered or counts as failed.
func (l *load) stop() {
	l.cancel()
	l.ended.Wait()
}

// posters numbers them, so that all messages differ.
var posters struct {
	sync.Mutex
	n int
}

// start begins to post at a steady rate, whatever the answers do.
func (l *load) start(p posting) {
	posters.Lock()
	posters.n++
	number := posters.n
	posters.Unlock()
	l.w.mu.Lock()
	l.w.rooms[p.room] = true
	l.w.mu.Unlock()
	l.ended.Go(func() {
		random := rand.New(rand.NewPCG(l.w.seed, uint64(number)))
		slots := make(chan struct{}, mostInFlight)
		began := time.Now()
		for i := 0; ; i++ {
			due := began.Add(time.Duration(float64(i) / p.perSecond * float64(time.Second)))
			if !sleepUntil(l.ctx, due) {
				return
			}
			select {
			case slots <- struct{}{}:
			case <-l.ctx.Done():
				return
			}
			message := fmt.Sprintf("%s-%d-%d", p.room, number, i)
			u := l.w.users[random.IntN(len(l.w.users))]
			first := p.home[random.IntN(len(p.home))]
			seed := random.Uint64()
			l.ended.Go(func() {
				l.one(p, u, first, message, rand.New(rand.NewPCG(seed, 0)))
				<-slots
			})
		}
	})
}

// one posts a comment, and now and then once more, or deletes it.
func (l *load) one(p posting, u user, first int, message string, random *rand.Rand) {
	id := l.w.post(u, first, p.room, message, random)
	if id == "" || p.plain {
		return
	}
	switch {
	case random.IntN(repeated) == 0:
		if sleepUntil(l.ctx, time.Now().Add(time.Duration(random.IntN(20))*time.Second)) {
			l.w.post(u, first+1, p.room, message, random)
		}
	case p.deletes && random.IntN(deleted) == 0:
		if sleepUntil(l.ctx, time.Now().Add(time.Duration(random.IntN(10))*time.Second)) {
			l.w.delete(first+1, p.room, id)
		}
	}
}

// post posts a comment as a client would: a try that fails is followed by one
// at the next node, under the same key. It answers the id, "" if the post
// failed.
func (w *world) post(u user, first int, room, message string, random *rand.Rand) string {
	key := "key-" + message
	header := harness.Header("Idempotency-Key", key)
	began := time.Now()
	for try := 0; ; try++ {
		node := (first + try) % len(u.clients)
		patience := tryAtLeast + time.Duration(random.Int64N(int64(tryAtMost-tryAtLeast)))
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		c, err := u.clients[node].Post(ctx, room, message, header)
		cancel()
		now := time.Now()
		w.triedInVain(err)
		if err == nil {
			w.answered(verify.Answer{
				ID: number(c.ID), Room: room, User: u.name, Key: key, Message: message, Node: nodeName(node), Tries: try + 1, Began: began, At: now,
			})
			return c.ID
		}
		if now.Sub(began) > postPatience || refused(err) {
			w.mu.Lock()
			w.seen.Failures = append(w.seen.Failures, verify.Failure{
				Room: room, User: u.name, Key: key, Message: message, Why: fmt.Sprintf("%d tries, at last %s: %v", try+1, nodeName(node), err),
				Began: began, At: now,
			})
			w.mu.Unlock()
			return ""
		}
		time.Sleep(50*time.Millisecond + time.Duration(random.IntN(250))*time.Millisecond)
	}
}

// triedInVain counts a try that failed. 503 after the edge's own deadline, and
// those that take longer than their client waits, are what users would see of
// a fault if their client did not try again.
func (w *world) triedInVain(err error) {
	if err == nil {
		return
	}
	kind := "without an answer"
	if status := harness.StatusOf(err); status != 0 {
		kind = fmt.Sprint(status)
	} else if errors.Is(err, context.DeadlineExceeded) {
		kind = "given up by the client"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tries == nil {
		w.tries = map[string]int{}
	}
	w.tries[kind]++
}

// refused says whether an answer is one that trying again won't change.
func refused(err error) bool {
	status := harness.StatusOf(err)
	return status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
}

func (w *world) answered(a verify.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Answers = append(w.seen.Answers, a)
}

// delete asks the nodes in turn to delete a comment, until one does.
func (w *world) delete(first int, room, id string) {
	d := verify.Deletion{Room: room, ID: number(id), At: time.Now()}
	// What was asked for may be done, whatever is answered.
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen.Deletions = append(w.seen.Deletions, d)
	}()
	for try := range len(w.moderator) {
		ctx, cancel := context.WithTimeout(context.Background(), tryAtMost)
		err := w.moderator[(first+try)%len(w.moderator)].Delete(ctx, room, id)
		cancel()
		if err == nil {
			d.Answered = true
			return
		}
	}
}

// longestPost is how long the slowest post took from its first try.
func longestPost(r *verify.Record) (longest verify.Answer) {
	seen := map[string]bool{}
	for _, a := range r.Answers {
		if !seen[a.Key] && a.At.Sub(a.Began) > longest.At.Sub(longest.Began) {
			longest = a
		}
		seen[a.Key] = true
	}
	return longest
}

// sleepUntil says whether the time came before the end of ctx.
func sleepUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return !errors.Is(ctx.Err(), context.Canceled)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
