package actors

import (
	"cmp"
	"slices"
	"time"

	"barrage/actors/wire"
	"barrage/persistence"
)

// deletedLately are a live video's latest deletions, the oldest first. Who
// resumes is sent what came behind its last comment; at the node where it was
// before, it has seen what came ahead of that. At another node the same
// deletion may have come earlier, and one that had no viewers has none in its
// ring. So those that may be new to a viewer are told again.
type deletedLately struct {
	list   []lateDeletion
	first  uint64 // the number of list[0]; each next one has one more
	frames map[span]*Frame
}

type lateDeletion struct {
	ringEvent
	at time.Time
	// end is the number of the event behind it in the ring; 0: it was never
	// there.
	end uint64
}

// toldApart is how much later than at another node a viewer may be told of a
// deletion at the one where it is.
const toldApart = 10 * time.Second

// maxDeletedLately bounds what is remembered.
const maxDeletedLately = maxMissedDeletions

func (d *deletedLately) add(e lateDeletion) {
	d.list = append(d.list, e)
	old := max(0, len(d.list)-maxDeletedLately)
	for old < len(d.list) && e.at.Sub(d.list[old].at) > answerMemory {
		old++
	}
	clear(d.list[:old])
	d.list = d.list[old:]
	d.first += uint64(old)
	d.frames = nil
}

// before gives those deletions ahead of an event of the ring that may be new
// to a viewer whose last comment is after, and their numbers.
func (d *deletedLately) before(from, after uint64) ([]lateDeletion, span) {
	since := persistence.IDTime(after).Add(-toldApart)
	i, _ := slices.BinarySearchFunc(d.list, since, func(e lateDeletion, t time.Time) int { return e.at.Compare(t) })
	j := i
	for j < len(d.list) && d.list[j].end <= from {
		j++
	}
	return d.list[i:j], span{d.first + uint64(i), d.first + uint64(j)}
}

// frame gives a frame of them, or nil if there are none. It is shared by all
// who lack the same.
func (d *deletedLately) frame(from, after uint64) *Frame {
	list, numbers := d.before(from, after)
	if len(list) == 0 {
		return nil
	}
	f, made := d.frames[numbers]
	if !made {
		f = compose(ringEventsOf(list))
		if d.frames == nil || len(d.frames) == blockEvents {
			d.frames = map[span]*Frame{}
		}
		d.frames[numbers] = f
	}
	return f
}

func ringEventsOf(list []lateDeletion) []ringEvent {
	events := make([]ringEvent, len(list))
	for i := range list {
		events[i] = list[i].ringEvent
	}
	return events
}

// forTap gives them with the numbers of a ring that begins where another does
// that has come to number first.
func (d *deletedLately) forTap(first uint64) []lateDeletion {
	list := slices.Clone(d.list)
	for i := range list {
		list[i].end -= min(first, list[i].end)
	}
	return list
}

// deletions gives what was deleted lately, the oldest first, for relays that
// may not have heard.
func (l *liveVideo) deletions() (list []*wire.Deletion) {
	now := l.node.now()
	for id, d := range l.recent.deleted {
		if age := now.Sub(d.at); age < answerMemory {
			list = append(list, &wire.Deletion{CommentId: id, AgeMs: uint32(max(0, age.Milliseconds()))}) //nolint:gosec // below answerMemory
		}
	}
	slices.SortFunc(list, func(x, y *wire.Deletion) int { return cmp.Compare(y.AgeMs, x.AgeMs) })
	return list[max(0, len(list)-maxDeletedLately):]
}
