package chaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"barrage/test/chaos/verify"
	"barrage/test/harness"
)

// calm after the last fault; histories must be the same then.
const calm = 10 * time.Second

// Load of a run: a hot room and quiet ones, posts at every node, viewers at
// every node.
const (
	hotRate    = 10.0 // posts a second at each node
	quietRooms = 5
	quietRate  = 0.5 // posts a second at each node and room
	hotViewers = 6   // at each node
)

// crowd is the load of a run.
type crowd struct {
	posters *load
	viewers []*viewer
}

// newCrowd starts posters and viewers, and returns when all viewers are in
// their rooms.
func (w *world) newCrowd() *crowd {
	w.t.Helper()
	c := &crowd{posters: w.newLoad()}
	clients := w.watchers()
	rooms := []string{"hot"}
	for i := range quietRooms {
		rooms = append(rooms, fmt.Sprint("quiet-", i))
	}
	for i := range w.cluster.Nodes {
		for n, room := range rooms {
			each := 2
			if n == 0 {
				each = hotViewers
			}
			for k := range each {
				v := &viewer{
					name: fmt.Sprintf("viewer %d of %s at %s", k, room, nodeName(i)), room: room, home: i,
					gzip: (k+n)%2 == 0, restless: k%3 == 1, watchful: k%2 == 1,
				}
				c.viewers = append(c.viewers, w.watch(v, clients))
			}
		}
	}
	for _, v := range c.viewers {
		if err := v.joined(); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range w.cluster.Nodes {
		for n, room := range rooms {
			rate := quietRate
			if n == 0 {
				rate = hotRate
			}
			c.posters.start(posting{room: room, home: []int{i}, perSecond: rate, deletes: n > 0})
		}
	}
	c.posters.order(rooms[:3])
	w.say("%d viewers, and posts to %d rooms", len(c.viewers), len(rooms))
	return c
}

// do runs one fault, with another beside it unless that is nil.
func (w *world) do(f, beside *fault, scale float64) {
	s := &step{w: w, fault: f, victim: w.random.IntN(len(w.cluster.Nodes)), label: f.name, scale: scale}
	s.node, s.name = w.cluster.Nodes[s.victim], nodeName(s.victim)
	if beside != nil {
		s.label += ", " + beside.name
	}
	w.say("-- %s, %s", s.label, s.name)
	s.probe = s.newProbe()
	switch {
	case f.run == nil:
		s.alone()
	case beside == nil:
		f.run(s, func() {})
	default:
		beside.begin(s)
		s.wait(s.between(0, 3))
		f.run(s, func() { beside.end(s) })
	}
	s.becomeWhole()
	if s.probe != nil {
		s.probe.end()
	}
}

// finish waits for calm, reads all histories and reports.
func (w *world) finish(c *crowd) {
	w.t.Helper()
	last := time.Now()
	w.say("the last fault is over")
	time.Sleep(2 * time.Second) // the load goes on for a while
	c.posters.stop()
	w.say("all posts are answered, or failed")
	w.endRooms()
	time.Sleep(time.Until(last.Add(w.calm)))
	histories, err := w.histories()
	same := verify.Row{What: "history identical at all nodes within 10 s after the last fault", Figure: "yes", ToReach: "yes", Met: true}
	if different := verify.Different(histories); err != nil || len(different) > 0 {
		same = verify.Count(same.What, different)
		same.Figure, same.ToReach, same.Met = fmt.Sprintf("no, %d differences", len(different)), "yes", false
		if err != nil {
			same.Findings = append(same.Findings, err.Error())
		}
	}
	// The rest is about how it is in the end.
	for err != nil || len(verify.Different(histories)) > 0 {
		if time.Since(last) > calm+harness.Patience {
			w.say("HISTORIES STILL DIFFER: %v", err)
			break
		}
		time.Sleep(time.Second)
		histories, err = w.histories()
		same.Figure = fmt.Sprintf("no, after %s", time.Since(last).Round(time.Second))
	}
	w.seen.Histories = histories
	if w.clickHouse != nil {
		w.seen.Histories = append(histories, w.archived())
	}
	w.countTotals()
	w.caughtUp(c.viewers)
	var stopped sync.WaitGroup
	for _, v := range c.viewers {
		stopped.Go(v.stop)
	}
	stopped.Wait()
	w.report(w.rows(c, same, w.stillCounted(c)))
}

// stillCounted are viewers that rooms count though all have left: those of a
// node that died are to be forgotten with its lease.
func (w *world) stillCounted(c *crowd) verify.Row {
	rooms := map[string]bool{}
	for _, v := range c.viewers {
		rooms[v.room] = true
	}
	var clients []*harness.Client
	for _, n := range w.cluster.Nodes {
		clients = append(clients, n.Anyone())
	}
	var still []verify.Finding
	for deadline := time.Now().Add(harness.Patience); ; time.Sleep(200 * time.Millisecond) {
		still = nil
		for i, client := range clients {
			for room := range rooms {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				v, err := client.Video(ctx, room)
				cancel()
				if err != nil || v.Viewers != 0 {
					still = append(still, verify.Finding{Room: room, Text: fmt.Sprintf("%s: %d viewers, %v", nodeName(i), v.Viewers, err)})
				}
			}
		}
		if len(still) == 0 || time.Now().After(deadline) {
			return verify.Count("rooms that count viewers after all have left", still)
		}
	}
}

// endRooms posts a comment to each room, which all viewers must get.
func (w *world) endRooms() {
	for i, room := range slices.Sorted(maps.Keys(w.rooms)) {
		w.post(w.users[0], i, room, "end-of-"+room, w.random)
	}
}

// caughtUp waits until all viewers have the newest comments; that some don't
// shows in the report.
func (w *world) caughtUp(viewers []*viewer) {
	deadline := time.Now().Add(harness.Patience)
	for _, v := range viewers {
		all := w.seen.Histories[0].Rooms[v.room]
		for len(all) > 0 && v.last() < all[len(all)-1].ID && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// histories reads all rooms at all nodes.
func (w *world) histories() ([]verify.History, error) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	var all []verify.History
	for i, n := range w.cluster.Nodes {
		h := verify.History{Node: nodeName(i), Rooms: map[string][]verify.Comment{}}
		client := n.Anyone()
		for room := range w.rooms {
			comments, err := client.All(ctx, room)
			if err != nil {
				return all, fmt.Errorf("%s, room %s: %w", nodeName(i), room, err)
			}
			for _, c := range comments {
				h.Rooms[room] = append(h.Rooms[room], verify.Comment{ID: number(c.ID), Message: c.Message})
			}
		}
		all = append(all, h)
	}
	return all, nil
}

// archived is the history that analysts see, once the nodes have brought all to
// ClickHouse.
func (w *world) archived() verify.History {
	w.t.Helper()
	began := time.Now()
	for i, n := range w.cluster.Nodes {
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			r, err := n.Anyone().Ready(ctx)
			// Copies may wait for a minute until nobody else is expected to insert them.
			copies, errCopies := n.Anyone().Metric(ctx, "barrage_clickhouse_copies_lag_seconds")
			cancel()
			if err == nil && r.History != nil && r.History.LagRecords == 0 && errCopies == nil && copies == 0 {
				break
			}
			if time.Since(began) > 2*harness.Patience {
				w.note(verify.Row{What: nodeName(i) + " brings all to ClickHouse", Figure: "no", ToReach: "yes", Findings: []string{fmt.Sprintf("%+v, %v", r.History, err)}})
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	w.say("all is in ClickHouse")
	h := verify.History{Node: "ClickHouse", Rooms: map[string][]verify.Comment{}}
	for _, row := range w.clickHouse.Rows(w.t, "SELECT live_video_id, toString(comment_id), message FROM barrage.visible_comments ORDER BY live_video_id, comment_id") {
		h.Rooms[row[0]] = append(h.Rooms[row[0]], verify.Comment{ID: number(row[1]), Message: row[2]})
	}
	return h
}

// rows is the whole report.
func (w *world) rows(c *crowd, more ...verify.Row) []verify.Row {
	rows := append(verify.Rows(&w.seen), more...)
	var ended []verify.Finding
	for _, v := range c.viewers {
		if v.fault != nil {
			ended = append(ended, verify.Finding{Room: v.room, Text: v.fault.Error()})
		}
	}
	rows = append(rows, verify.Count("streams that a browser would not open again", ended))
	for _, label := range slices.Sorted(maps.Keys(w.pauses)) {
		rows = append(rows, verify.Below("longest pause of a room: "+label, w.pauses[label], w.slack*pauseBounds[label]))
	}
	rows = append(rows, w.notes...)
	slowest := longestPost(&w.seen)
	delivered := 0
	for _, v := range w.seen.Viewers {
		delivered += len(v.Items)
	}
	return append(rows,
		verify.Text("longest time of a post to its 201", fmt.Sprintf("%s (%d tries, room %s, at %s)",
			slowest.At.Sub(slowest.Began).Round(time.Millisecond), slowest.Tries, slowest.Room, slowest.Began.Format("15:04:05.000"))),
		verify.Text("posts answered", fmt.Sprint(len(w.seen.Answers))),
		verify.Text("tries at posts that failed and were followed by another", fmt.Sprint(w.tries)),
		w.tried(),
		verify.Text("deletions asked for", fmt.Sprint(len(w.seen.Deletions))),
		verify.Text("events at viewers", fmt.Sprint(delivered)),
	)
}
