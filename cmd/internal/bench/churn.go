package bench

import "time"

// churn makes viewers leave at a fixed rate, each replaced by a new one.
type churn struct {
	every time.Duration // 0: nobody leaves
	next  int64
}

// startChurn begins with so many leaving a second; 0 ends it.
func (r *reader) startChurn(perSecond float64) {
	r.churn = churn{}
	if perSecond > 0 {
		r.churn.every = time.Duration(float64(time.Second) / perSecond)
		r.churn.next = r.now + int64(r.churn.every)
	}
}

func (r *reader) churnTurn() {
	for r.churn.every > 0 && r.now >= r.churn.next {
		r.churn.next += int64(r.churn.every)
		r.replaceOne()
	}
}

// replaceOne lets a viewer chosen at random leave, and a new one join in its
// place. If most of them aren't there, nobody leaves this time.
func (r *reader) replaceOne() {
	for range 8 {
		i := r.rng.IntN(len(r.viewers))
		v := &r.viewers[i]
		if v.state != watching || v.stalled {
			continue
		}
		r.past = append(r.past, r.history(i, false))
		r.hangUp(v)
		r.viewers[i] = viewer{fd: -1, gen: v.gen, retry: -1}
		r.enqueue(v, i)
		r.counts.left.Add(1)
		return
	}
}

// history is what viewer i received so far.
func (r *reader) history(i int, open bool) history {
	v := &r.viewers[i]
	return history{viewer: r.base + i, joined: v.joined, path: v.stream.path, gaps: v.gaps, open: open, stalled: v.stalled}
}
