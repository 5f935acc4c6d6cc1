package actors

import (
	"context"
	"fmt"
	"maps"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// Two owners that could not see each other may have taken one post: of its two
// comments one stays, and the other is taken back.

// twinOf gives another comment of the same post that is here, and what is
// remembered of it, if it is.
func (l *liveVideo) twinOf(row *wire.Row) (*wire.Row, *keptAnswer) {
	if row.PostToken == 0 {
		return nil, nil
	}
	if known := l.answers.find(row.PostToken, row.UserId); known != nil && known.id() != row.Id {
		return known.comment(), known
	}
	if l.recent.has(row.Id) {
		return nil, nil
	}
	return l.recent.twinOf(row), nil
}

// twins gives the other comments that the stores have of the posts that some
// are of, by their ids: taken by another owner within a minute.
func (n *Node) twins(ctx context.Context, id string, rows []*wire.Row) (map[uint64]*wire.Row, error) {
	type post struct {
		token  uint64
		userID string
	}
	posts := map[post]*wire.Row{}
	var first, last uint64
	for _, row := range rows {
		if row.PostToken != 0 {
			posts[post{row.PostToken, row.UserId}] = row
			if first == 0 || row.Id < first {
				first = row.Id
			}
			last = max(last, row.Id)
		}
	}
	if len(posts) == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	there := map[uint64]bool{}
	after := persistence.FirstIDAt(persistence.IDTime(first).Add(-answerMemory)) - 1
	before := persistence.FirstIDAt(persistence.IDTime(last).Add(answerMemory))
	twins := map[uint64]*wire.Row{}
	for read := 0; read < maxLate; {
		comments, err := n.store.Comments(ctx, id, persistence.Range{After: after, Before: before, Limit: twinsPage})
		if err != nil {
			return nil, fmt.Errorf("reading what came twice: %w", err)
		}
		for _, c := range comments {
			row := posts[post{c.PostToken, c.UserId}]
			if row == nil {
				continue
			}
			if there[c.Id] = true; row.Id == c.Id {
				continue
			}
			if apart := persistence.IDTime(row.Id).Sub(persistence.IDTime(c.Id)); apart.Abs() < answerMemory {
				twins[row.Id] = EncodeRow(c)
			}
		}
		if len(comments) < twinsPage {
			break
		}
		read += len(comments)
		after = comments[len(comments)-1].Id
	}
	// One that was taken back already is none to be kept.
	maps.DeleteFunc(twins, func(id uint64, _ *wire.Row) bool { return !there[id] })
	return twins, nil
}

// twinsPage is how many comments are looked through at a time.
const twinsPage = 4096

// takeBackTwin ends it that a post is there twice, once in the stores alone, and
// says whether the late comment was the one taken back.
func (l *liveVideo) takeBackTwin(row, twin *wire.Row) bool {
	if twin == nil || l.recent.has(twin.Id) || l.isDeleted(twin.Id) || l.isDeleted(row.Id) {
		return false // merge does it, or it is done
	}
	if !l.heldAs(row) && !answeredRather(row, twin) {
		l.revoke(row)
		return true
	}
	l.revoke(twin)
	return false
}

// answeredRather says of two comments of one post, taken by two owners, whether
// its author was answered with the first of them. Of two tries shortly after
// another it is the one sent later: who sends it has given up the earlier. If
// that was answered in time before the request of the later one came, or if
// there is more time in between, the post is repeated.
func answeredRather(row, other *wire.Row) bool {
	apart := sentAt(row).Sub(sentAt(other))
	first, later := other, row
	if apart < 0 {
		first, later = row, other
	}
	givenUp := apart.Abs() < triesTime && !answeredBefore(first, later)
	return (apart > 0) == givenUp
}

// answeredBefore says whether a comment was answered at once, and some time
// before the request came of which another is. An owner that is cut off takes
// longer: it waits for the node that is to have a copy. Who has given up sends
// the next request soon.
func answeredBefore(row, later *wire.Row) bool {
	after := time.Duration(row.AnsweredAfterMs) * time.Millisecond
	came := sentAt(later).Add(-time.Duration(later.PostWaitedMs) * time.Millisecond)
	return after > 0 && after < inTime && came.After(sentAt(row).Add(after+sentSoon))
}

func sentAt(row *wire.Row) time.Time {
	if row.GetPostSentMs() == 0 {
		return persistence.IDTime(row.GetId())
	}
	return time.UnixMilli(row.GetPostSentMs())
}

// triesTime is about how long an edge tries; its last try begins so much after
// its first.
const triesTime = 6500 * time.Millisecond

// inTime is when an answer certainly comes while its edge still waits for it.
const inTime = 1500 * time.Millisecond

// sentSoon is how long who has given up a request usually waits, at most,
// before the next.
const sentSoon = time.Second

// revoke takes back a comment that is there twice: its author was not answered
// with this one.
func (l *liveVideo) revoke(row *wire.Row) {
	record := &records.CommentDeleted{
		LiveVideoId: l.id, CommentId: row.Id, DeletedBy: row.UserId, DeletedAtMs: l.node.now().UnixMilli(),
		UserId: row.UserId, ParentId: row.ParentId,
	}
	p := &pendingRecord{delete: row.Id, change: l.unpinned(row.Id)}
	if l.recent.has(row.Id) || l.isPending(row.Id) {
		p.comments = -1 // it was counted
	}
	l.append(&records.Record{Kind: &records.Record_CommentDeleted{CommentDeleted: record}, Room: p.change.room()}, p)
}
