package actors

import (
	"encoding/json"
	"time"

	"barrage/actors/wire"
)

// maxRemembered bounds what is remembered of who posted lately: the oldest is
// forgotten first.
const maxRemembered = 100_000

// lastPosts is when users posted last, as slow mode wants to know.
type lastPosts struct {
	at    map[string]int64 // Unix milliseconds
	order []userPost       // oldest first
}

type userPost struct {
	user string
	hash uint64
	at   int64
}

func newLastPosts() *lastPosts { return &lastPosts{at: map[string]int64{}} }

func (p *lastPosts) note(user string, at int64) {
	p.at[user] = max(at, p.at[user])
	p.order = append(p.order, userPost{user: user, at: at})
}

// forget drops what is older than a time, Unix milliseconds.
func (p *lastPosts) forget(before int64) {
	n := 0
	for n < len(p.order) && (p.order[n].at <= before || len(p.order)-n > maxRemembered) {
		if first := p.order[n]; p.at[first.user] == first.at {
			delete(p.at, first.user)
		}
		n++
	}
	p.order = p.order[n:]
}

// repeatedPosts is what users said in the last window.
type repeatedPosts struct {
	limit  int
	window int64                // milliseconds
	at     map[userPost][]int64 // by user and hash, oldest first
	order  []userPost
}

func newRepeatedPosts(limit int, window time.Duration) *repeatedPosts {
	return &repeatedPosts{limit: limit, window: window.Milliseconds(), at: map[userPost][]int64{}}
}

func (p *repeatedPosts) note(user string, hash uint64, at int64) {
	if hash == 0 {
		return
	}
	key := userPost{user: user, hash: hash}
	p.at[key] = append(p.at[key], at)
	key.at = at
	p.order = append(p.order, key)
}

func (p *repeatedPosts) remove(user string, hash uint64, at int64) {
	key := userPost{user: user, hash: hash}
	for i, t := range p.at[key] {
		if t == at {
			p.at[key] = append(p.at[key][:i:i], p.at[key][i+1:]...)
			break
		}
	}
	if len(p.at[key]) == 0 {
		delete(p.at, key)
	}
}

// wait is for how many milliseconds a user may not say the same again.
func (p *repeatedPosts) wait(user string, hash uint64, now int64) int64 {
	n := 0
	for n < len(p.order) && (p.order[n].at <= now-p.window || len(p.order)-n > maxRemembered) {
		p.remove(p.order[n].user, p.order[n].hash, p.order[n].at)
		n++
	}
	p.order = p.order[n:]
	at := p.at[userPost{user: user, hash: hash}]
	if hash == 0 || len(at) < p.limit {
		return 0
	}
	return min(max(1, at[len(at)-p.limit]+p.window-now), p.window)
}

// postNote is what was noted of a post that is not durable yet.
type postNote struct {
	user   string
	hash   uint64
	at     int64
	before int64 // when the user posted before; 0: not known
}

// notePost remembers a post for slow mode and repeats.
func (l *liveVideo) notePost(m *wire.PostComment, now time.Time) *postNote {
	note := &postNote{user: m.UserId, hash: m.TextHash, at: now.UnixMilli()}
	if l.room.slow != nil {
		note.before = l.room.slow.at[m.UserId]
		l.room.slow.note(m.UserId, note.at)
	}
	if l.room.repeats != nil {
		l.room.repeats.note(m.UserId, m.TextHash, note.at)
	}
	return note
}

// forgetPost takes a note back: the post was not kept.
func (l *liveVideo) forgetPost(note *postNote) {
	if note == nil {
		return
	}
	if slow := l.room.slow; slow != nil && slow.at[note.user] == note.at {
		if delete(slow.at, note.user); note.before != 0 {
			slow.at[note.user] = note.before
		}
	}
	if l.room.repeats != nil && note.hash != 0 {
		l.room.repeats.remove(note.user, note.hash, note.at)
	}
}

// slowWait is for how many milliseconds slow mode lets a user wait.
func (l *liveVideo) slowWait(user string, now int64) int64 {
	seconds := int64(l.room.set.GetSlowMode().GetSeconds())
	if seconds == 0 || l.room.slow == nil {
		return 0
	}
	l.room.slow.forget(now - seconds*1000)
	last, posted := l.room.slow.at[user]
	if !posted {
		return 0
	}
	return min(max(0, last+seconds*1000-now), seconds*1000)
}

// rowMessage is the text of a comment.
func rowMessage(row *wire.Row) string {
	var c commentJSON
	if err := json.Unmarshal(RowJSON(row), &c); err != nil {
		return ""
	}
	return c.Message
}
