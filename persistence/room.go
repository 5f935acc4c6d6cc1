package persistence

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/persistence/records"
)

// resolvedMemory is how long a room knows of a held comment that it was
// resolved: longer than any copy of it as waiting is on its way.
const resolvedMemory = 24 * time.Hour

// MergeRoom brings what is known of a room up to another knowledge of it, and
// says whether anything changed. Of each part the later change holds, so that
// the order in which knowledge comes together does not matter. Nothing of from
// is shared with room afterwards that MergeRoom will change.
func MergeRoom(room, from *records.Room) (changed bool) {
	if e, was := from.GetEnded(), room.GetEnded(); later(e.GetAtMs(), was.GetAtMs(), e.GetEnded() && !was.GetEnded()) {
		room.Ended, changed = e, true
	}
	if s, was := from.GetSlowMode(), room.GetSlowMode(); later(s.GetAtMs(), was.GetAtMs(), s.GetSeconds() > was.GetSeconds()) {
		room.SlowMode, changed = s, true
	}
	if p, was := from.GetPin(), room.GetPin(); later(p.GetAtMs(), was.GetAtMs(), p.GetCommentId() > was.GetCommentId()) {
		room.Pin, changed = p, true
	}
	if at := from.GetCreatedAtMs(); at != 0 && (room.GetCreatedAtMs() == 0 || at < room.GetCreatedAtMs()) {
		room.CreatedAtMs, changed = at, true
	}
	for _, m := range from.GetMutes() {
		changed = mergeMute(room, m) || changed
	}
	for _, h := range from.GetHeld() {
		changed = mergeHeld(room, h) || changed
	}
	return changed
}

// later says whether a change holds over another. Of the same millisecond are
// changes of two owners that did not know of each other: any rule does, as long
// as it is the same everywhere.
func later(at, wasAt int64, more bool) bool {
	return at > wasAt || at == wasAt && at != 0 && more
}

func mergeMute(room *records.Room, m *records.Mute) bool {
	i, known := slices.BinarySearchFunc(room.Mutes, m.UserId, func(a *records.Mute, id string) int {
		return strings.Compare(a.UserId, id)
	})
	switch {
	case !known:
		room.Mutes = slices.Insert(room.Mutes, i, m)
	case later(m.AtMs, room.Mutes[i].AtMs, compareMutes(m, room.Mutes[i]) > 0):
		room.Mutes[i] = m
	default:
		return false
	}
	return true
}

func compareMutes(a, b *records.Mute) int {
	if a.Ended != b.Ended {
		if b.Ended {
			return 1 // who is muted stays so
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.UntilMs, b.UntilMs), strings.Compare(a.By, b.By))
}

// mergeHeld: what was resolved waits no more, and who resolved first did it.
// What is deleted since stays so, whoever that was.
func mergeHeld(room *records.Room, h *records.Held) bool {
	id := h.GetComment().GetId()
	i, known := slices.BinarySearchFunc(room.Held, id, func(a *records.Held, id uint64) int {
		switch other := a.GetComment().GetId(); {
		case other < id:
			return -1
		case other > id:
			return 1
		}
		return 0
	})
	switch {
	case !known:
		room.Held = slices.Insert(room.Held, i, h)
	case h.Resolution == records.Resolution_WAITING:
		return false
	case room.Held[i].Resolution == records.Resolution_WAITING, compareResolved(h, room.Held[i]) < 0:
		deleted := room.Held[i].Deleted && !h.Deleted
		if room.Held[i] = h; deleted {
			room.Held[i] = deletedHeld(h)
		}
	case h.Deleted && !room.Held[i].Deleted:
		room.Held[i] = deletedHeld(room.Held[i])
	default:
		return false
	}
	return true
}

func deletedHeld(h *records.Held) *records.Held {
	h = proto.CloneOf(h)
	h.Deleted = true
	return h
}

func compareResolved(a, b *records.Held) int {
	return cmp.Or(cmp.Compare(a.ResolvedAtMs, b.ResolvedAtMs), cmp.Compare(a.Resolution, b.Resolution),
		cmp.Compare(a.CommentId, b.CommentId), strings.Compare(a.ResolvedBy, b.ResolvedBy))
}

// TidyRoom drops from a room what means nothing any more: mutes that are over,
// and held comments that were resolved long ago.
func TidyRoom(room *records.Room, now time.Time) {
	old := now.Add(-resolvedMemory).UnixMilli()
	room.Mutes = slices.DeleteFunc(room.Mutes, func(m *records.Mute) bool {
		return m.AtMs < old && (m.Ended || m.UntilMs != 0 && m.UntilMs < old)
	})
	room.Held = slices.DeleteFunc(room.Held, func(h *records.Held) bool {
		return h.Resolution != records.Resolution_WAITING && h.ResolvedAtMs < old
	})
}

// Muted says whether a user may not speak at a time, and the mute.
func Muted(room *records.Room, userID string, now time.Time) (*records.Mute, bool) {
	i, known := slices.BinarySearchFunc(room.GetMutes(), userID, func(a *records.Mute, id string) int {
		return strings.Compare(a.UserId, id)
	})
	if !known {
		return nil, false
	}
	m := room.Mutes[i]
	return m, !m.Ended && (m.UntilMs == 0 || m.UntilMs > now.UnixMilli())
}

// MergeSlot brings what is known of a session's reactions up to another
// knowledge, and says whether anything changed.
func MergeSlot(slot *records.ReactionSlot, counts map[string]uint64) (changed bool) {
	for kind, total := range counts {
		if total > slot.Totals[kind] {
			if slot.Totals == nil {
				slot.Totals = map[string]uint64{}
			}
			slot.Totals[kind], changed = total, true
		}
	}
	return changed
}
