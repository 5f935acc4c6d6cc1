package replication

import "time"

// run is the journal's goroutine: it alone sends, and gives what comes out of a
// lane to the local journal.
func (j *Journal) run() {
	defer close(j.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-j.waking:
		case <-timer.C:
		}
		sends, moves, wake, stop := j.step()
		for _, s := range sends {
			j.cfg.Send(s.peer, s.batch)
		}
		clear(sends)
		for _, it := range moves {
			j.move(it)
		}
		clear(moves)
		if stop {
			return
		}
		timer.Reset(wake)
	}
}

// step decides what is to be done now, and how long nothing else may be.
func (j *Journal) step() (sends []send, moves []*item, wake time.Duration, stop bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	wake = time.Hour
	for _, st := range j.streams {
		j.turn(st, now)
		if at, ok := j.wakeAt(st); ok {
			wake = min(wake, max(0, at.Sub(now)))
		}
	}
	for _, l := range j.ready {
		l.queued = false
		for l.waiting.len() > 0 && l.waiting.at(0).ready {
			it := l.waiting.pop()
			l.local.push(it)
			j.stats.Waiting--
			j.stats.WaitingBytes -= int64(len(it.bytes))
			moves = append(moves, it)
		}
	}
	clear(j.ready)
	j.ready = j.ready[:0]
	sends, j.sends = j.sends, nil
	return sends, moves, wake, j.stop
}

// move gives a record to the local journal.
func (j *Journal) move(it *item) {
	l := it.lane
	err := j.cfg.Local.Append(it.record, l)
	if err == nil {
		return
	}
	j.mu.Lock()
	it.refusal = err
	l.flushRefused()
	j.mu.Unlock()
	l.tell()
}

// queue is called with mu held.
func (j *Journal) queue(l *lane) {
	if !l.queued {
		l.queued = true
		j.ready = append(j.ready, l)
	}
}
