package membership

import "sync"

// queue runs functions in order on a goroutine of its own, so that whoever is
// slow with one holds nobody up.
type queue struct {
	mu      sync.Mutex
	waiting []func()
	more    chan struct{} // has a value if there may be some waiting
	ending  bool
	ended   chan struct{}
}

func newQueue() *queue {
	q := &queue{more: make(chan struct{}, 1), ended: make(chan struct{})}
	go q.run()
	return q
}

func (q *queue) add(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ending {
		q.waiting = append(q.waiting, f)
		q.signal()
	}
}

// end lets what waits run, and then the goroutine end, which closes ended.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ending = true
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue) run() {
	defer close(q.ended)
	for range q.more {
		q.mu.Lock()
		batch, ending := q.waiting, q.ending
		q.waiting = nil
		q.mu.Unlock()
		for _, f := range batch {
			f()
		}
		if ending {
			return
		}
	}
}
