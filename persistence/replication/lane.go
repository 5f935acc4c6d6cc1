package replication

import (
	"barrage/persistence"
	"barrage/persistence/records"
)

// item is a record on its way. Its fields are guarded by Journal.mu, but those
// that never change.
type item struct {
	record *records.Record
	bytes  []byte // record, encoded
	sink   persistence.Sink
	lane   *lane // nil: a revocation, which only the peer gets
	gen    *generation
	to     *stream   // nil: no peer gets it
	before []*stream // of peers that were given up, and may have it all the same

	sent    bool // the peer may have it
	acked   bool // the peer has it
	ready   bool // the local journal's turn, with or without a copy
	refusal error
	// fated: it is in the local journal, at or below lsn, or not at all (lsn 0)
	// and never will be.
	fated bool
	lsn   persistence.LSN
}

// lane keeps the records of one live video in order, and is the sink that the
// local journal knows. It exists while it has any.
type lane struct {
	j     *Journal
	video string

	waiting fifo[*item] // for the peer, or for those before them
	local   fifo[*item] // given to the local journal, or refused by it
	queued  bool        // in Journal.lanesReady

	// outcomes are told by one goroutine at a time, in order.
	outcomes fifo[outcome]
	telling  bool
}

// outcome is what a sink is told of n records.
type outcome struct {
	sink persistence.Sink
	n    int
	last persistence.LSN
	err  error
	gens []genCount
}

type genCount struct {
	gen *generation
	n   int
}

// Durable implements persistence.Sink: it tells the live video's sink.
func (l *lane) Durable(n int, last persistence.LSN, err error) {
	j := l.j
	j.mu.Lock()
	l.flushRefused()
	var before *item
	for ; n > 0 && l.local.len() > 0; n-- {
		it := l.local.pop()
		if before == nil || before.sink != it.sink {
			l.outcomes.push(outcome{it.sink, 0, last, err, nil})
		}
		if before != nil && before.to != it.to {
			j.settle(before.to)
		}
		l.fate(it, last, err)
		before = it
		if l.flushRefused() {
			before = nil // the next one is told separately
			j.settle(it.to)
		}
	}
	if before != nil {
		j.settle(before.to)
	}
	j.mu.Unlock()
	l.tell()
}

// flushRefused is called with mu held: what the local journal refused at once
// has its turn when those before it have met their fate.
func (l *lane) flushRefused() (told bool) {
	for l.local.len() > 0 && l.local.at(0).refusal != nil {
		it := l.local.pop()
		l.outcomes.push(outcome{it.sink, 0, 0, it.refusal, nil})
		l.fate(it, 0, it.refusal)
		l.j.settle(it.to)
		told = true
	}
	return told
}

// fate is called with mu held: a record's outcome is that which was pushed
// last.
func (l *lane) fate(it *item, last persistence.LSN, err error) {
	it.fated = true
	if err == nil {
		it.lsn = last
	} else {
		l.j.revoke(it)
	}
	for _, st := range it.before {
		l.j.settle(st)
	}
	it.record, it.bytes = nil, nil // a session may still know the item
	o := &l.outcomes.all[len(l.outcomes.all)-1]
	o.n++
	if n := len(o.gens); n > 0 && o.gens[n-1].gen == it.gen {
		o.gens[n-1].n++
	} else {
		o.gens = append(o.gens, genCount{it.gen, 1})
	}
}

// tell tells the sinks, without a lock, unless another goroutine does already.
func (l *lane) tell() {
	j := l.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if l.telling {
		return
	}
	l.telling = true
	for l.outcomes.len() > 0 {
		o := l.outcomes.pop()
		j.mu.Unlock()
		o.sink.Durable(o.n, o.last, o.err)
		j.mu.Lock()
		for _, g := range o.gens {
			j.leave(g.gen, g.n)
		}
	}
	l.telling = false
	j.drop(l)
}

// generation is the records between two Barriers.
type generation struct {
	// open is the records that have not met their fate, and one for each of:
	// records may still be added; the generation before is not done.
	open  int
	added bool
	done  chan struct{}
	next  *generation
}

// leave is called with mu held.
func (j *Journal) leave(g *generation, n int) {
	g.open -= n
	for g != nil && g.open == 0 {
		close(g.done)
		if g = g.next; g != nil {
			g.open--
		}
	}
}
