package transfer

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"barrage/persistence"
	"barrage/persistence/embedded"
	"barrage/persistence/records"
)

// TestAHeldCommentIsNotExported: neither one that waits, nor a rejected one;
// and what else there is of a room disturbs nothing.
func TestAHeldCommentIsNotExported(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := embedded.Open(embedded.Config{Dir: filepath.Join(dir, storeDir)})
	if err != nil {
		t.Fatal(err)
	}
	act := func(kind string, room *records.Room) *records.Record {
		return &records.Record{Room: room, Kind: &records.Record_RoomEvent{RoomEvent: &records.RoomEvent{
			LiveVideoId: "a", Kind: kind, EventId: 1, AtMs: 1, ActorId: "mod",
		}}}
	}
	held := func(n int, resolution records.Resolution) *records.Room {
		c := comment("a", n)
		c.Message = "held"
		return &records.Room{Held: []*records.Held{{Comment: c, Resolution: resolution, ResolvedAtMs: int64(resolution)}}}
	}
	shown := comment("a", 5)
	var entries []persistence.Entry
	for i, r := range []*records.Record{
		act("hold", held(1, records.Resolution_WAITING)),
		act("reject", held(2, records.Resolution_REJECTED)),
		act("mute", &records.Room{Mutes: []*records.Mute{{UserId: "u", AtMs: 1}}}),
		{Kind: &records.Record_CommentPosted{CommentPosted: &records.CommentPosted{Comment: shown}}},
		{Kind: &records.Record_ReactionsCounted{ReactionsCounted: &records.ReactionsCounted{
			LiveVideoId: "b", CommentId: shown.Id, Session: 1, Counts: []*records.ReactionCount{{Type: "like", SessionTotal: 1}},
		}}},
	} {
		entries = append(entries, persistence.Entry{LSN: persistence.LSN(i + 1), Record: r})
	}
	err = s.Apply(t.Context(), entries)
	_, errSync := s.Sync(t.Context())
	if err := errors.Join(err, errSync, s.Close()); err != nil {
		t.Fatal(err)
	}
	d, err := openData(t, dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	lines := exported(t, &Export{Source: d})
	if n, err := d.Count(t.Context()); err != nil || n != 1 || strings.Count(lines, "\n") != 1 || strings.Contains(lines, "held") {
		t.Errorf("%d comments, %v:\n%s", n, err, lines)
	}
}
