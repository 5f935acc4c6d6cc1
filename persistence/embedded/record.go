package embedded

import (
	"barrage/persistence"
	"barrage/persistence/records"
)

// add brings history up to a record. What it changes of the room is in the
// same batch as the rest.
func (a *applying) add(r *records.Record) error {
	if err := a.addKind(r); err != nil || r.Room == nil {
		return err
	}
	video := persistence.LiveVideoOf(r)
	if video == "" {
		return nil
	}
	if _, err := a.videoTotals(video); err != nil { // known from now on
		return err
	}
	return a.changeRoom(video, r.Room)
}

func (a *applying) addKind(r *records.Record) error {
	switch kind := r.GetKind().(type) {
	case *records.Record_CommentPosted:
		if kind.CommentPosted.GetComment().GetId() != 0 {
			return a.posted(r, kind.CommentPosted)
		}
	case *records.Record_CommentDeleted:
		if kind.CommentDeleted.GetCommentId() != 0 {
			return a.deleted(r, kind.CommentDeleted)
		}
	case *records.Record_ReactionsCounted:
		if video := kind.ReactionsCounted.GetLiveVideoId(); video != "" {
			if _, err := a.videoTotals(video); err != nil {
				return err
			}
			return a.react(kind.ReactionsCounted)
		}
	case *records.Record_RoomEvent:
		if video := kind.RoomEvent.GetLiveVideoId(); video != "" {
			if _, err := a.videoTotals(video); err != nil {
				return err
			}
			return a.audit(kind.RoomEvent)
		}
	}
	// Perhaps a kind of a newer version, from before this one was put back.
	// Stopping here would stop history.
	a.cfg.Logger.Warn("embedded store: a record that means nothing is passed over")
	return nil
}

// posted adds a comment, unless it is known already: one that was handed over
// by another node may be in the journal twice, or after its own deletion.
func (a *applying) posted(r *records.Record, p *records.CommentPosted) error {
	c := p.GetComment()
	video, id := c.GetLiveVideoId(), c.GetId()
	t, err := a.videoTotals(video)
	if err != nil {
		return err
	}
	if id <= t.GetLastCommentId() {
		// Only then can it be known, as ids of a video rise and totals keep the
		// highest. So the usual comment costs no look-up.
		known, err := a.known(video, id)
		if err != nil {
			return err
		}
		if known {
			a.count(t, video, r, 0)
			return nil
		}
	} else if t.GetLastCommentId() == 0 && r.GetRevision() != 0 && a.elsewhere.Load() {
		// New here, but other nodes may have had the room before.
		t.CountedFrom = max(t.GetCountedFrom(), id)
	}
	if err := a.putComment(c); err != nil {
		return err
	}
	if k := p.GetIdempotencyKey(); k != nil {
		if err := a.keep(c, k); err != nil {
			return err
		}
	}
	a.count(t, video, r, 1)
	a.given(t, video, id)
	return nil
}

// count brings totals up to a record that changed them by so much.
func (a *applying) count(t *records.VideoTotals, video string, r *records.Record, change int) {
	revision := r.GetRevision()
	if revision == 0 || revision > t.GetTotalRevision() { // otherwise it is in the total
		switch {
		case change > 0:
			t.Comments++
		case change < 0 && t.GetComments() > 0:
			t.Comments--
		}
	}
	if revision <= t.GetRevision() {
		return
	}
	t.Revision = revision
	if r.TotalComments != nil {
		t.Comments, t.CountedFrom, t.TotalRevision = r.GetTotalComments(), 0, revision
	}
	a.dirty[video] = struct{}{}
}

// deleted removes a comment, and remembers that it is not to come back. That of
// a comment that only other nodes have is remembered as well.
func (a *applying) deleted(r *records.Record, d *records.CommentDeleted) error {
	video, id := d.GetLiveVideoId(), d.GetCommentId()
	t, err := a.videoTotals(video)
	if err != nil {
		return err
	}
	if t.GetLastCommentId() == 0 && r.GetRevision() != 0 && a.elsewhere.Load() {
		t.CountedFrom = max(t.GetCountedFrom(), a.maxID+1, id+1) // all that it has is elsewhere
	}
	if err := a.commit(); err != nil { // it may be in this very batch
		return err
	}
	key := commentKey(nil, video, id)
	var c records.Comment
	exists, err := getProto(a.db, key, &c)
	if err != nil {
		return err
	}
	if exists {
		if err := a.batch.Delete(key, nil); err != nil {
			return err
		}
		if parent := c.GetParentId(); parent != 0 {
			if err := a.batch.Delete(replyKey(nil, video, parent, id), nil); err != nil {
				return err
			}
		}
		a.count(t, video, r, -1)
	} else {
		counted, err := a.countedAndGone(t, r, video, id)
		if err != nil {
			return err
		}
		if counted {
			a.count(t, video, r, -1)
		} else {
			a.count(t, video, r, 0)
		}
	}
	if err := a.batch.Set(deletedKey(nil, video, id), be.AppendUint64(nil, uint64(a.at)), nil); err != nil {
		return err
	}
	a.given(t, video, id)
	return a.audit(persistence.DeletionEvent(d))
}

// countedAndGone answers whether a comment that is not here is counted: it was
// here (see Trim), or is in the total of all nodes; and was not deleted before.
func (a *applying) countedAndGone(t *records.VideoTotals, r *records.Record, video string, id uint64) (bool, error) {
	switch revision := r.GetRevision(); {
	case revision == 0:
		if id < max(a.joined.Load(), t.GetCountedFrom()) || id >= a.Floor() {
			return false, nil
		}
	case t.GetTotalRevision() == 0 || revision <= t.GetRevision():
		// Whether it was this node's can't be told: the next total will.
		return false, nil
	}
	_, deleted, err := get(a.db, deletedKey(nil, video, id))
	return !deleted, err
}

// known answers whether a comment is there or was deleted.
func (a *applying) known(video string, id uint64) (bool, error) {
	if err := a.commit(); err != nil { // it may be in this very batch
		return false, err
	}
	_, exists, err := get(a.db, commentKey(nil, video, id))
	if err != nil || exists {
		return exists, err
	}
	_, deleted, err := get(a.db, deletedKey(nil, video, id))
	return deleted, err
}

// given notes an id, and that the totals of its video changed.
func (a *applying) given(t *records.VideoTotals, video string, id uint64) {
	t.LastCommentId = max(t.GetLastCommentId(), id)
	a.maxID = max(a.maxID, id)
	a.dirty[video] = struct{}{}
}

// putComment writes a comment, and its place in its thread.
func (a *applying) putComment(c *records.Comment) error {
	w := &a.work
	// Id and video are in the key.
	w.comment.UserId, w.comment.UserName = c.GetUserId(), c.GetUserName()
	w.comment.Message, w.comment.ParentId = c.GetMessage(), c.GetParentId()
	w.comment.CreatedAtMs = c.GetCreatedAtMs()
	w.comment.PostToken, w.comment.PostSentMs, w.comment.PostWaitedMs = c.GetPostToken(), c.GetPostSentMs(), c.GetPostWaitedMs()
	w.comment.BodyDigest = c.GetBodyDigest()
	if err := a.setProto(commentKey(w.key[:0], c.GetLiveVideoId(), c.GetId()), &w.comment); err != nil || c.GetParentId() == 0 {
		return err
	}
	w.key = replyKey(w.key[:0], c.GetLiveVideoId(), c.GetParentId(), c.GetId())
	return a.batch.Set(w.key, nil, nil)
}

// keep stores what a key was answered with. It has the whole comment, since
// that may be deleted while the answer is still asked for.
func (a *applying) keep(c *records.Comment, k *records.IdempotencyKey) error {
	in := bucketOf(c.GetCreatedAtMs())
	if in+2 < a.lastBucket {
		return nil // an old record, read again: nobody asks any more
	}
	w := &a.work
	// Video and user are part of the question.
	w.answered.Id, w.answered.UserName = c.GetId(), c.GetUserName()
	w.answered.Message, w.answered.ParentId = c.GetMessage(), c.GetParentId()
	w.answered.CreatedAtMs = c.GetCreatedAtMs()
	w.kept.Comment, w.kept.BodyDigest = &w.answered, k.GetBodyDigest()
	d := digestOf(c.GetLiveVideoId(), c.GetUserId(), k.GetKey())
	return a.setProto(keptKey(w.key[:0], in, d), &w.kept)
}
