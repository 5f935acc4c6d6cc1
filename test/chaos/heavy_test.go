//go:build chaos

package chaos

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"barrage/test/chaos/verify"
	"barrage/test/harness"
	"barrage/test/netns"
)

// TestARollingRestartIsNotNoticed restarts one node after the other under 1,000
// posts a second and 3,000 viewers.
func TestARollingRestartIsNotNoticed(t *testing.T) {
	const (
		rooms     = 300
		perSecond = 1000.0
		viewers   = 3000
	)
	w := newWorld(t, worldOptions{users: 100})
	c := &crowd{posters: w.newLoad()}
	clients := w.watchers()
	for i := range viewers {
		room := fmt.Sprint("room-", i%rooms)
		home := i / rooms % len(w.cluster.Nodes)
		c.viewers = append(c.viewers, w.watch(&viewer{
			name: fmt.Sprintf("viewer %d at %s", i, nodeName(home)), room: room, home: home, gzip: i%2 == 0,
		}, clients))
		if i%100 == 99 { // not all at once
			if err := c.viewers[i].joined(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, v := range c.viewers {
		if err := v.joined(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rooms {
		c.posters.start(posting{room: fmt.Sprint("room-", i), home: []int{0, 1, 2}, perSecond: perSecond / rooms, plain: true})
	}
	w.say("%d viewers, %g posts a second to %d rooms", viewers, perSecond, rooms)
	loaded := time.Now()
	time.Sleep(5 * time.Second)
	for i, n := range w.cluster.Nodes {
		before := time.Now()
		w.say("%s: SIGTERM", nodeName(i))
		if status := n.Terminate(); status != 0 {
			t.Errorf("%s ended with status %d", nodeName(i), status)
		}
		w.say("%s has left after %s", nodeName(i), time.Since(before).Round(time.Millisecond))
		time.Sleep(time.Second)
		n.Launch()
		w.cluster.WaitWhole()
		w.say("the cluster is whole")
		time.Sleep(5 * time.Second)
	}
	w.mu.Lock()
	n := len(w.seen.Answers)
	w.mu.Unlock()
	// That the load was what it should have been.
	w.note(verify.Text("posts answered a second", fmt.Sprintf("%.0f", float64(n)/time.Since(loaded).Seconds())))
	w.finish(c)
}

// TestAllRoomsOfAMemberThatLeavesAreServedAgain has 10,000 rooms active. Those
// of the member that leaves have a viewer each at another node.
func TestAllRoomsOfAMemberThatLeavesAreServedAgain(t *testing.T) {
	for _, how := range []string{"leaves", "is killed"} {
		t.Run("it "+how, func(t *testing.T) { tenThousandRooms(t, how == "leaves") })
	}
}

func tenThousandRooms(t *testing.T, graceful bool) {
	const rooms, atOnce, bound = 10000, 200, 5 * time.Second
	w := newWorld(t, worldOptions{users: 100})
	leaver := w.cluster.Nodes[0]
	name := func(i int) string { return fmt.Sprint("room-", i) }
	var mu sync.Mutex
	var lost []int
	parallel(atOnce, rooms, func(i int) {
		l := &load{w: w}
		l.once(name(i), i, "first")
		owner, err := w.cluster.Owner(t.Context(), w.cluster.Nodes[1], name(i))
		if err != nil {
			t.Error(err)
		}
		if owner == leaver {
			mu.Lock()
			lost = append(lost, i)
			mu.Unlock()
		}
	})
	w.say("%d rooms are active, %d at the member that goes", rooms, len(lost))
	clients := w.watchers()
	viewers := make([]*viewer, len(lost))
	parallel(atOnce, len(lost), func(i int) {
		viewers[i] = w.watch(&viewer{name: "viewer of " + name(lost[i]), room: name(lost[i]), home: 1 + i%2}, clients)
		if err := viewers[i].joined(); err != nil {
			t.Error(err)
		}
	})
	w.say("each of them has a viewer")

	var took, seen atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	if graceful {
		all.Go(func() { leaver.Terminate() })
	} else {
		leaver.Kill()
	}
	all.Go(func() {
		parallel(atOnce, len(lost), func(i int) {
			l := &load{w: w}
			l.once(name(lost[i]), 1+i%2, "second")
			longest(&took, time.Since(began))
		})
	})
	all.Wait()
	w.say("all are answered, the last after %s", time.Duration(took.Load()).Round(time.Millisecond))
	for _, v := range viewers {
		for v.last() == 0 && time.Since(began) < harness.Patience {
			time.Sleep(time.Millisecond)
		}
		longest(&seen, time.Since(began))
	}
	w.note(verify.Text("rooms that changed their owner", fmt.Sprint(len(lost))))
	if graceful {
		w.note(verify.Below("a post to each of them is answered", time.Duration(took.Load()), bound))
		w.note(verify.Below("each viewer has it", time.Duration(seen.Load()), bound))
	} else {
		// The death has to be noticed first.
		w.note(verify.Below("a post to each of them is answered", time.Duration(took.Load()), 2*bound))
		w.note(verify.Below("each viewer has it", time.Duration(seen.Load()), 2*bound))
	}
	leaver.Launch()
	w.cluster.WaitWhole()
	c := &crowd{posters: w.newLoad(), viewers: viewers}
	w.finish(c)
}

// once posts one comment, at another node than 0 after the first.
func (l *load) once(room string, first int, message string) {
	l.w.mu.Lock()
	l.w.rooms[room] = true
	l.w.mu.Unlock()
	l.w.post(l.w.users[first%len(l.w.users)], first, room, room+"-"+message, newRandom(l.w.seed, room+message))
}

func longest(to *atomic.Int64, d time.Duration) {
	for old := to.Load(); int64(d) > old && !to.CompareAndSwap(old, int64(d)); old = to.Load() {
	}
}

// parallel calls do for 0 to n-1, some at once.
func parallel(atOnce, n int, do func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}

// TestTheOwnerSendsAsMuchToOneViewerOfANodeAsToThousands measures what leaves
// the owner's host while 1, 100 and 3,000 viewers are at another node.
func TestTheOwnerSendsAsMuchToOneViewerOfANodeAsToThousands(t *testing.T) {
	w := newWorld(t, worldOptions{users: 10, network: netns.New(t, nodeName(0), nodeName(1), nodeName(2), harness.ConsulHost)})
	owner := w.cluster.Nodes[0]
	room := w.cluster.OwnedBy(t, owner, "room-", 1)[0]
	clients := w.watchers()
	var viewers []*viewer
	var sent []float64
	for _, n := range []int{1, 100, 3000} {
		parallel(50, n-len(viewers), func(i int) {
			v := w.watch(&viewer{name: "viewer", room: room, home: 1}, clients)
			if err := v.joined(); err != nil {
				t.Error(err)
			}
			w.mu.Lock()
			viewers = append(viewers, v)
			w.mu.Unlock()
		})
		time.Sleep(3 * time.Second) // the counts of viewers are told
		const seconds, perSecond = 8, 50
		idle := w.bytesOf(0, seconds*time.Second)
		l := w.newLoad()
		l.start(posting{room: room, home: []int{0}, perSecond: perSecond, plain: true})
		busy := w.bytesOf(0, seconds*time.Second)
		l.stop()
		perPost := (busy - idle) / (seconds * perSecond)
		w.say("%d viewers: %.0f bytes idle, %.0f with posts, %.1f a post", n, idle, busy, perPost)
		w.note(verify.Text(fmt.Sprintf("owner's bytes out for a post, %d viewers at another node", n), fmt.Sprintf("%.0f", perPost)))
		sent = append(sent, perPost)
	}
	least, most := sent[0], sent[0]
	for _, s := range sent {
		least, most = min(least, s), max(most, s)
	}
	w.note(verify.Row{
		What: "the most of them by the least", Figure: fmt.Sprintf("%.2f", most/least), ToReach: "under 1.1", Met: most/least < 1.1,
	})
	w.finish(&crowd{posters: w.newLoad(), viewers: viewers})
}

// bytesOf is what a host's cable carries out in a time.
func (w *world) bytesOf(node int, d time.Duration) float64 {
	w.t.Helper()
	read := func() float64 {
		cmd := exec.Command("cat", "/sys/class/net/eth0/statistics/tx_bytes")
		w.network.Host(nodeName(node)).Command(cmd)
		out, err := cmd.Output()
		if err != nil {
			w.t.Fatal(err)
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	before := read()
	time.Sleep(d)
	return read() - before
}

// newRandom is the same for the same seed and name.
func newRandom(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it has no errors
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
