package persistence

import (
	"slices"
	"sync"
)

// Share answers a log for each of some pumps that read the same journal: it is
// trimmed up to where all of them let it go.
func Share(log Log, readers int) []Log {
	s := &sharedLog{log: log, upTo: make([]LSN, readers)}
	logs := make([]Log, readers)
	for i := range logs {
		logs[i] = &logShare{s, i}
	}
	return logs
}

type sharedLog struct {
	log  Log
	mu   sync.Mutex
	upTo []LSN // of each reader
}

type logShare struct {
	*sharedLog
	reader int
}

func (l *logShare) LastLSN() LSN { return l.log.LastLSN() }

func (l *logShare) Trim(upTo LSN) error {
	l.mu.Lock()
	l.upTo[l.reader] = max(l.upTo[l.reader], upTo)
	upTo = slices.Min(l.upTo)
	l.mu.Unlock()
	return l.log.Trim(upTo)
}
