package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"barrage/test/chaos/verify"
	"barrage/test/harness"
)

// Beside the posts: reactions at every node, and users that are muted and go on
// posting all the same.
const (
	reactRate    = 5.0 // requests a second at each node and room
	mostCount    = 50  // reactions of one request
	mutedUsers   = 3
	mutedRate    = 1.0 // posts a second of each of them
	leastSilence = 4 * time.Second
	mostSilence  = 12 * time.Second
)

var reactionTypes = []string{"like", "love", "clap"}

// react sends reactions to a room at a node. A request is not tried again: one
// without an answer may be counted or not.
func (l *load) react(room string, home int) {
	l.w.mu.Lock()
	l.w.rooms[room] = true
	l.w.mu.Unlock()
	l.ended.Go(func() {
		random := rand.New(rand.NewPCG(l.w.seed, uint64(1000+home)))
		slots := make(chan struct{}, mostInFlight)
		began := time.Now()
		for i := 0; sleepUntil(l.ctx, began.Add(time.Duration(float64(i)/reactRate*float64(time.Second)))); i++ {
			r := verify.Reaction{Room: room, Type: reactionTypes[random.IntN(len(reactionTypes))], Count: 1 + uint64(random.IntN(mostCount))}
			u := l.w.users[random.IntN(len(l.w.users))]
			select {
			case slots <- struct{}{}:
			case <-l.ctx.Done():
				return
			}
			l.ended.Go(func() {
				l.w.react(u.clients[home], r)
				<-slots
			})
		}
	})
}

func (w *world) react(client *harness.Client, r verify.Reaction) {
	ctx, cancel := context.WithTimeout(context.Background(), tryAtMost)
	defer cancel()
	answer, err := client.Do(ctx, http.MethodPost, "/comments/"+r.Room+"/reactions", map[string]any{"type": r.Type, "count": r.Count}, nil)
	r.Answered = err == nil && answer.Status == http.StatusAccepted
	r.At = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Reactions = append(w.seen.Reactions, r)
}

// mutes mutes a user of a room again and again, at any node, who posts all the
// while.
func (l *load) mutes(room string, number int) {
	u := l.w.newUser(fmt.Sprint("muted", number), "viewer")
	random := rand.New(rand.NewPCG(l.w.seed, uint64(2000+number)))
	l.ended.Go(func() {
		for {
			if !sleepUntil(l.ctx, time.Now().Add(leastSilence)) || !l.mute(http.MethodPut, room, u.name, random) {
				return
			}
			from := time.Now()
			going := sleepUntil(l.ctx, from.Add(leastSilence+rand.N(mostSilence-leastSilence)))
			l.w.mu.Lock()
			l.w.seen.Silences = append(l.w.seen.Silences, verify.Silence{Room: room, User: u.name, Window: verify.Window{From: from, To: time.Now()}})
			l.w.mu.Unlock()
			if !going || !l.mute(http.MethodDelete, room, u.name, random) {
				return
			}
		}
	})
	l.ended.Go(func() {
		posts := rand.New(rand.NewPCG(l.w.seed, uint64(3000+number)))
		for i := 0; sleepUntil(l.ctx, time.Now().Add(time.Duration(float64(time.Second)/mutedRate))); i++ {
			l.w.postIfAllowed(u, posts.IntN(len(u.clients)), room, fmt.Sprintf("%s-%s-%d", room, u.name, i), posts)
		}
	})
}

// mute mutes or unmutes a user, trying until it is answered; false at the end
// of the load.
func (l *load) mute(method, room, user string, random *rand.Rand) bool {
	var body any
	if method == http.MethodPut {
		body = map[string]int{"seconds": 0}
	}
	for l.ctx.Err() == nil {
		client := l.w.moderator[random.IntN(len(l.w.moderator))]
		ctx, cancel := context.WithTimeout(l.ctx, tryAtMost)
		answer, err := client.Do(ctx, method, "/videos/"+room+"/mutes/"+user, body, nil)
		cancel()
		if err == nil && answer.Status < 300 {
			return true
		}
		sleepUntil(l.ctx, time.Now().Add(100*time.Millisecond))
	}
	return false
}

// postIfAllowed posts as post does, but takes a refusal as an answer.
func (w *world) postIfAllowed(u user, first int, room, message string, random *rand.Rand) {
	key := "key-" + message
	began := time.Now()
	for try := 0; ; try++ {
		node := (first + try) % len(u.clients)
		ctx, cancel := context.WithTimeout(context.Background(), tryAtMost)
		c, err := u.clients[node].Post(ctx, room, message, harness.Header("Idempotency-Key", key))
		cancel()
		now := time.Now()
		failure := verify.Failure{Room: room, User: u.name, Key: key, Message: message, Began: began, At: now}
		switch {
		case err == nil:
			w.answered(verify.Answer{
				ID: number(c.ID), Room: room, User: u.name, Key: key, Message: message, Node: nodeName(node), Tries: try + 1, Began: began, At: now,
			})
			return
		case harness.StatusOf(err) == http.StatusForbidden:
			failure.Why = err.Error()
			w.mu.Lock()
			w.seen.Refusals = append(w.seen.Refusals, failure)
			w.mu.Unlock()
			return
		case now.Sub(began) > postPatience || refused(err):
			failure.Why = fmt.Sprintf("%d tries, at last %s: %v", try+1, nodeName(node), err)
			w.mu.Lock()
			w.seen.Failures = append(w.seen.Failures, failure)
			w.mu.Unlock()
			return
		}
		time.Sleep(50*time.Millisecond + time.Duration(random.IntN(250))*time.Millisecond)
	}
}

// totals reads the counts of all rooms at all nodes.
func (w *world) totals() ([]verify.Totals, error) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	var all []verify.Totals
	for i, n := range w.cluster.Nodes {
		t := verify.Totals{Node: nodeName(i), Rooms: map[string]map[string]uint64{}, Comments: map[string]int{}}
		client := n.Anyone()
		for room := range w.rooms {
			v, err := client.Video(ctx, room)
			if err != nil {
				return all, fmt.Errorf("%s, room %s: %w", nodeName(i), room, err)
			}
			t.Rooms[room], t.Comments[room] = v.Reactions, v.Comments
		}
		all = append(all, t)
	}
	return all, nil
}

// countTotals reads the totals until all nodes tell the same, and that of their
// histories, or calm is over.
func (w *world) countTotals() {
	for deadline := time.Now().Add(w.calm); ; time.Sleep(100 * time.Millisecond) {
		all, err := w.totals()
		w.seen.Totals = all
		late := time.Now().After(deadline)
		if err == nil && (late || len(verify.DifferentTotals(&w.seen)) == 0 && len(verify.MiscountedComments(&w.seen)) == 0) {
			return
		}
		if late {
			w.note(verify.Row{What: "totals read at all nodes", Figure: err.Error(), ToReach: "yes"})
			return
		}
	}
}

// order is the load of reactions, and of those who keep order.
func (l *load) order(rooms []string) {
	for i := range l.w.cluster.Nodes {
		for _, room := range rooms {
			l.react(room, i)
		}
	}
	for i := range mutedUsers {
		l.mutes(rooms[i%len(rooms)], i)
	}
}

// tried is how many requests of each outcome there were, for the report.
func (w *world) tried() verify.Row {
	answered := 0
	for _, r := range w.seen.Reactions {
		if r.Answered {
			answered++
		}
	}
	return verify.Text("requests with reactions answered, of all; posts refused to muted users", fmt.Sprintf("%d of %d; %d", answered, len(w.seen.Reactions), len(w.seen.Refusals)))
}
