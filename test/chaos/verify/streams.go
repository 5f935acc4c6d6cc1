package verify

import (
	"fmt"
	"slices"
	"time"
)

// Disorder finds comments that came twice or out of order to one viewer.
func Disorder(r *Record) []Finding {
	var found []Finding
	for _, v := range r.Viewers {
		var last Item
		for _, item := range v.Items {
			if item.ID == 0 {
				continue
			}
			if item.ID <= last.ID {
				what := "out of order"
				if item.ID == last.ID || slices.ContainsFunc(v.Items, func(i Item) bool { return i.ID == item.ID && i.At.Before(item.At) }) {
					what = "twice"
				}
				found = append(found, Finding{v.Room, item.ID, item.At, fmt.Sprintf("%s at %s: from %s, after %d from %s at %s",
					what, v.Name, item.Node, last.ID, last.Node, last.At.Format("15:04:05.000"))})
				continue
			}
			last = item
		}
	}
	return found
}

// Unannounced finds comments of the history that a viewer was not sent, and not
// told of by a gap, though they are between the first and the last of its own.
// Those posted while a node was cut off are in cut.
func Unannounced(r *Record, h History) (found, cut []Finding) {
	posted := posts(r)
	for _, v := range r.Viewers {
		first, last, came, gaps := v.sum()
		for _, c := range h.Rooms[v.Room] {
			if c.ID <= first || c.ID >= last || came[c.ID] ||
				slices.ContainsFunc(gaps, func(g Item) bool { return g.After < c.ID && c.ID < g.Before }) {
				continue
			}
			p := posted[c.Message]
			f := Finding{v.Room, c.ID, p.From, fmt.Sprintf("not sent to %s, and no gap told; %s; %s", v.Name, p.What, v.around(c.ID))}
			if during(r.Cuts, p.From, p.To) {
				cut = append(cut, f)
			} else {
				found = append(found, f)
			}
		}
	}
	return found, cut
}

// Gaps are those that viewers were told of, as findings though they are
// allowed, with how many comments of the history each is about.
func Gaps(r *Record, h History) []Finding {
	var found []Finding
	for _, v := range r.Viewers {
		for _, item := range v.Items {
			if item.ID != 0 || item.Deleted != 0 {
				continue
			}
			n := 0
			for _, c := range h.Rooms[v.Room] {
				if item.After < c.ID && c.ID < item.Before {
					n++
				}
			}
			found = append(found, Finding{v.Room, item.After, item.At, fmt.Sprintf("%s told %s of a gap up to %d, %d comments", item.Node, v.Name, item.Before, n)})
		}
	}
	return found
}

// Shown finds comments that a viewer was sent and that a history lacks, or has
// with another text. One whose deletion was asked for may be gone, and one that
// the viewer was told to be deleted.
func Shown(r *Record, h History) []Finding {
	gone := map[string]map[uint64]bool{}
	for _, d := range r.Deletions {
		if gone[d.Room] == nil {
			gone[d.Room] = map[uint64]bool{}
		}
		gone[d.Room][d.ID] = true
	}
	texts := map[string]map[uint64]string{}
	for room, all := range h.Rooms {
		texts[room] = map[uint64]string{}
		for _, c := range all {
			texts[room][c.ID] = c.Message
		}
	}
	var found []Finding
	for _, v := range r.Viewers {
		told := map[uint64]bool{}
		for _, item := range v.Items {
			told[item.Deleted] = true
		}
		for _, item := range v.Items {
			if item.ID == 0 || gone[v.Room][item.ID] || told[item.ID] {
				continue
			}
			if text, ok := texts[v.Room][item.ID]; !ok || text != item.Message {
				found = append(found, Finding{v.Room, item.ID, item.At, fmt.Sprintf("%s sent %q to %s; the history of %s has %q", item.Node, item.Message, v.Name, h.Node, text)})
			}
		}
	}
	return found
}

// Behind finds viewers that stayed to the end and lack the newest comment.
func Behind(r *Record, h History) []Finding {
	var found []Finding
	for _, v := range r.Viewers {
		all := h.Rooms[v.Room]
		if v.Left || len(all) == 0 {
			continue
		}
		newest := all[len(all)-1]
		_, last, _, gaps := v.sum()
		if last >= newest.ID || slices.ContainsFunc(gaps, func(g Item) bool { return g.After < newest.ID && newest.ID < g.Before }) {
			continue
		}
		at, node := time.Time{}, "nobody"
		if len(v.Items) > 0 {
			at, node = v.Items[len(v.Items)-1].At, v.Items[len(v.Items)-1].Node
		}
		found = append(found, Finding{v.Room, newest.ID, at, fmt.Sprintf("%s lacks the newest; its last is %d, from %s", v.Name, last, node)})
	}
	return found
}

// LongestPause is the longest time between two comments that came to a viewer,
// as far as it is within a window.
func LongestPause(v *Viewer, w Window) time.Duration {
	longest, last := time.Duration(0), w.From
	for _, item := range v.Items {
		if item.ID == 0 {
			continue
		}
		if item.At.Before(w.From) {
			last = item.At
			continue
		}
		// A pause that begins in the window counts whole.
		longest, last = max(longest, item.At.Sub(last)), item.At
		if item.At.After(w.To) {
			return longest
		}
	}
	return max(longest, w.To.Sub(last))
}

// sum answers the first and the last comment's id, all ids, and the gaps.
func (v *Viewer) sum() (first, last uint64, came map[uint64]bool, gaps []Item) {
	came = make(map[uint64]bool, len(v.Items))
	for _, item := range v.Items {
		if item.ID == 0 {
			if item.Deleted == 0 {
				gaps = append(gaps, item)
			}
			continue
		}
		if first == 0 || item.ID < first {
			first = item.ID
		}
		last = max(last, item.ID)
		came[item.ID] = true
	}
	return first, last, came, gaps
}

// around says which comments came before and after an id.
func (v *Viewer) around(id uint64) string {
	var before, after Item
	for _, item := range v.Items {
		if item.ID != 0 && item.ID < id {
			before = item
		}
		if item.ID > id {
			after = item
			break
		}
	}
	return fmt.Sprintf("before it %d from %s at %s, after it %d from %s at %s", before.ID, before.Node, before.At.Format("15:04:05.000"),
		after.ID, after.Node, after.At.Format("15:04:05.000"))
}
