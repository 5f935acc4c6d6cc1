package actors

import (
	"slices"
	"sort"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
)

// recent is what a live video has in memory: its newest comments, and all that
// the store doesn't have yet. History is put together of both: ids at or above
// floor from here, the others from the store.
type recent struct {
	max   int
	rows  []recentRow
	floor uint64
	// forget is below which id the rows are to go, as there are comments among
	// them that only the stores have; 0: none.
	forget uint64
	// lastID is the highest id that was ever here, deleted ones included.
	lastID uint64
	// deleted are comments whose deletion the store may not know yet, or that
	// somebody may have found there a moment ago (see answerMemory).
	deleted map[uint64]deletion
	swept   time.Time // when deleted was last looked through
	// replies is how many rows answer a comment.
	replies map[uint64]uint32
}

// sweepDeleted is the pause between two looks for deletions to forget.
const sweepDeleted = time.Second

type deletion struct {
	lsn persistence.LSN
	at  time.Time
}

type recentRow struct {
	*wire.Row
	lsn persistence.LSN // 0: read from the store
}

func newRecent(maxRows int) *recent {
	return &recent{max: maxRows, floor: 1, deleted: map[uint64]deletion{}, replies: map[uint64]uint32{}}
}

// load takes the newest rows of the store, oldest first.
func (r *recent) load(rows []*wire.Row, floor, lastID uint64) {
	r.floor, r.lastID = floor, lastID
	r.rows = make([]recentRow, len(rows))
	for i, row := range rows {
		r.rows[i].Row = row
		r.countReply(row, 1)
	}
}

// countReply notes that a row comes, or goes.
func (r *recent) countReply(row *wire.Row, change int) {
	if row.ParentId == 0 {
		return
	}
	if n := int(r.replies[row.ParentId]) + change; n > 0 {
		r.replies[row.ParentId] = uint32(n)
	} else {
		delete(r.replies, row.ParentId)
	}
}

func (r *recent) add(row *wire.Row, lsn persistence.LSN) {
	r.rows = append(r.rows, recentRow{row, lsn})
	r.countReply(row, 1)
	r.lastID = row.Id
}

// insert takes a comment that came late, and says whether it is new here.
func (r *recent) insert(row *wire.Row, lsn persistence.LSN) bool {
	if _, deleted := r.deleted[row.Id]; deleted || row.Id < r.floor {
		return false
	}
	i := r.search(row.Id)
	if i < len(r.rows) && r.rows[i].Id == row.Id {
		return false
	}
	r.rows = slices.Insert(r.rows, i, recentRow{row, lsn})
	r.countReply(row, 1)
	r.lastID = max(r.lastID, row.Id)
	return true
}

// replace takes another form of a comment that is here.
func (r *recent) replace(row *wire.Row) {
	if i := r.search(row.Id); i < len(r.rows) && r.rows[i].Id == row.Id {
		r.rows[i].Row = row
	}
}

func (r *recent) delete(id uint64, lsn persistence.LSN, now time.Time) {
	if i := r.search(id); i < len(r.rows) && r.rows[i].Id == id {
		r.countReply(r.rows[i].Row, -1)
		r.rows = append(r.rows[:i], r.rows[i+1:]...)
	}
	if old, known := r.deleted[id]; !known || old.lsn < lsn {
		r.deleted[id] = deletion{lsn, now}
	}
}

// deletedOrMissing says whether a comment is known not to exist. Below the
// floor the store knows; the edge has asked it.
func (r *recent) deletedOrMissing(id uint64) bool {
	if _, deleted := r.deleted[id]; deleted {
		return true
	}
	if id < r.floor {
		return false
	}
	i := r.search(id)
	return i == len(r.rows) || r.rows[i].Id != id
}

// evict drops the oldest rows beyond the bound, as far as the store has them,
// and deletions as far as all stores know. It gives the number of rows.
func (r *recent) evict(applied, archived persistence.LSN, now time.Time) (n int) {
	for n < len(r.rows) && (len(r.rows)-n > r.max || r.rows[n].Id < r.forget) && r.rows[n].lsn <= applied {
		r.floor = r.rows[n].Id + 1
		r.countReply(r.rows[n].Row, -1)
		n++
	}
	if r.forget != 0 && (n == len(r.rows) || r.rows[n].Id >= r.forget) {
		r.floor, r.forget = max(r.floor, r.forget), 0
	}
	if n > 0 {
		clear(r.rows[:n])
		r.rows = r.rows[n:]
	}
	if now.Sub(r.swept) < sweepDeleted {
		return n
	}
	r.swept = now
	for id, d := range r.deleted {
		if d.lsn <= archived && now.Sub(d.at) > answerMemory {
			delete(r.deleted, id)
		}
	}
	return n
}

// forgetBelow has evict drop all rows below an id.
func (r *recent) forgetBelow(id uint64) { r.forget = max(r.forget, id) }

// search gives the index of the first row with an id at or above this one.
func (r *recent) search(id uint64) int {
	return sort.Search(len(r.rows), func(i int) bool { return r.rows[i].Id >= id })
}

// row gives a comment, or nil.
func (r *recent) row(id uint64) *wire.Row {
	if i := r.search(id); i < len(r.rows) && r.rows[i].Id == id {
		return r.rows[i].Row
	}
	return nil
}

// after gives the rows above an id, oldest first.
func (r *recent) after(id uint64) []*wire.Row {
	newer := r.rows[r.search(id+1):]
	rows := make([]*wire.Row, len(newer))
	for i := range newer {
		rows[i] = newer[i].Row
	}
	return rows
}

// read answers what is asked of history, as far as memory has it.
func (r *recent) read(m *wire.ReadRecent) *wire.RecentRows {
	answer := &wire.RecentRows{Floor: r.floor}
	for id := range r.deleted {
		if id < r.floor && id > m.After && (m.Before == 0 || id < m.Before) && (m.CommentId == 0 || id == m.CommentId) {
			answer.Deleted = append(answer.Deleted, id)
		}
	}
	if m.CommentId != 0 {
		if i := r.search(m.CommentId); i < len(r.rows) && r.rows[i].Id == m.CommentId {
			answer.Rows = []*wire.Row{r.rows[i].Row}
		}
		r.addReplies(answer, m.CommentId)
		return answer
	}
	from, to := r.search(m.After+1), len(r.rows)
	if m.Before != 0 {
		to = r.search(m.Before)
	}
	wanted := func(i int) bool {
		if m.ParentId == 0 || r.rows[i].ParentId == m.ParentId {
			answer.Rows = append(answer.Rows, r.rows[i].Row)
		}
		return len(answer.Rows) < int(m.Limit)
	}
	if m.Desc {
		for i := to - 1; i >= from && wanted(i); i-- {
		}
	} else {
		for i := from; i < to && wanted(i); i++ {
		}
	}
	for _, row := range answer.Rows {
		r.addReplies(answer, row.Id)
	}
	if m.ParentId == 0 && (!m.Desc || len(answer.Rows) < int(m.Limit)) {
		// Who asks goes on in the store.
		for id := range r.replies {
			if id < r.floor && id > m.After && (m.Before == 0 || id < m.Before) {
				r.addReplies(answer, id)
			}
		}
	}
	return answer
}

func (r *recent) addReplies(answer *wire.RecentRows, parent uint64) {
	if n := r.replies[parent]; n > 0 {
		answer.Replies = append(answer.Replies, &wire.ReplyCount{ParentId: parent, Count: n})
	}
}

// merge takes comments that another node has, newest first.
func (r *recent) merge(rows []*wire.Row) {
	for _, row := range slices.Backward(rows) {
		r.insert(row, 0)
	}
}

// twinOf gives another comment of the same post, taken within a minute of it;
// nil if there is none. Tokens of keys come again later.
func (r *recent) twinOf(row *wire.Row) *wire.Row {
	at := persistence.IDTime(row.Id)
	first, behind := persistence.FirstIDAt(at.Add(-answerMemory)), persistence.FirstIDAt(at.Add(answerMemory))
	for i := r.search(first); i < len(r.rows) && r.rows[i].Id < behind; i++ {
		if r := r.rows[i].Row; r.PostToken == row.PostToken && r.UserId == row.UserId && r.Id != row.Id {
			return r
		}
	}
	return nil
}

func (r *recent) has(id uint64) bool {
	i := r.search(id)
	return i < len(r.rows) && r.rows[i].Id == id
}
