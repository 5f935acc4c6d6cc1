package journal

import (
	"errors"
	"time"

	"barrage/persistence"
)

const (
	firstProbeDelay = 50 * time.Millisecond
	maxProbeDelay   = 5 * time.Second
)

// abandon gives up the active segment after a failed write or sync. What the
// kernel says of that file from now on can't be trusted: pages of a failed sync
// count as clean. So the file is cut back to what was durable before, and the
// next commit goes to a new file, which also voids whatever could not be cut.
func (j *Journal) abandon() {
	a := j.w.active
	j.w.active = nil
	err := a.file.Truncate(a.end)
	if err == nil {
		j.resize(a.segment, a.end)
		j.fsyncs.Add(1)
		err = a.file.Sync()
	}
	err = errors.Join(err, a.file.Close())
	if err != nil {
		j.cfg.Logger.Error("journal: can't cut a failed commit; it comes back if the node stops before a new segment is made",
			"file", a.path, "offset", a.end, "err", err)
	}
	if a.last < a.first {
		// The next segment gets the same name and takes the file's place.
		j.mu.Lock()
		defer j.mu.Unlock()
		j.segments = j.segments[:len(j.segments)-1]
	}
}

// fail turns the journal unavailable and tells the sinks of the given chunks
// and of everything that still waits.
func (j *Journal) fail(cause error, chunks []*chunk) {
	j.cfg.Logger.Error("journal: unavailable", "err", cause)
	j.queue.refuse(cause)
	j.cfg.Events.Unavailable(cause)
	for _, c := range append(chunks[:len(chunks):len(chunks)], j.queue.take()...) {
		j.w.tally.tell(c.runs, 0, cause)
		j.queue.done(c)
	}
}

// probe tries, less and less often, until a commit of need bytes looks possible
// again. The first attempt is immediate, so that a single error costs only the
// records that it hit; the delay starts over only after a commit worked, so
// that a disk that lets itself be opened but not written is not worn out.
func (j *Journal) probe(need int) {
	for {
		if !j.pause() {
			return
		}
		err := j.reserve(need)
		if err == nil {
			break
		}
		j.cfg.Logger.Debug("journal: still unavailable", "err", err)
		if !errors.Is(err, persistence.ErrUnavailable) {
			err = unavailable("probing", err)
		}
		j.queue.refuse(err)
	}
	j.queue.refuse(nil)
	j.cfg.Logger.Info("journal: available again")
	j.cfg.Events.Available()
}

// pause waits for the next attempt and answers false if the journal closes.
func (j *Journal) pause() bool {
	t := time.NewTimer(j.w.delay)
	defer t.Stop()
	j.w.delay = min(max(2*j.w.delay, firstProbeDelay), maxProbeDelay)
	select {
	case <-t.C:
	case <-j.trimmed:
	case <-j.closing:
		return false
	}
	return true
}
