package verify

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Reaction is reactions that were asked to be counted, by one request.
type Reaction struct {
	Room, Type string
	Count      uint64
	Answered   bool // with 202; otherwise they may be counted or not
	At         time.Time
}

// Totals are the reactions to rooms that a node tells, and how many comments
// they have.
type Totals struct {
	Node     string
	Rooms    map[string]map[string]uint64
	Comments map[string]int
}

// Silence is a time in which a user was muted: from when that was answered to
// when its end was asked for.
type Silence struct {
	Room, User string
	Window
}

// Miscounted finds totals that are not what was counted: at least what was
// answered, and no more than what was asked for.
func Miscounted(r *Record) []Finding {
	type key struct{ room, kind string }
	least, most := map[key]uint64{}, map[key]uint64{}
	for _, reaction := range r.Reactions {
		k := key{reaction.Room, reaction.Type}
		most[k] += reaction.Count
		if reaction.Answered {
			least[k] += reaction.Count
		}
	}
	var found []Finding
	for _, t := range r.Totals {
		told := map[key]uint64{}
		for room, totals := range t.Rooms {
			for kind, n := range totals {
				told[key{room, kind}] = n
			}
		}
		for k := range most {
			told[k] += 0 // also what is not told
		}
		for k, n := range told {
			if n < least[k] || n > most[k] {
				found = append(found, Finding{Room: k.room, Text: fmt.Sprintf(
					"%s tells %d of %q; %d were answered, %d asked for", t.Node, n, k.kind, least[k], most[k])})
			}
		}
	}
	return found
}

// MiscountedComments finds counts of comments that are not those of the history
// of the same node.
func MiscountedComments(r *Record) []Finding {
	var found []Finding
	for _, t := range r.Totals {
		i := slices.IndexFunc(r.Histories, func(h History) bool { return h.Node == t.Node })
		if i < 0 {
			continue
		}
		for _, room := range slices.Sorted(maps.Keys(t.Comments)) {
			if n := len(r.Histories[i].Rooms[room]); n != t.Comments[room] {
				found = append(found, Finding{Room: room, Text: fmt.Sprintf("%s tells %d comments, and its history has %d", t.Node, t.Comments[room], n)})
			}
		}
	}
	return found
}

// DifferentTotals finds rooms of which two nodes tell different totals.
func DifferentTotals(r *Record) []Finding {
	var found []Finding
	for _, t := range r.Totals[min(1, len(r.Totals)):] {
		for _, room := range slices.Sorted(maps.Keys(t.Rooms)) {
			if first := r.Totals[0]; !maps.Equal(first.Rooms[room], t.Rooms[room]) {
				found = append(found, Finding{Room: room, Text: fmt.Sprintf("%s tells %v, %s tells %v", first.Node, first.Rooms[room], t.Node, t.Rooms[room])})
			}
		}
	}
	return found
}

// Spoken finds posts of muted users that were answered. Those during a cut-off
// are not looked at: one side may not know of the mute.
func Spoken(r *Record) []Finding {
	var found []Finding
	for _, s := range r.Silences {
		for _, a := range r.Answers {
			if a.Room == s.Room && a.User == s.User && !a.Began.Before(s.From) && !a.At.After(s.To) && !during(r.Cuts, s.From, a.At) {
				found = append(found, Finding{a.Room, a.ID, a.At, fmt.Sprintf("answered by %s, though %s was muted at %s", a.Node, a.User, s.From.Format("15:04:05.000"))})
			}
		}
	}
	return found
}

// Refused finds posts in a history that were refused.
func Refused(r *Record, h History) []Finding {
	refused := map[string]Failure{}
	for _, f := range r.Refusals {
		refused[f.Message] = f
	}
	var found []Finding
	for room, all := range h.Rooms {
		for _, c := range all {
			if f, ok := refused[c.Message]; ok && !during(r.Cuts, f.Began, f.At) {
				found = append(found, Finding{room, c.ID, f.At, fmt.Sprintf("refused (%s), and in the history of %s", f.Why, h.Node)})
			}
		}
	}
	return found
}

// roomRows are those of reactions and mutes, if there were any.
func roomRows(r *Record) []Row {
	if len(r.Reactions) == 0 && len(r.Silences) == 0 {
		return nil
	}
	var refused []Finding
	for _, h := range r.Histories {
		refused = append(refused, Refused(r, h)...)
	}
	return []Row{
		Count("totals of reactions that are not what was answered (each node's count)", Miscounted(r)),
		Count("totals of reactions that differ between nodes", DifferentTotals(r)),
		Count("counts of comments that are not those of history (each node's count)", MiscountedComments(r)),
		Count("posts of muted users that were answered (outside of cut-offs)", Spoken(r)),
		Count("refused posts in history (outside of cut-offs)", refused),
	}
}
