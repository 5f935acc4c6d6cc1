package replication

import (
	"time"

	"barrage/persistence"
)

const (
	// A checkpoint ties a place in a stream to a position in the local journal,
	// each so many records or so often.
	checkpointRecords = 1000
	checkpointEvery   = time.Second
	// maxCheckpoints is more than an hour of ClickHouse being away; beyond
	// that, every second one is forgotten.
	maxCheckpoints = 4096
	// maxClosed bounds the sessions with a peer that have ended, and of which
	// it is still told what is in ClickHouse. Of a session that it is told
	// nothing about, the peer brings all copies there itself.
	maxClosed = 64
	// closedMemory is how long a session that has ended and is in ClickHouse
	// is still confirmed: the peer may restart, and read its copies again.
	closedMemory = time.Hour
)

// session is one numbering of records to a peer.
type session struct {
	id uint64
	// items are those from first on; before it all have met their fate and are
	// acknowledged or given up.
	items fifo[*item]
	first uint64
	// acked is the last record that the peer has; sent the last that is on its
	// way; mostSent the highest that ever was.
	acked, sent, mostSent uint64

	// fated is the last record of which all up to it have met their fate, at
	// positions up to high.
	fated    uint64
	high     persistence.LSN
	marks    []checkpoint // rising in both
	markedAt time.Time
	archived uint64
	closed   bool
	doneAt   time.Time // closed, and all of it in ClickHouse
}

type checkpoint struct {
	seq uint64
	lsn persistence.LSN
}

func newSession(id uint64) *session { return &session{id: id, first: 1} }

func (s *session) last() uint64 { return s.first + uint64(s.items.len()) - 1 }

func (s *session) item(seq uint64) *item { return s.items.at(int(seq - s.first)) }

// settle notes what has met its fate.
func (s *session) settle(now time.Time) {
	// What was never sent leaves the session if it ends.
	for s.fated < s.mostSent && s.item(s.fated+1).fated {
		s.fated++
		s.high = max(s.high, s.item(s.fated).lsn)
	}
	for s.first <= s.fated && (s.first <= s.acked || s.closed) {
		s.items.pop()
		s.first++
	}
	var marked uint64
	if n := len(s.marks); n > 0 {
		marked = s.marks[n-1].seq
	}
	if s.fated == max(marked, s.archived) ||
		s.fated < marked+checkpointRecords && now.Sub(s.markedAt) < checkpointEvery {
		return
	}
	s.markedAt = now
	s.marks = append(s.marks, checkpoint{s.fated, s.high})
	if len(s.marks) > maxCheckpoints {
		kept := s.marks[:0]
		for i := 1; i < len(s.marks); i += 2 {
			kept = append(kept, s.marks[i])
		}
		if len(s.marks)%2 == 1 {
			kept = append(kept, s.marks[len(s.marks)-1])
		}
		s.marks = kept
	}
}

// archive notes that ClickHouse has the local journal up to a position.
func (s *session) archive(upTo persistence.LSN, now time.Time) {
	n := 0
	for n < len(s.marks) && s.marks[n].lsn <= upTo {
		s.archived = max(s.archived, s.marks[n].seq)
		n++
	}
	s.marks = append(s.marks[:0], s.marks[n:]...)
	if s.high <= upTo {
		s.archived = max(s.archived, s.fated)
	}
	if s.closed && s.archived == s.last() && s.doneAt.IsZero() {
		s.doneAt = now
	}
}
