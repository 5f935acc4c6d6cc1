package bench

// fate is what became of a post.
type fate uint8

const (
	undecided fate = iota
	answered       // 201: from here on it must reach everybody
	refused        // an error status that trying again would not change
	expired        // no answer within the deadline; it may or may not exist
)

// post is one comment the tool sent, or was to send.
type post struct {
	due  int64 // when the schedule wanted it sent, Unix nanoseconds
	sent int64 // when it was first sent
	last int64 // when it was last sent
	done int64 // when its answer came
	id   uint64
	fate fate
}

// ledger holds all posts of a run by sequence number. It is written by the
// poster alone, and read by others while the poster is at rest.
type ledger struct {
	posts []post
	last  uint64 // highest id answered
}

func (l *ledger) add(due int64) int {
	l.posts = append(l.posts, post{due: due})
	return len(l.posts) - 1
}

func (l *ledger) answer(seq int, id uint64, now int64) {
	p := &l.posts[seq]
	p.fate, p.id, p.done = answered, id, now
	l.last = max(l.last, id)
}

// count is how many posts that were due within [from, to) had this fate.
func (l *ledger) count(from, to int64, f fate) int {
	n := 0
	for i := range l.posts {
		if l.posts[i].fate == f && l.posts[i].due >= from && l.posts[i].due < to {
			n++
		}
	}
	return n
}
