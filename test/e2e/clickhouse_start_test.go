package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"barrage/test/harness"
	"barrage/test/servers"
)

const clickHousePassword = "open-sesame"

// withUser adds a user that has a password to a server.
func withUser() servers.ClickHouseOptions {
	return servers.ClickHouseOptions{ConfigFiles: map[string]string{"users.d/barrage.xml": `<yandex><users><ann>
		<password>` + clickHousePassword + `</password><networks><ip>127.0.0.1</ip></networks>
		<profile>default</profile><quota>default</quota></ann></users></yandex>`}}
}

// expectNoSecret checks that nothing of a node's log tells the password.
func expectNoSecret(t *testing.T, n *harness.Node, secret string) {
	t.Helper()
	if strings.Contains(n.Logs(), secret) {
		t.Errorf("%q is in the log", secret)
	}
}

func TestWrongDSNIsRefusedWithoutTellingItsPassword(t *testing.T) {
	for name, bad := range map[string]string{
		"no address":   "clickhouse://ann:hunter2@",
		"no port":      "clickhouse://ann:hunter2@127.0.0.1/barrage",
		"not a DSN":    "ann:hunter2@127.0.0.1:9000",
		"other port":   "http://ann:hunter2@127.0.0.1:8123/barrage",
		"parameter":    "clickhouse://ann:hunter2@127.0.0.1:9000/barrage?dial_timeout=hunter2",
		"not a URL":    "clickhouse://ann:hunter2%zz@127.0.0.1:9000/barrage",
		"odd database": "clickhouse://ann:hunter2@127.0.0.1:9000/a/b c",
	} {
		t.Run(name, func(t *testing.T) {
			n := harness.New(t, harness.Flags("--clickhouse="+bad))
			expectRefused(t, n, "clickhouse")
			expectNoSecret(t, n, "hunter2")
		})
	}
}

func TestPasswordFromAFileOrTheEnvironment(t *testing.T) {
	ch := servers.StartClickHouse(t, withUser())
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(clickHousePassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, option := range map[string]harness.Option{
		"file":        harness.Flags("--clickhouse-password-file=" + file),
		"environment": harness.Env("BARRAGE_CLICKHOUSE_PASSWORD=" + clickHousePassword),
	} {
		t.Run(name, func(t *testing.T) {
			n := harness.Start(t, harness.Flags("--clickhouse=clickhouse://"+ch.Addr()+"/barrage", "--clickhouse-user=ann", "--clickhouse-batch-delay=100ms"), option)
			want := postMany(t, n.User("ops", "admin"), name, 5)
			caughtUp(t, n)
			expectInClickHouse(t, ch, name, want)
			expectNoSecret(t, n, clickHousePassword)
		})
	}
}

// A password may be changed at the server first: the node says so and serves
// what it can.
func TestWrongPasswordIsSaidAndNothingIsLost(t *testing.T) {
	ch := servers.StartClickHouse(t, withUser())
	flags := harness.Flags("--clickhouse=clickhouse://ann:hunter2@"+ch.Addr()+"/barrage", "--clickhouse-batch-delay=100ms")
	n := harness.Start(t, flags)
	want := postMany(t, n.User("ops", "admin"), "room", 5)
	waitForLog(t, n, "level=WARN", "password")
	if got, err := n.Anyone().Page(t.Context(), "room", ""); err != nil || !slices.Equal(got.Comments, backwards(want)) {
		t.Errorf("history is %q, %v", messages(got.Comments), err)
	}
	n.Kill()
	expectNoSecret(t, n, "hunter2")
	right := harness.Start(t, harness.DataFolder(n.Data), flags, harness.Env("BARRAGE_CLICKHOUSE_PASSWORD="+clickHousePassword))
	caughtUp(t, right)
	expectInClickHouse(t, ch, "room", want)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()))
	n.Terminate()
	ch.Exec(t, "INSERT INTO barrage.barrage_schema (version, name, applied_at_ms, id) SELECT toUInt32(99), 'later', toInt64(1), 'x'")
	expectRefused(t, harness.New(t, harness.DataFolder(n.Data), keptIn(ch.Addr())), "newer", "99")
}

func TestFolderOfANodeWithClickHouseIsRefusedWithout(t *testing.T) {
	ch := clickHouse(t)
	n := harness.Start(t, keptIn(ch.Addr()))
	post(t, n.User("ops", "admin"), "room", "hello")
	n.Terminate()
	expectRefused(t, harness.New(t, harness.DataFolder(n.Data)), "clickhouse.dsn", "export")
	n.Start() // and with it, it goes on
	if got := messages(history(t, n.Anyone(), "room")); got != "hello" {
		t.Errorf("history is %q", got)
	}
}

func TestNodeThatGetsClickHouseLaterKeepsItsOldHistory(t *testing.T) {
	ch := clickHouse(t)
	alone := harness.Start(t)
	old := postMany(t, alone.User("ops", "admin"), "room", 150)
	alone.Terminate()
	n := harness.Start(t, harness.DataFolder(alone.Data), keptIn(ch.Addr()), littleHere)
	if logged(n, "level=WARN", "not in ClickHouse", "export", "import") != 1 {
		t.Error("it doesn't say that its old history is not in ClickHouse")
	}
	h := &halfAway{ch: ch, n: n, ops: n.User("ops", "admin"), old: old, thread: old[7]}
	h.postRecent(t)
	for i := range 5 { // answers to what is old
		c, err := h.ops.Reply(t.Context(), "room", h.thread.ID, "answer")
		if err != nil {
			t.Fatal(i, err)
		}
		h.recent = append(h.recent, c)
	}
	h.expectWhole(t, h.all())
	caughtUp(t, n)
	// Of what is old, it may have what the journal still had.
	newest := "SELECT count() FROM barrage.visible_comments WHERE comment_id >= toUInt64(?)"
	if got := ch.Number(t, newest, h.recent[0].ID); got != uint64(len(h.recent)) {
		t.Errorf("ClickHouse has %d comments, want %d", got, len(h.recent))
	}
	n.Restart()
	h.expectWhole(t, h.all())
	if logged(n, "not in ClickHouse") != 1 {
		t.Error("it says so again")
	}
	h.old = h.remove(t, h.old, h.old[3].ID)
	h.expectWhole(t, h.all())
}
