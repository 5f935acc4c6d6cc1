package actors

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"barrage/actors/wire"
	"barrage/persistence/records"
)

func comment(id uint64, message string) *records.Comment {
	return &records.Comment{Id: id, LiveVideoId: "v", UserId: "u", Message: message}
}

// bodies are the events of frames in a row.
func bodies(frames []*Frame) string {
	var b bytes.Buffer
	for _, f := range frames {
		b.Write(f.in(Identity).body)
	}
	return b.String()
}

// TestRingReplaysWhatAViewerLacks compares with a model that keeps everything:
// random comments, deletions, evictions, and resumes at every kind of point.
func TestRingReplaysWhatAViewerLacks(t *testing.T) {
	type event struct {
		id      uint64
		deletes bool
		text    string
		gone    bool
	}
	seeds := uint64(200)
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(seed, 1))
		ring := newRing(MaxHistory+random.IntN(200), 1<<14)
		ring.floor = 1
		var model []event
		var ids []uint64
		lastID, sent := uint64(0), 0
		for step := range 600 {
			if len(ids) == 0 || random.IntN(10) > 0 {
				lastID += 1 + random.Uint64N(3)
				row := &wire.Row{Id: lastID, Event: fmt.Appendf(nil, "c%d;", lastID)}
				ring.addComment(row)
				ids = append(ids, lastID)
				model = append(model, event{id: lastID, text: string(row.Event)})
			} else {
				id := ids[random.IntN(len(ids))]
				text := fmt.Sprintf("d%d;", id)
				ring.addDelete(id, []byte(text), time.Now())
				for i := range model {
					if model[i].id == id && !model[i].deletes {
						model[i].gone = true
					}
				}
				model = append(model, event{id: id, deletes: true, text: text})
			}
			if random.IntN(4) == 0 {
				sent = len(model)
				ring.evict(ring.end())
			}
			after := ids[random.IntN(len(ids))] + random.Uint64N(2)
			if after+1 < ring.floor {
				continue
			}
			want := ""
			from := 0
			for i, e := range model {
				if !e.deletes && e.id <= after {
					from = i + 1
				}
			}
			first := len(model) - len(ring.events)
			for _, e := range model[max(from, first):max(sent, from, first)] {
				if !e.gone {
					want += e.text
				}
			}
			end := ring.first + uint64(max(0, sent-first))
			begin := min(ring.after(after), end)
			if got := bodies(ring.replay(span{begin, end})); got != want {
				t.Fatalf("seed %d, step %d, after %d: %q, not %q", seed, step, after, got, want)
			}
		}
	}
}

func TestRingIsBoundedByCountAndByBytes(t *testing.T) {
	add := func(r *ring, n, size int) {
		for i := range n {
			r.addComment(&wire.Row{Id: uint64(i) + 1, Event: make([]byte, size)})
		}
	}
	byCount := newRing(200, 1<<30)
	add(byCount, 500, 10)
	byCount.evict(byCount.end())
	if got := len(byCount.events); got != 200 || byCount.floor != 301 {
		t.Errorf("%d events from id %d; want 200 from 301", got, byCount.floor)
	}
	byBytes := newRing(1000, 5000)
	add(byBytes, 100, 100)
	byBytes.evict(byBytes.end())
	if got := len(byBytes.events); got != 50 || byBytes.bytes != 5000 {
		t.Errorf("%d events of %d bytes; want 50 of 5000", got, byBytes.bytes)
	}
	unsent := newRing(200, 5000)
	add(unsent, 500, 100)
	unsent.evict(0)
	if got := len(unsent.events); got != 500 {
		t.Errorf("%d events are left of 500 that nobody has been sent", got)
	}
}

func TestReplaysAreShared(t *testing.T) {
	r := newRing(2000, 1<<20)
	for i := range uint64(500) {
		r.addComment(&wire.Row{Id: i + 1, Event: []byte("data: x\n\n")})
	}
	a, b := r.replay(span{10, 500}), r.replay(span{10, 500})
	other := r.replay(span{20, 500})
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("frame %d was made twice for the same resume point", i)
		}
		if i > 0 && a[i] != other[i] {
			t.Errorf("frame %d is not shared with another resume point", i)
		}
	}
	if last := r.last(5, 500); last != 495 {
		t.Errorf("the last 5 comments begin at %d, not 495", last)
	}
}
