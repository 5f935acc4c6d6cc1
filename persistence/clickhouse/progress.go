package clickhouse

import (
	"slices"
	"sync"
	"time"

	"barrage/persistence"
)

const (
	// settle is how long after its id was given a comment is in the journal at
	// the latest: a slow fsync, and another node that has a copy before.
	settle = 5 * time.Second
	// clockMargin is a step of the node's clock that is reckoned with.
	clockMargin = 10 * time.Minute
	// mostMarks are kept; of more, every second one is given up.
	mostMarks = 256
	// markEvery is the least time between two of them.
	markEvery = 100 * time.Millisecond
)

// mark says that at a time the journal went up to a position: what came behind
// it has ids of about that time, or later.
type mark struct {
	last persistence.LSN
	at   time.Time
}

// progress knows below which id nothing is left to insert, without knowing the
// ids that the journal still has.
type progress struct {
	mu    sync.Mutex
	first uint64 // an id below which all was inserted before the start
	marks []mark // rising in both
	held  uint64 // the lowest id of the batch that is being inserted; 0: none
}

func (p *progress) begin(inserted uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks, p.held, p.first = nil, 0, 0
	if inserted > 0 {
		p.first = persistence.FirstIDAt(persistence.IDTime(inserted).Add(-clockMargin))
	}
}

// hold notes the lowest id of what is being inserted; 0: nothing is.
func (p *progress) hold(lowest uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = lowest
}

// lowestID is that of the comments among some entries; 0: there is none.
// Deletions don't count: of them readers hear elsewhere.
func lowestID(entries []persistence.Entry, some func(persistence.Entry) bool) (lowest uint64) {
	for _, e := range entries {
		if id := e.Record.GetCommentPosted().GetComment().GetId(); id != 0 && (lowest == 0 || id < lowest) && some(e) {
			lowest = id
		}
	}
	return lowest
}

// mark notes how far the journal was at a time. applied was read after that.
func (p *progress) mark(applied persistence.LSN, m mark) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// The clock was set back: ids may be given again from there.
	p.marks = slices.DeleteFunc(p.marks, func(x mark) bool { return x.at.After(m.at) })
	// Of those that are reached, the last says all.
	for len(p.marks) > 1 && p.marks[1].last <= applied {
		p.marks = slices.Delete(p.marks, 0, 1)
	}
	switch n := len(p.marks); {
	case n > 0 && m.last < p.marks[n-1].last: // another call was faster
	case m.last <= applied:
		p.marks = append(p.marks[:0], m)
	case n == 0 || m.at.Sub(p.marks[n-1].at) >= markEvery:
		if p.marks = append(p.marks, m); len(p.marks) > mostMarks {
			rest := p.marks[:0]
			for i := 0; i < len(p.marks); i += 2 {
				rest = append(rest, p.marks[i])
			}
			p.marks = rest
		}
	}
}

// below answers an id below which nothing is left to insert.
func (p *progress) below(applied persistence.LSN) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	below := p.first
	for _, m := range p.marks {
		if m.last > applied {
			break
		}
		below = max(below, persistence.FirstIDAt(m.at.Add(-settle)))
	}
	if p.held != 0 {
		below = min(below, p.held)
	}
	return below
}
