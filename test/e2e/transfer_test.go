package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/test/harness"
	"barrage/test/servers"
)

// moved is history of all kinds: it is posted to a node, part of it deleted.
type moved struct {
	rooms   map[string][]harness.Comment
	replies map[string][]harness.Comment // by parent, in room "replies"
	deleted harness.Comment              // in room "texts"
}

func postHistory(t *testing.T, n *harness.Node) *moved {
	t.Helper()
	ann := n.Client(n.SignedToken(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "ann@example.org", "name": "安 \"Ann\" <b>", "role": "moderator", "exp": time.Now().Add(time.Hour).Unix(),
	}))
	m := &moved{rooms: map[string][]harness.Comment{}, replies: map[string][]harness.Comment{}}
	postMany(t, ann, "many", 230)
	for _, text := range []string{"弹幕来了", "two\nlines\tand a tab", `quotes " and \ and </script>`, "👩‍👩‍👧\u2028\u202e", "to be deleted", strings.Repeat("弹", 500)} {
		c := post(t, ann, "texts", text)
		if text == "to be deleted" {
			m.deleted = c
		}
	}
	if err := ann.Delete(t.Context(), "texts", m.deleted.ID); err != nil {
		t.Fatal(err)
	}
	parents := []harness.Comment{post(t, ann, "replies", "question"), post(t, ann, "replies", "another")}
	for i := range 7 {
		if _, err := ann.Reply(t.Context(), "replies", parents[i%2].ID, fmt.Sprint("answer ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := ann.Delete(t.Context(), "replies", parents[0].ID); err != nil { // its replies stay
		t.Fatal(err)
	}
	for _, room := range []string{"many", "texts", "replies"} {
		m.rooms[room] = history(t, ann, room)
	}
	for _, p := range parents {
		m.replies[p.ID] = repliesTo(t, ann, p.ID)
	}
	return m
}

func repliesTo(t *testing.T, c *harness.Client, parent string) []harness.Comment {
	t.Helper()
	var page harness.Page
	answer := do(t, c, "GET", "/comments/replies/"+parent+"/replies?pageSize=100", nil, nil)
	if err := json.Unmarshal(answer.Body, &page); err != nil && answer.Status == 200 {
		t.Fatal(err)
	}
	return page.Comments
}

// servedBy checks that a node serves the same history, and goes on from it.
func (m *moved) servedBy(t *testing.T, n *harness.Node) {
	t.Helper()
	c := n.User("bob", "viewer")
	for room, want := range m.rooms {
		got := history(t, c, room)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d comments that differ from the %d that were moved", room, len(got), len(want))
		}
		if v := video(t, c, room); v.Comments != len(want) {
			t.Errorf("%s: the count says %d instead of %d", room, v.Comments, len(want))
		}
		if next := post(t, c, room, "next"); !harness.Less(want[len(want)-1].ID, next.ID) {
			t.Errorf("%s: a new comment %s is not behind %s", room, next.ID, want[len(want)-1].ID)
		}
	}
	for parent, want := range m.replies {
		if got := repliesTo(t, c, parent); !slices.Equal(got, want) {
			t.Errorf("replies to %s: %+v, want %+v", parent, got, want)
		}
	}
}

// transfer runs an export or import that must succeed.
func transfer(t *testing.T, args ...string) (out, errOut string) {
	t.Helper()
	out, errOut, status := barrage(t, "", args...)
	if status != 0 {
		t.Fatalf("%v: status %d, %s", args, status, errOut)
	}
	return out, errOut
}

func TestHistoryMovesToAnotherDataFolder(t *testing.T) {
	t.Parallel()
	n := harness.Start(t)
	m := postHistory(t, n)
	n.Kill() // much of it is in the journal only
	file := filepath.Join(t.TempDir(), "history.jsonl")
	if _, errOut := transfer(t, "export", "--data", n.Data, "--out", file); !strings.Contains(errOut, "243 comments exported, of 3 live videos") {
		t.Errorf("it says %q", errOut)
	}
	out, _ := transfer(t, "export", "--data", n.Data)
	if text, err := os.ReadFile(file); err != nil || out != string(text) {
		t.Fatalf("a second export differs: %v", err)
	}
	data := filepath.Join(t.TempDir(), "new", "data")
	for range 2 { // the second time changes nothing
		if _, errOut := transfer(t, "import", "--data", data, "--in", file); !strings.Contains(errOut, "243 comments imported") {
			t.Errorf("it says %q", errOut)
		}
		if again, _ := transfer(t, "export", "--data", data); again != out {
			t.Fatal("what was imported differs")
		}
	}
	m.servedBy(t, harness.Start(t, harness.DataFolder(data)))
	n.Start()
	m.servedBy(t, n) // an export changes nothing
}

func TestAnExportCanBeOfSomeVideosAndTimes(t *testing.T) {
	n := harness.Start(t)
	postMany(t, n.User("ops", "admin"), "a", 5)
	postMany(t, n.User("ops", "admin"), "b", 5)
	postMany(t, n.User("ops", "admin"), "c", 5)
	n.Terminate()
	count := func(args ...string) int {
		out, _ := transfer(t, append([]string{"export", "--data", n.Data}, args...)...)
		return strings.Count(out, "\n")
	}
	tomorrow := time.Now().Add(24 * time.Hour).Format(time.DateOnly)
	if a, b, c, d := count("--video", "c", "--video", "a"), count("--video", "none"), count("--since", tomorrow), count("--until", tomorrow); a != 10 || b != 0 || c != 0 || d != 15 {
		t.Errorf("got %d, %d, %d, %d comments", a, b, c, d)
	}
}

func TestWhatIsDeletedInTheTargetStaysDeleted(t *testing.T) {
	n := harness.Start(t)
	ops := n.User("ops", "admin")
	all := postMany(t, ops, "room", 5)
	n.Terminate()
	out, _ := transfer(t, "export", "--data", n.Data)
	n.Start()
	if err := ops.Delete(t.Context(), "room", all[2].ID); err != nil {
		t.Fatal(err)
	}
	n.Kill()
	if _, errOut, status := barrage(t, out, "import", "--data", n.Data); status != 0 {
		t.Fatal(errOut)
	}
	n.Start()
	if got, v := messages(history(t, ops, "room")), video(t, ops, "room"); got != "0 1 3 4" || v.Comments != 4 {
		t.Errorf("history is %q, count %d", got, v.Comments)
	}
}

func TestABadLineIsNamedAndEndsTheImport(t *testing.T) {
	lines := manyLines(4)
	text := lines[0] + lines[1] + `{"id":"5"}` + "\n" + lines[2] + lines[3]
	data := filepath.Join(t.TempDir(), "data")
	_, errOut, status := barrage(t, text, "import", "--data", data)
	if status != 1 || !strings.Contains(errOut, "line 3: ") || !strings.Contains(errOut, "2 comments imported") {
		t.Errorf("status %d, %q", status, errOut)
	}
	if out, _ := transfer(t, "export", "--data", data); out != lines[0]+lines[1] {
		t.Errorf("imported:\n%s", out)
	}
	_, errOut, status = barrage(t, text, "import", "--data", data, "--skip-bad")
	if status != 0 || !strings.Contains(errOut, "line 3: ") || !strings.Contains(errOut, "1 bad lines passed over") {
		t.Errorf("status %d, %q", status, errOut)
	}
	if out, _ := transfer(t, "export", "--data", data); out != strings.Join(lines, "") {
		t.Errorf("imported:\n%s", out)
	}
}

func TestWrongTransfersAreRefusedPlainly(t *testing.T) {
	n := harness.Start(t)
	none := filepath.Join(t.TempDir(), "none")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"export", "--data", n.Data}, 1, "stop the node first"},
		{[]string{"import", "--data", n.Data}, 1, "stop the node first"},
		{[]string{"export", "--data", none}, 1, "no history"},
		{[]string{"export", "--data", none, "--clickhouse", "clickhouse://localhost:1/x"}, 2, "together"},
		{[]string{"export", "--resume"}, 2, "--out"},
		{[]string{"export", "--video", "a/b"}, 2, "a/b"},
		{[]string{"export", "--since", "yesterday"}, 2, "yesterday"},
		{[]string{"export", "--since", "2026-02-01", "--until", "2026-01-01"}, 2, "before"},
		{[]string{"import", "--in", none}, 1, "no such file"},
		{[]string{"import", "--data", none, "--in", file, "--state", file}, 1, "not a state file"},
		{[]string{"export", "--clickhouse", "nonsense"}, 1, "clickhouse://"},
	} {
		out, errOut, status := barrage(t, "", row.args...)
		if status != row.status || !strings.Contains(errOut, row.want) || out != "" || strings.Contains(errOut, "goroutine ") {
			t.Errorf("%v: status %d, %q, %q", row.args, status, out, errOut)
		}
	}
	n.Terminate()
	for flag, want := range map[string]string{"": "exists already", "--resume": "not a file that 'barrage export' wrote"} {
		args := []string{"export", "--data", n.Data, "--out", file}
		if flag != "" {
			args = append(args, flag)
		}
		if _, errOut, status := barrage(t, "", args...); status != 1 || !strings.Contains(errOut, want) {
			t.Errorf("%v: status %d, %q", args, status, errOut)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "text\n" {
		t.Errorf("the file is now %q, %v", text, err)
	}
}

func TestATransferThatIsInterruptedSaysHowToGoOn(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	cmd := harness.Command(t, "import", "--data", filepath.Join(t.TempDir(), "data"), "--state", state)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out := start(t, cmd)
	// More than a batch, of which the first is kept.
	if _, err := in.Write([]byte(strings.Join(manyLines(51_000), ""))); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { _, err := os.Stat(state); return err })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its status is below
	if text := string(out.Bytes()); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(text, "interrupted (50000 comments imported); the same command goes on from there") {
		t.Errorf("status %d, %q", cmd.ProcessState.ExitCode(), text)
	}
}

// manyLines are lines as an export has them, of some live videos, in order.
func manyLines(count int) []string {
	const videos = 8
	began := time.Now().Add(-24 * time.Hour).Truncate(time.Millisecond).UTC()
	epoch := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	lines := make([]string, count)
	for i := range lines {
		at := began.Add(time.Duration(i) * time.Millisecond)
		id := uint64(at.Sub(epoch).Milliseconds())<<22 | 7
		lines[i] = fmt.Sprintf(`{"id":"%d","liveVideoId":"video-%d","userId":"user-%d","userName":"观众 %d","message":"第%d条弹幕，和真实直播间里的评论差不多长","createdAt":"%s"}`+"\n",
			id, i*videos/count, i%1000, i%1000, i, at.Format("2006-01-02T15:04:05.000Z"))
	}
	return lines
}

// manyComments is enough for a process to be killed in the middle.
func manyComments() int {
	if testing.Short() {
		return 120_000
	}
	return 250_000
}

// killed runs a transfer and kills it a few times at random moments, then lets
// it end. progress answers how far it has come, from 0 to 1. A busy machine may
// let it end between two looks: then undo undoes it, and it is run again.
func killed(t *testing.T, progress func() float64, undo func(), args ...string) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for tries := 1; ; tries++ {
		at := killedAt(t, random, progress, args...)
		transfer(t, args...)
		t.Logf("%s: killed at %v", args[0], at)
		switch {
		case len(at) > 0:
			return
		case tries == 3:
			t.Errorf("%v was never killed in the middle: it is too fast to show anything", args)
			return
		}
		undo()
	}
}

// killedAt answers how far a transfer had come when it was killed.
func killedAt(t *testing.T, random *rand.Rand, progress func() float64, args ...string) (at []string) {
	t.Helper()
	const kills = 4
	for i := range kills {
		cmd := harness.Command(t, args...)
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		// From a moment on that there is something to lose.
		before := progress()
		for limit := before + random.Float64()/kills; progress() <= min(limit, 0.98); {
			select {
			case err := <-exited:
				if err != nil {
					t.Fatalf("%v, run %d: %v, %s", args, i, err, errOut.String())
				}
				return at
			case <-time.After(time.Millisecond):
			}
		}
		await(t.Context(), time.Duration(random.IntN(30))*time.Millisecond) // anywhere in what it does then
		_ = cmd.Process.Signal(syscall.SIGKILL)                             // it may have ended by now
		if err := <-exited; err == nil {
			return at
		}
		if p := progress(); p > 0 && p < 1 {
			at = append(at, strconv.FormatFloat(p, 'f', 2, 64))
		}
	}
	return at
}

// grown is the part of size that a file has.
func grown(path string, size int) func() float64 {
	return func() float64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return float64(info.Size()) / float64(size)
	}
}

// imported is the part of an input of that size that a state file says is done.
func imported(path string, size int) func() float64 {
	return func() float64 {
		text, err := os.ReadFile(path)
		var s struct{ Offset float64 }
		if err != nil || json.Unmarshal(text, &s) != nil {
			return 0
		}
		return s.Offset / float64(size)
	}
}

// moveKilled imports lines into a target, exports them again, each killed in
// the middle, and compares.
func moveKilled(t *testing.T, want []byte, target ...string) {
	t.Helper()
	dir := t.TempDir()
	in, out, state := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.jsonl"), filepath.Join(dir, "state")
	if err := os.WriteFile(in, want, 0o600); err != nil {
		t.Fatal(err)
	}
	remove := func(path string) {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	forget := func() { // what is there already may be imported again
		remove(state)
		if target[0] == "--data" {
			remove(target[1])
		}
	}
	killed(t, imported(state, len(want)), forget, append([]string{"import", "--in", in, "--state", state}, target...)...)
	killed(t, grown(out, len(want)), func() { remove(out) }, append([]string{"export", "--out", out, "--resume"}, target...)...)
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v: %d bytes exported, which are not the %d imported; %v", target, len(got), len(want), err)
	}
}

func TestTransfersOfADataFolderThatAreKilledGoOn(t *testing.T) {
	t.Parallel()
	lines := manyLines(manyComments())
	data := filepath.Join(t.TempDir(), "data")
	moveKilled(t, []byte(strings.Join(lines, "")), "--data", data)
	n := harness.Start(t, harness.DataFolder(data))
	total := 0
	for v := range 8 {
		total += video(t, n.Anyone(), fmt.Sprint("video-", v)).Comments
	}
	if total != len(lines) {
		t.Errorf("%d comments are counted, not %d", total, len(lines))
	}
}

func TestHistoryMovesToClickHouseAndBack(t *testing.T) {
	t.Parallel()
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	n := harness.Start(t)
	m := postHistory(t, n)
	n.Kill()
	file := filepath.Join(t.TempDir(), "history.jsonl")
	transfer(t, "export", "--data", n.Data, "--out", file)
	there := []string{"--clickhouse", server.DSN("barrage")}
	for range 2 {
		transfer(t, append([]string{"import", "--in", file}, there...)...)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	back, _ := transfer(t, append([]string{"export"}, there...)...)
	if back != string(want) {
		t.Fatalf("ClickHouse gives\n%.2000s\nwant\n%.2000s", back, want)
	}
	one, _ := transfer(t, append([]string{"export", "--video", "texts"}, there...)...)
	if strings.Count(one, "\n") != len(m.rooms["texts"]) || !strings.Contains(back, one) {
		t.Errorf("of one live video:\n%s", one)
	}
	data := filepath.Join(t.TempDir(), "data")
	if _, errOut, status := barrage(t, back, "import", "--data", data); status != 0 {
		t.Fatal(errOut)
	}
	m.servedBy(t, harness.Start(t, harness.DataFolder(data)))

	// What was deleted in ClickHouse stays so, whatever is imported.
	gone := m.rooms["many"][7]
	server.Exec(t, "INSERT INTO barrage.comments (live_video_id, comment_id, user_id, user_name, message, parent_id, created_at_ms, deleted) "+
		"SELECT live_video_id, comment_id, user_id, '', '', parent_id, created_at_ms, 1 FROM barrage.comments WHERE comment_id = "+gone.ID+" LIMIT 1")
	transfer(t, append([]string{"import", "--in", file}, there...)...)
	if back, _ := transfer(t, append([]string{"export"}, there...)...); strings.Contains(back, gone.ID) || strings.Count(back, "\n") != bytes.Count(want, []byte("\n"))-1 {
		t.Error("a deleted comment came back")
	}
}

func TestAnExportFromClickHouseMakesNothingThere(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	there := []string{"--clickhouse", server.DSN("live")}
	_, errOut, status := barrage(t, "", append([]string{"export"}, there...)...)
	if status != 1 || !strings.Contains(errOut, "no history in the ClickHouse database live") {
		t.Errorf("of nothing: status %d, %q", status, errOut)
	}
	if n := server.Number(t, "SELECT count() FROM system.databases WHERE name = 'live'"); n != 0 {
		t.Error("an export made a database")
	}
	lines := strings.Join(manyLines(10), "")
	if _, errOut, status := barrage(t, lines, append([]string{"import"}, there...)...); status != 0 {
		t.Fatal(errOut)
	}
	if out, _ := transfer(t, append([]string{"export"}, there...)...); out != lines {
		t.Errorf("got %s", out)
	}
}

func TestTransfersOfClickHouseThatAreKilledGoOn(t *testing.T) {
	t.Parallel()
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	lines := manyLines(manyComments())
	moveKilled(t, []byte(strings.Join(lines, "")), "--clickhouse", server.DSN("barrage"))
	if n := server.Number(t, "SELECT uniqExact(live_video_id, comment_id) FROM barrage.comments"); n != uint64(len(lines)) {
		t.Errorf("%d rows, not %d", n, len(lines))
	}
}

// BenchmarkTransfers measures comments a second, each way, of the real binary:
// 500,000 of them, into a new place.
func BenchmarkTransfers(b *testing.B) {
	const count = 500_000
	in := filepath.Join(b.TempDir(), "in.jsonl")
	if err := os.WriteFile(in, []byte(strings.Join(manyLines(count), "")), 0o600); err != nil {
		b.Fatal(err)
	}
	run := func(b *testing.B, args ...string) {
		b.Helper()
		if out, err := harness.Command(b, args...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	harness.Binary(b)
	for name, target := range map[string]func(b *testing.B) []string{
		"embedded": func(b *testing.B) []string { return []string{"--data", filepath.Join(b.TempDir(), "data")} },
		"clickhouse": func(b *testing.B) []string {
			return []string{"--clickhouse", servers.StartClickHouse(b, servers.ClickHouseOptions{}).DSN("barrage")}
		},
	} {
		b.Run(name, func(b *testing.B) {
			var imports, exports time.Duration
			for range b.N {
				where := target(b)
				began := time.Now()
				run(b, append([]string{"import", "--in", in}, where...)...)
				imported := time.Now()
				run(b, append([]string{"export", "--out", filepath.Join(b.TempDir(), "out.jsonl")}, where...)...)
				imports, exports = imports+imported.Sub(began), exports+time.Since(imported)
			}
			b.ReportMetric(float64(count*b.N)/imports.Seconds(), "imported/s")
			b.ReportMetric(float64(count*b.N)/exports.Seconds(), "exported/s")
		})
	}
}
