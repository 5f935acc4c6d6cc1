package embedded

import (
	"barrage/persistence/records"
)

func (a *applying) add(r *records.Record) error {
	switch kind := r.GetKind().(type) {
	case *records.Record_CommentPosted:
		if kind.CommentPosted.GetComment().GetId() != 0 {
			return a.posted(kind.CommentPosted)
		}
	case *records.Record_CommentDeleted:
		if kind.CommentDeleted.GetCommentId() != 0 {
			return a.deleted(kind.CommentDeleted)
		}
	case *records.Record_ReactionsCounted, *records.Record_RoomEvent:
		return nil // for analysts, who have ClickHouse
	}
	// Perhaps a kind of a newer version, from before this one was put back.
	// Stopping here would stop history.
	a.cfg.Logger.Warn("embedded store: a record that means nothing is passed over")
	return nil
}

// posted adds a comment, unless it is known already: one that was handed over
// by another node may be in the journal twice, or after its own deletion.
func (a *applying) posted(p *records.CommentPosted) error {
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
		if err != nil || known {
			return err
		}
	}
	if err := a.putComment(c); err != nil {
		return err
	}
	if k := p.GetIdempotencyKey(); k != nil {
		if err := a.keep(c, k); err != nil {
			return err
		}
	}
	t.Comments++
	a.given(t, video, id)
	return nil
}

// deleted removes a comment, and remembers that it is not to come back.
func (a *applying) deleted(d *records.CommentDeleted) error {
	video, id := d.GetLiveVideoId(), d.GetCommentId()
	t, err := a.videoTotals(video)
	if err != nil {
		return err
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
		t.Comments--
	} else if trimmed, err := a.countedAndTrimmed(t, video, id); err != nil {
		return err
	} else if trimmed {
		t.Comments--
	}
	if err := a.batch.Set(deletedKey(nil, video, id), be.AppendUint64(nil, uint64(a.at)), nil); err != nil {
		return err
	}
	a.given(t, video, id)
	return nil
}

// countedAndTrimmed answers whether a comment that is not here is one that was
// (see Trim), and was not deleted before.
func (a *applying) countedAndTrimmed(t *records.VideoTotals, video string, id uint64) (bool, error) {
	if id < max(a.joined.Load(), t.GetCountedFrom()) || id >= a.Floor() {
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
