package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
	"barrage/test/servers"
)

func TestTooManyPartsLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	ch := servers.StartClickHouse(t, servers.ClickHouseOptions{MergeTree: map[string]string{
		"parts_to_delay_insert": "12", "parts_to_throw_insert": "12",
	}})
	n := harness.Start(t, keptIn(ch.Addr()))
	ch.Exec(t, "SYSTEM STOP MERGES")
	l := startLoad(t, n, "a", "b")
	waitForLog(t, n, "level=WARN", "too many parts", "try again")
	waitForFailures(t, n, 5) // more than what makes a record suspect
	ch.Exec(t, "SYSTEM START MERGES")
	for _, table := range []string{"comments", "replies", "room_events", "comments_per_minute_state", "commenters_state"} {
		ch.Exec(t, "OPTIMIZE TABLE barrage."+table) // it would look only every ten seconds
	}
	l.check(ch)
}

// poison has the server refuse rows for which a condition holds, with an error
// that is about the row.
func poison(t *testing.T, ch *servers.ClickHouse, condition string) {
	t.Helper()
	ch.Exec(t, "ALTER TABLE barrage.comments ADD COLUMN poison UInt8 MATERIALIZED throwIf("+condition+")")
}

func TestRefusedRecordIsSetAsideAndTheRestGoesOn(t *testing.T) {
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()))
	l := startLoad(t, n, "a", "b")
	l.arrives(ch, "before")
	poison(t, ch, "message = 'poison'")
	bad, err := l.post(t.Context(), "a", "", "poison")
	if err != nil {
		t.Fatal(err)
	}
	waitForLog(t, n, "level=ERROR", "set aside", "set-aside.jsonl")
	l.arrives(ch, "after")
	visible := l.end()
	for _, room := range l.rooms {
		l.checkViewers(room)
		l.checkHistory(room, visible[room]) // it is in the node's own store
	}
	caughtUp(t, n)
	without := slices.DeleteFunc(slices.Clone(visible["a"]), func(c harness.Comment) bool { return c.ID == bad.ID })
	expectInClickHouse(t, ch, "a", without)
	expectInClickHouse(t, ch, "b", visible["b"])
	if got := metric(t, n, setAside); got != 1 {
		t.Errorf("%s is %v", setAside, got)
	}
	expectSetAside(t, n, bad)
	if strings.Contains(n.Logs(), `"poison"`) {
		t.Error("the text of the comment is in the log")
	}
}

// expectSetAside checks that the file has this one record, whole.
func expectSetAside(t *testing.T, n *harness.Node, want harness.Comment) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.Data, "clickhouse", "set-aside.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var line struct {
		LSN    uint64 `json:"lsn"`
		Error  string `json:"error"`
		Record struct {
			CommentPosted struct{ Comment harness.Comment } `json:"commentPosted"`
		} `json:"record"`
	}
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	got := line.Record.CommentPosted.Comment
	if line.LSN == 0 || line.Error == "" || got.ID != want.ID || got.Message != want.Message {
		t.Errorf("set aside was %s", text)
	}
}

// The first record of all may be one that is refused: there is nothing yet to
// compare it with but what comes after it.
func TestRefusedFirstRecordHoldsUpNothing(t *testing.T) {
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()))
	poison(t, ch, "message = 'poison'")
	ops := n.User("ops", "admin")
	bad := post(t, ops, "room", "poison")
	want := postMany(t, ops, "room", 20)
	caughtUp(t, n)
	expectInClickHouse(t, ch, "room", want)
	expectSetAside(t, n, bad)
}

func TestServerThatRefusesEverythingHasNothingSetAside(t *testing.T) {
	t.Parallel()
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()))
	l := startLoad(t, n, "a", "b")
	for restart := range 2 { // with a record to compare with in memory, and without
		l.arrives(ch, "before-"+string(rune('0'+restart)))
		poison(t, ch, "live_video_id != ''")
		waitForFailures(t, n, 6) // more than what makes a record suspect
		ch.Exec(t, "ALTER TABLE barrage.comments DROP COLUMN poison")
		during(t, 200*time.Millisecond)
	}
	l.check(ch) // it complains of any that was set aside
	if _, err := os.Stat(filepath.Join(n.Data, "clickhouse", "set-aside.jsonl")); err == nil {
		t.Error("there is a file of records that were set aside")
	}
}

// TestRefusedRecordStaysVisible: ClickHouse does not have it, so the node keeps
// it when it lets go of what ClickHouse has.
func TestRefusedRecordStaysVisible(t *testing.T) {
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()), littleHere)
	ops := n.User("ops", "admin")
	all := postMany(t, ops, "room", 5)
	caughtUp(t, n)
	poison(t, ch, "message = 'poison'")
	all = append(all, post(t, ops, "room", "poison"))
	waitForLog(t, n, "level=ERROR", "set aside")
	all = append(all, postMany(t, ops, "room", 5)...)
	caughtUp(t, n)
	ch.Kill()
	eventually(t, func() error {
		n.Restart() // until it has let go of what it can
		during(t, time.Second)
		return expectNotNow(do(t, ops, http.MethodGet, "/comments/room", nil, nil))
	})
	ch.Start()
	eventually(t, func() error {
		got, err := ops.All(t.Context(), "room")
		if err == nil && messages(got) != messages(all) {
			err = fmt.Errorf("%s, want %s", messages(got), messages(all))
		}
		return err
	})
}
