package bench

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sort"
)

// judge compares histories with what was posted.
type judge struct {
	all    []known // by rising id
	latest []int64 // latest[i] is the highest sent in all[:i+1] of those that must arrive
	memo   map[string]verdict
}

// collect makes the list of comments that exist, and counts the posts that
// turned up in a stream under an id that is not the one they were answered with.
func (j *judge) collect(l *ledger, frames []*frame) Verdict {
	var out Verdict
	for seq := range l.posts {
		if p := &l.posts[seq]; p.fate == answered {
			j.all = append(j.all, known{id: p.id, sent: p.sent, seq: seq, must: true})
		}
	}
	wrong := map[uint64]bool{}
	for _, f := range frames {
		for _, c := range f.comments {
			own := c.seq >= 0 && c.seq < len(l.posts)
			if own && l.posts[c.seq].fate == answered {
				if l.posts[c.seq].id == c.id {
					continue
				}
				if !wrong[c.id] {
					wrong[c.id] = true
					out.Mismatched++
					out.example("comment %d of the run was answered with id %d, and a stream has it as %d", c.seq, l.posts[c.seq].id, c.id)
				}
			}
			j.all = append(j.all, known{id: c.id, seq: c.seq})
		}
	}
	slices.SortFunc(j.all, func(a, b known) int {
		if a.id != b.id {
			return cmp.Compare(a.id, b.id)
		}
		// Of several entries for an id the one that must arrive stays.
		switch {
		case a.must == b.must:
			return 0
		case a.must:
			return -1
		default:
			return 1
		}
	})
	j.all = slices.CompactFunc(j.all, func(a, b known) bool { return a.id == b.id })
	j.latest = make([]int64, len(j.all))
	latest := int64(0)
	for i, k := range j.all {
		if k.must {
			latest = max(latest, k.sent)
		}
		j.latest[i] = latest
	}
	for _, f := range frames {
		for i := range f.comments {
			c := &f.comments[i]
			c.place = sort.Search(len(j.all), func(k int) bool { return j.all[k].id >= c.id })
		}
	}
	return out
}

// history judges one viewer. Nearly all viewers took the same path, which is
// walked once.
func (j *judge) history(h *history) verdict {
	first := len(j.all)
	if len(h.path) > 0 {
		first = h.path[0].start.comments[0].place
	}
	key := h.key()
	v, ok := j.memo[key]
	if !ok {
		v = j.walk(h)
		j.memo[key] = v
	}
	if len(h.path) == 0 && !h.open {
		return v
	}
	return j.beginning(h, first, v)
}

// key is the same for histories that walk judges alike.
func (h *history) key() string {
	var b []byte
	for _, r := range h.path {
		b = fmt.Appendf(b, "%p+%d ", r.start, r.n)
	}
	for _, g := range h.gaps {
		b = binary.BigEndian.AppendUint64(b, g.after)
		b = binary.BigEndian.AppendUint64(b, g.before)
	}
	return string(fmt.Appendf(b, " %t", h.open))
}

// beginning adds what was sent after the viewer had joined and is missing
// before the first comment it received.
func (j *judge) beginning(h *history, first int, v verdict) verdict {
	for i := first - 1; i >= 0 && j.latest[i] > h.joined; i-- {
		if j.all[i].must && j.all[i].sent > h.joined {
			j.miss(h, i, &v)
		}
	}
	return v
}

// walk judges the path from its first comment on.
func (j *judge) walk(h *history) verdict {
	var v verdict
	at := -1                  // index of the highest comment received
	skipped := map[int]bool{} // passed over, and not received so far
	receive := func(i int) {
		switch {
		case at < 0:
		case i > at:
			for k := at + 1; k < i; k++ {
				skipped[k] = true
			}
		case skipped[i]:
			delete(skipped, i)
			v.outOfOrder++
			v.say("comment %d came after %d", j.all[i].id, j.all[at].id)
		default:
			v.doubled++
			v.say("comment %d came twice", j.all[i].id)
		}
		at = max(at, i)
	}
	for _, r := range h.path {
		f := r.start
		for n := r.n; n > 0; n-- {
			for _, c := range f.comments {
				receive(c.place)
			}
			f = f.next
		}
	}
	if h.open && at >= 0 {
		for k := at + 1; k < len(j.all); k++ {
			skipped[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(skipped)) {
		if j.all[k].must {
			j.miss(h, k, &v)
		}
	}
	return v
}

// miss accounts for a comment that had to arrive and didn't.
func (j *judge) miss(h *history, i int, v *verdict) {
	id := j.all[i].id
	for _, g := range h.gaps {
		if id > g.after && id < g.before {
			v.announced++
			return
		}
	}
	v.lost++
	v.say("comment %d (number %d of the run) never came", id, j.all[i].seq)
}

func (v *verdict) say(format string, args ...any) {
	if v.example == "" {
		v.example = fmt.Sprintf(format, args...)
	}
}
