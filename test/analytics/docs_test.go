package analytics

import (
	"context"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"barrage/persistence/clickhouse/schema"
	"barrage/test/servers"
)

const page = "../../docs/analytics.md"

// want is what each question of the page is answered, by its title.
var want = map[string][][]string{
	"Comments per minute of a video": {
		{"2026-03-01 20:00:00", "3", "2"},
		{"2026-03-01 20:01:00", "3", "4"}, // cy too, though all of hers are deleted
		{"2026-03-01 20:05:00", "0", "1"},
	},
	"The peak minute of a video": {{"2026-03-01 20:00:00", "3"}},
	"Unique commenters of a video, day by day": {
		{"2026-03-01", "4", "6"},
		{"2026-03-02", "1", "1"},
	},
	"Unique commenters of a video over all its time": {{"3", "7"}},
	"Top commenters of a video":                      {{"ana", "Anna", "4"}, {"bo", "Bo", "2"}, {"dee", "Dee", "1"}},
	"Reactions over time, by type": {
		{"2026-03-01 20:00:00", "heart", "2"},
		{"2026-03-01 20:00:00", "like", "10"},
		{"2026-03-01 20:01:00", "like", "15"},
		{"2026-03-01 20:05:00", "heart", "1"},
	},
	"Comments with the most reactions":         {{idText(2), "5"}, {idText(1), "1"}},
	"Comments with the most replies":           {{idText(2), "弹幕来了", "3"}, {idText(1), "hello", "1"}},
	"Share of deleted comments, by video":      {{"show-1", "10", "3", "30"}, {"show-2", "3", "0", "0"}},
	"Who deletes comments":                     {{"mod", "2", "0"}, {"bo", "0", "1"}},
	"What moderators do":                       {{"mo2", "approve", "2", "2"}, {"mod", "comment_deleted", "2", "1"}, {"host", "pin", "1", "1"}, {"mo2", "reject", "1", "1"}, {"mod", "mute", "1", "1"}},
	"What moderators decided on held comments": {{"mo2", "2", "1"}},
	"Reactions per minute of a video, all types together": {
		{"2026-03-01 20:00:00", "12", "12"},
		{"2026-03-01 20:01:00", "15", "10"},
		{"2026-03-01 20:05:00", "1", "0"},
	},
	"Commenters of one video who come back in the next": {{"3", "2", "1"}},
	// After what is deleted: 15.000, 30.000, 20.000, 15.000 and 34.749 s.
	"Median time between two comments of a video": {{"20000"}},
	"First-time commenters, day by day":           {{"2026-03-01", "3"}, {"2026-03-02", "1"}},
	"The most active rooms now":                   {{"live-a", "2"}, {"live-b", "1"}},
	// 5, 4, 9, 4, 2, 5 and 4 characters.
	"Length of comments, and how many have Chinese characters or emoji": {{"4.7", "2", "1", "7"}},
	"The busiest hour of the day":                                       {{"20", "8"}},
	"What one user wrote, newest first": {
		{"show-2", "1772485200000", "弹"},
		{"show-1", "1772395270250", "nice"},
		{"show-1", "1772395220250", "弹幕来了"},
	},
}

func idText(n uint64) string { return strconv.FormatUint(id(n), 10) }

type question struct{ title, sql string }

var block = regexp.MustCompile("(?ms)^### ([^\n]+)$|^```sql([^\n]*)\n(.*?)^```$")

// questions reads the page: its questions, and the statements that fill the
// summaries again.
func questions(t *testing.T) (asked []question, fill []string) {
	t.Helper()
	asked, fill, _ = blocks(t)
	return asked, fill
}

func blocks(t *testing.T) (asked []question, fill, grants []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	title := ""
	for _, match := range block.FindAllStringSubmatch(string(text), -1) {
		switch {
		case match[1] != "":
			title = match[1]
		case strings.TrimSpace(match[2]) == "fill":
			fill = append(fill, match[3])
		case strings.TrimSpace(match[2]) == "grants":
			grants = append(grants, strings.Split(strings.TrimSpace(match[3]), "\n")...)
		default:
			asked = append(asked, question{title, match[3]})
			title = "" // a second block would need a title of its own
		}
	}
	if len(asked) != len(want) {
		t.Errorf("%d questions on the page, %d answers here", len(asked), len(want))
	}
	if len(fill) != 3 {
		t.Errorf("%d statements fill the three summaries", len(fill))
	}
	return asked, fill, grants
}

func check(t *testing.T, asked []question, rows func(i int) [][]string) {
	t.Helper()
	for i, q := range asked {
		expected, known := want[q.title]
		if !known {
			t.Errorf("no answer is known to %q", q.title)
			continue
		}
		if got := rows(i); !reflect.DeepEqual(got, expected) {
			t.Errorf("%s:\ngot  %q\nwant %q", q.title, got, expected)
		}
	}
}

// fresh makes the schema and inserts the rows.
func fresh(t *testing.T, server *servers.ClickHouse, cfg schema.Config) {
	t.Helper()
	migrate(t, server, cfg)
	for _, statement := range inserts(t) {
		server.Exec(t, statement)
	}
}

// migrate makes the schema in the database "default".
func migrate(t *testing.T, server *servers.ClickHouse, cfg schema.Config) {
	t.Helper()
	cfg.Database = "default"
	ctx, cancel := context.WithTimeout(context.Background(), servers.Patience)
	defer cancel()
	if _, err := schema.Migrate(ctx, server.Conn(), cfg); err != nil {
		t.Fatal(err)
	}
}

// A server's own time zone must make no difference.
var elsewhere = map[string]string{"zone.xml": "<yandex><timezone>Asia/Shanghai</timezone></yandex>"}

func TestQuestionsOfThePageOnAnOldServer(t *testing.T) {
	asked, fill := questions(t)
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{ConfigFiles: elsewhere})
	fresh(t, server, schema.Config{})
	answers := func(i int) [][]string { return query(t, server.Conn(), asked[i].sql) }
	check(t, asked, answers)

	// Filling over what is there changes nothing.
	for _, statement := range fill {
		server.Exec(t, statement)
	}
	check(t, asked, answers)

	// Filling what was lost gives the same, also when the rows that deletions
	// replaced are gone.
	for _, name := range []string{"comments", "reactions", "room_events"} {
		server.Exec(t, "OPTIMIZE TABLE "+name+" FINAL")
	}
	for _, name := range []string{"comments_per_minute_state", "commenters_state", "reactions_per_minute_state"} {
		server.Exec(t, "TRUNCATE TABLE "+name)
	}
	for _, statement := range fill {
		server.Exec(t, statement)
	}
	check(t, asked, answers)
}

func TestQuestionsOfThePageOnAModernServer(t *testing.T) {
	asked, fill := questions(t)
	statements, err := schema.Statements(schema.Config{Database: "default"}, schema.Modern())
	if err != nil {
		t.Fatal(err)
	}
	statements = append(statements, inserts(t)...)
	ask := func() (first int) {
		first = len(statements)
		for _, q := range asked {
			statements = append(statements, q.sql)
		}
		return first
	}
	once := ask()
	statements = append(statements, fill...)
	again := ask()
	// As a read-only user, to whom even the settings within views are closed.
	statements = append(statements, "SET readonly = 1")
	readonly := ask()

	results := servers.RunModern(t, statements)
	for i, r := range results {
		if r.Error != "" {
			t.Errorf("%s\n%s", statements[i], r.Error)
		}
	}
	for _, first := range []int{once, again, readonly} {
		check(t, asked, func(i int) [][]string { return results[first+i].Rows })
	}
}

func TestTheGrantsOfThePageAreSQL(t *testing.T) {
	_, _, grants := blocks(t)
	if len(grants) == 0 {
		t.Fatal("there are none")
	}
	for i := range grants {
		grants[i] = "EXPLAIN AST " + grants[i] // the engine in process has no users
	}
	for i, r := range servers.RunModern(t, grants) {
		if r.Error != "" {
			t.Errorf("%s\n%s", grants[i], r.Error)
		}
	}
}

func TestQuestionsOfThePageOnACluster(t *testing.T) {
	asked, _ := questions(t)
	zooKeeper := servers.StartZooKeeper(t)
	ports := []int{servers.ReservedPort(t), servers.ReservedPort(t)}
	var shards [][]string
	for _, port := range ports {
		shards = append(shards, []string{"127.0.0.1:" + strconv.Itoa(port)})
	}
	var all []*servers.ClickHouse
	for i, port := range ports {
		all = append(all, servers.StartClickHouse(t, servers.ClickHouseOptions{
			TCPPort:   port,
			ZooKeeper: []string{zooKeeper},
			Clusters:  map[string][][]string{"both": shards},
			Macros:    map[string]string{"shard": strconv.Itoa(i), "replica": "0"},
			Settings:  map[string]string{"insert_distributed_sync": "1"},
		}))
	}
	fresh(t, all[0], schema.Config{Cluster: "both"})
	for _, server := range all {
		check(t, asked, func(i int) [][]string { return query(t, server.Conn(), asked[i].sql) })
		if server.Number(t, "SELECT count() FROM comments_per_minute_state_local") == 0 {
			t.Error("a shard has nothing")
		}
	}
}
