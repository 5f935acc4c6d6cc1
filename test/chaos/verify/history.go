package verify

import (
	"fmt"
	"slices"
	"time"
)

// Missing finds answered comments that a history lacks, or has with another
// text. One whose deletion was asked for may be gone; so may one of two with
// which both sides of a cut-off answered a key.
func Missing(r *Record, h History) []Finding {
	gone := map[string]map[uint64]bool{}
	for _, d := range r.Deletions {
		if gone[d.Room] == nil {
			gone[d.Room] = map[uint64]bool{}
		}
		gone[d.Room][d.ID] = true
	}
	texts := map[string]map[uint64]string{}
	for room, all := range h.Rooms {
		texts[room] = make(map[uint64]string, len(all))
		for _, c := range all {
			texts[room][c.ID] = c.Message
		}
	}
	other := map[string][]uint64{}
	for _, a := range r.Answers {
		other[a.Message] = append(other[a.Message], a.ID)
	}
	var found []Finding
	for _, a := range r.Answers {
		if _, ok := texts[a.Room][a.ID]; !ok && during(r.Cuts, a.Began, a.At) &&
			slices.ContainsFunc(other[a.Message], func(id uint64) bool { return id != a.ID && texts[a.Room][id] == a.Message }) {
			continue
		}
		text, ok := texts[a.Room][a.ID]
		switch {
		case !ok && !gone[a.Room][a.ID]:
			found = append(found, Finding{a.Room, a.ID, a.At, fmt.Sprintf(
				"answered by %s after %d tries in %s, and not in the history of %s (%q, key %s)%s",
				a.Node, a.Tries, a.At.Sub(a.Began).Round(time.Millisecond), h.Node, a.Message, a.Key, twin(h.Rooms[a.Room], a.Message))})
		case ok && text != a.Message:
			found = append(found, Finding{a.Room, a.ID, a.At, fmt.Sprintf("answered as %q by %s, the history of %s has %q", a.Message, a.Node, h.Node, text)})
		}
	}
	return found
}

// twin says whether a message is there under another id.
func twin(all []Comment, message string) string {
	for _, c := range all {
		if c.Message == message {
			return fmt.Sprintf(", which has the message as comment %d", c.ID)
		}
	}
	return ""
}

// Twice finds comments that a history has twice: the same id, or two ids of one
// post.
func Twice(r *Record, h History) []Finding {
	posted := posts(r)
	var found []Finding
	for room, all := range h.Rooms {
		ids, texts := map[uint64]bool{}, map[string]uint64{}
		for _, c := range all {
			first, again := texts[c.Message]
			switch {
			case ids[c.ID]:
				found = append(found, Finding{room, c.ID, posted[c.Message].From, "twice in the history of " + h.Node})
			case again:
				p := posted[c.Message]
				found = append(found, Finding{room, c.ID, p.From, fmt.Sprintf(
					"%s is comment %d too, in the history of %s (posted in %s)", p.What, first, h.Node, p.To.Sub(p.From).Round(time.Millisecond))})
			}
			ids[c.ID] = true
			texts[c.Message] = c.ID
		}
	}
	return found
}

// Returned finds comments whose deletion was answered, and that a history has.
func Returned(r *Record, h History) []Finding {
	var found []Finding
	for _, d := range r.Deletions {
		if d.Answered && slices.ContainsFunc(h.Rooms[d.Room], func(c Comment) bool { return c.ID == d.ID }) {
			found = append(found, Finding{d.Room, d.ID, d.At, "deleted, and in the history of " + h.Node})
		}
	}
	return found
}

// Unposted finds comments that nobody has posted.
func Unposted(r *Record, h History) []Finding {
	posted := posts(r)
	var found []Finding
	for room, all := range h.Rooms {
		for _, c := range all {
			if _, ok := posted[c.Message]; !ok {
				found = append(found, Finding{Room: room, ID: c.ID, Text: fmt.Sprintf("nobody has posted %q of the history of %s", c.Message, h.Node)})
			}
		}
	}
	return found
}

// Unsorted finds comments that a history has out of order.
func Unsorted(h History) []Finding {
	var found []Finding
	for room, all := range h.Rooms {
		for i := 1; i < len(all); i++ {
			if all[i].ID < all[i-1].ID {
				found = append(found, Finding{Room: room, ID: all[i].ID, Text: fmt.Sprintf("after %d in the history of %s", all[i-1].ID, h.Node)})
			}
		}
	}
	return found
}

// Different finds what one history has and the first lacks, or the other way
// round.
func Different(histories []History) []Finding {
	var found []Finding
	for _, h := range histories[min(1, len(histories)):] {
		first := histories[0]
		rooms := map[string]bool{}
		for _, x := range []History{first, h} {
			for room := range x.Rooms {
				rooms[room] = true
			}
		}
		for room := range rooms {
			if slices.Equal(first.Rooms[room], h.Rooms[room]) {
				continue
			}
			before := len(found)
			found = append(found, lacks(room, first, h)...)
			found = append(found, lacks(room, h, first)...)
			if len(found) == before { // the same comments, not in the same order or number
				found = append(found, Finding{Room: room, Text: fmt.Sprintf("%s and %s differ in their order", first.Node, h.Node)})
			}
		}
	}
	return found
}

// lacks finds what a node's history of a room has and another's lacks.
func lacks(room string, has, other History) []Finding {
	known := map[Comment]bool{}
	for _, c := range other.Rooms[room] {
		known[c] = true
	}
	var found []Finding
	for _, c := range has.Rooms[room] {
		if !known[c] {
			found = append(found, Finding{Room: room, ID: c.ID, Text: fmt.Sprintf("in the history of %s, not in that of %s (%q)", has.Node, other.Node, c.Message)})
		}
	}
	return found
}

// Answered finds keys that were answered with more than one comment. Those of
// both sides of a cut-off, which can't know of each other, are in cut.
func Answered(r *Record) (found, cut []Finding) {
	type key struct{ room, user, key string }
	first := map[key]Answer{}
	for _, a := range r.Answers {
		k := key{a.Room, a.User, a.Key}
		f, again := first[k]
		switch {
		case !again:
			first[k] = a
		case f.ID == a.ID:
		default:
			finding := Finding{a.Room, a.ID, a.At, fmt.Sprintf("%s answers key %s so, %s answered it with %d at %s",
				a.Node, a.Key, f.Node, f.ID, f.At.Format("15:04:05.000"))}
			if during(r.Cuts, a.Began, a.At) || during(r.Cuts, f.Began, f.At) {
				cut = append(cut, finding)
			} else {
				found = append(found, finding)
			}
		}
	}
	return found, cut
}

// Backwards finds comments with an id below that of one which was answered
// before they were posted. Those posted while a node was cut off are not
// looked at: two sides can't know of each other.
func Backwards(r *Record) []Finding {
	type key struct{ room, user, key string }
	seen := map[key]bool{}
	rooms := map[string][]Answer{}
	for _, a := range r.Answers {
		// A second answer to a key is that of an old comment.
		if k := (key{a.Room, a.User, a.Key}); !seen[k] {
			seen[k] = true
			rooms[a.Room] = append(rooms[a.Room], a)
		}
	}
	var found []Finding
	for room, began := range rooms {
		answered := slices.Clone(began)
		slices.SortFunc(began, func(a, b Answer) int { return a.Began.Compare(b.Began) })
		slices.SortFunc(answered, func(a, b Answer) int { return a.At.Compare(b.At) })
		var highest Answer
		i := 0
		for _, a := range began {
			for ; i < len(answered) && answered[i].At.Before(a.Began); i++ {
				if answered[i].ID > highest.ID {
					highest = answered[i]
				}
			}
			if a.ID < highest.ID && !during(r.Cuts, highest.Began, a.At) {
				found = append(found, Finding{room, a.ID, a.Began, fmt.Sprintf("posted at %s after %d had been answered by %s at %s",
					a.Node, highest.ID, highest.Node, highest.At.Format("15:04:05.000"))})
			}
		}
	}
	return found
}

// posts answers when each message was on its way, and what it is called.
func posts(r *Record) map[string]Window {
	all := make(map[string]Window, len(r.Answers)+len(r.Failures))
	for _, a := range r.Answers {
		if w, again := all[a.Message]; again && w.From.Before(a.Began) {
			continue
		}
		all[a.Message] = Window{fmt.Sprintf("the post %q of key %s (%d tries, answered by %s)", a.Message, a.Key, a.Tries, a.Node), a.Began, a.At}
	}
	for _, f := range slices.Concat(r.Failures, r.Refusals) {
		all[f.Message] = Window{fmt.Sprintf("the failed post %q of key %s", f.Message, f.Key), f.Began, f.At}
	}
	return all
}

// during says whether any of the windows overlaps a time.
func during(windows []Window, from, to time.Time) bool {
	return slices.ContainsFunc(windows, func(w Window) bool { return w.overlaps(from, to) })
}
