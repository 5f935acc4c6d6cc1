package actors

import (
	"slices"
	"sync/atomic"
	"testing"

	"barrage/actors/wire"
	"barrage/persistence"
	"barrage/persistence/records"
)

// halfJournal refuses the reactions to one target.
type halfJournal struct {
	Journal
	refuses atomic.Uint64
}

func (j *halfJournal) Append(record *records.Record, sink persistence.Sink) error {
	if r := record.GetReactionsCounted(); r != nil && r.CommentId == j.refuses.Load() {
		return persistence.ErrUnavailable
	}
	return j.Journal.Append(record, sink)
}

// Who is told that reactions were not counted sends them again: so it must be
// told of just those.
func TestOnlyReactionsThatWereNotStoredAreRefused(t *testing.T) {
	for _, target := range []string{"the live video", "the comment", "neither"} {
		journal := &halfJournal{}
		n := newTestNode(t, func(c *Config) { journal.Journal, c.Journal = c.Journal, journal })
		comment := n.post("v", "hello")
		var want []uint64
		switch target {
		case "the live video":
			want = []uint64{0}
		case "the comment":
			journal.refuses.Store(comment)
			want = []uint64{comment}
		default:
			journal.refuses.Store(1)
		}
		like := []*wire.ReactCount{{Type: "like", Count: 3, SessionTotal: 3}}
		answer := n.ask("v", &wire.React{Session: 7, Seq: 1, Targets: []*wire.ReactTarget{{Counts: like}, {CommentId: comment, Counts: like}}}).(*wire.ReactAnswer)
		if !slices.Equal(answer.Uncounted, want) || (answer.GetFault().GetCode() == wire.Code_UNAVAILABLE) != (len(want) > 0) {
			t.Errorf("%s is refused: %v", target, answer)
		}
		for _, totals := range n.ask("v", &wire.ReadReactions{CommentIds: []uint64{0, comment}}).(*wire.ManyReactions).Totals {
			if slices.Contains(want, totals.CommentId) || totals.Totals["like"] != 3 {
				t.Errorf("%s is refused: %v", target, totals)
			}
		}
	}
}
