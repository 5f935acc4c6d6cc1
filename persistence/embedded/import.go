package embedded

import (
	"context"
	"errors"
	"fmt"

	"barrage/persistence"
	"barrage/persistence/records"
)

// notSynced is a value of Store.synced that is no position: more was written
// than AppliedLSN tells, so that the next Sync must not take itself for done.
const notSynced = ^persistence.LSN(0)

var errNoComment = errors.New("embedded store: a comment without an id or a live video")

// Import adds comments that don't come from the journal; AppliedLSN stays as it
// is. One that is known already, or was deleted, stays as it is, so importing
// something again changes nothing. A crash loses at most what was imported
// since the last Sync. Whoever calls Apply and Sync calls this: one at a time.
func (s *Store) Import(ctx context.Context, comments []*records.Comment) error {
	if !s.gate.enter() {
		return persistence.ErrClosed
	}
	defer s.gate.leave()
	if err := s.health.err(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	a := importing{applying: s.applying(), added: make(map[Position]struct{})}
	defer func() { _ = a.batch.Close() }() // lets go of memory only
	for _, c := range comments {
		if err := a.comment(c); err != nil {
			return fmt.Errorf("embedded store: importing comment %d: %w", c.GetId(), err)
		}
		if a.batch.Len() >= batchBytes {
			if err := a.write(); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return a.write()
}

// importing is one call of Import.
type importing struct {
	*applying
	added map[Position]struct{} // what the batch adds, and a look-up can't see
}

// write makes the batch visible.
func (a *importing) write() error {
	if a.batch.Empty() {
		return nil
	}
	a.synced = notSynced
	clear(a.added)
	return a.commit()
}

func (a *importing) comment(c *records.Comment) error {
	video, id := c.GetLiveVideoId(), c.GetId()
	if video == "" || id == 0 {
		return errNoComment
	}
	t, err := a.videoTotals(video)
	if err != nil {
		return err
	}
	if id <= t.GetLastCommentId() {
		// Only then can it be known. Unlike applying.known this doesn't write
		// the batch out first: old comments may come by the million.
		known, err := a.knownOrAdded(video, id)
		if err != nil || known {
			return err
		}
	}
	if err := a.putComment(c); err != nil {
		return err
	}
	if id >= t.GetCountedFrom() { // others are counted elsewhere
		t.Comments++
	}
	a.given(t, video, id)
	a.added[Position{video, id}] = struct{}{}
	return nil
}

// knownOrAdded answers whether a comment is there, was deleted, or is in the
// batch.
func (a *importing) knownOrAdded(video string, id uint64) (bool, error) {
	if _, ok := a.added[Position{video, id}]; ok {
		return true, nil
	}
	a.work.key = commentKey(a.work.key[:0], video, id)
	_, exists, err := get(a.db, a.work.key)
	if err != nil || exists {
		return exists, err
	}
	a.work.key = deletedKey(a.work.key[:0], video, id)
	_, deleted, err := get(a.db, a.work.key)
	return deleted, err
}
