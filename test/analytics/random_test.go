package analytics

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"barrage/persistence/clickhouse/schema"
	"barrage/test/servers"
)

// model counts what the summaries should say.
type model struct {
	posted, deleted map[string]int             // by video and minute
	commenters      map[string]map[string]bool // by video and minute
	written         map[string]int             // by video, day and user
	reactions       map[string]int             // by video, minute and type
}

const (
	minuteOf = "2006-01-02 15:04:00"
	dayOf    = time.DateOnly
)

// randomRows answers rows over two days, their model, and the rows' tables.
func randomRows(random *rand.Rand) (model, []table) {
	m := model{map[string]int{}, map[string]int{}, map[string]map[string]bool{}, map[string]int{}, map[string]int{}}
	known := map[string]int{}
	posts := table{name: "comments", columns: "live_video_id, comment_id, user_id, user_name, message, parent_id, created_at_ms, deleted"}
	start := time.Date(2026, 4, 30, 23, 0, 0, 0, time.UTC) // the month changes within
	for n := range uint64(250) {
		at := start.Add(time.Duration(random.IntN(2*60*60*1000)) * time.Millisecond)
		video, user := fmt.Sprintf("video-%d", random.IntN(3)), fmt.Sprintf("user-%d", random.IntN(20))
		row := fmt.Sprintf("('%s', %d, '%s', '%%s', '%%s', 0, %d, %%d)", video, id(n), user, at.UnixMilli())
		posts.rows = append(posts.rows, fmt.Sprintf(row, "Name", "弹幕", 0))
		minute := video + " " + at.Format(minuteOf)
		m.posted[minute]++
		if m.commenters[minute] == nil {
			m.commenters[minute] = map[string]bool{}
		}
		m.commenters[minute][user] = true
		writer := video + " " + at.Format(dayOf) + " " + user
		known[writer]++
		if random.IntN(4) == 0 {
			posts.rows = append(posts.rows, fmt.Sprintf(row, "", "", 1))
			m.deleted[minute]++
		} else {
			m.written[writer]++
		}
	}
	for writer := range known {
		m.written[writer] += 0 // a user whose comments are all deleted has a row with 0
	}
	reactions := table{name: "reactions", columns: "live_video_id, reaction_id, comment_id, type, count, created_at_ms"}
	for n := range uint64(150) {
		at := start.Add(time.Duration(random.IntN(2*60*60*1000)) * time.Millisecond)
		video, kind, count := fmt.Sprintf("video-%d", random.IntN(3)), []string{"like", "heart"}[random.IntN(2)], 1+random.IntN(50)
		reactions.rows = append(reactions.rows, fmt.Sprintf("('%s', %d, %d, '%s', %d, %d)",
			video, id(n), id(n)*uint64(random.IntN(2)), kind, count, at.UnixMilli()))
		m.reactions[video+" "+at.Format(minuteOf)+" "+kind] += count
	}
	return m, []table{posts, reactions}
}

// lines are the model's, in the form and order of the queries below.
func (m model) lines() (perMinute, perDay, reactions []string) {
	for _, minute := range slices.Sorted(maps.Keys(m.posted)) {
		perMinute = append(perMinute, fmt.Sprint(minute, " ", m.posted[minute]-m.deleted[minute], " ",
			m.posted[minute], " ", m.deleted[minute], " ", len(m.commenters[minute])))
	}
	for _, writer := range slices.Sorted(maps.Keys(m.written)) {
		perDay = append(perDay, writer+" "+strconv.Itoa(m.written[writer]))
	}
	for _, key := range slices.Sorted(maps.Keys(m.reactions)) {
		reactions = append(reactions, key+" "+strconv.Itoa(m.reactions[key]))
	}
	return perMinute, perDay, reactions
}

func TestSummariesCountEveryRowOnceWhateverTheBatches(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	m, rows := randomRows(random)
	var statements []string
	for range 3 {
		for _, tab := range rows {
			random.Shuffle(len(tab.rows), func(i, j int) { tab.rows[i], tab.rows[j] = tab.rows[j], tab.rows[i] })
			for rest := tab.rows; len(rest) > 0; {
				n := min(len(rest), 1+random.IntN(200))
				statements = append(statements, tab.insert(rest[:n]))
				rest = rest[n:]
			}
		}
	}
	perMinute, perDay, reactions := m.lines()
	expected := [][]string{perMinute, perDay, reactions}
	queries := []string{
		"SELECT live_video_id, minute, comments, posted, deleted, commenters FROM comments_per_minute ORDER BY live_video_id, minute",
		"SELECT live_video_id, day, user_id, comments FROM commenters_per_day ORDER BY live_video_id, day, user_id",
		"SELECT live_video_id, minute, type, reactions FROM reactions_per_minute ORDER BY live_video_id, minute, type",
	}
	compare := func(t *testing.T, i int, rows [][]string) {
		t.Helper()
		got := make([]string, len(rows))
		for r := range rows {
			got[r] = strings.Join(rows[r], " ")
		}
		if !slices.Equal(got, expected[i]) {
			t.Errorf("%s:\ngot  %q\nwant %q", queries[i], got, expected[i])
		}
	}

	t.Run("old", func(t *testing.T) {
		server := servers.StartClickHouse(t, servers.ClickHouseOptions{ConfigFiles: elsewhere})
		migrate(t, server, schema.Config{})
		for _, statement := range statements {
			server.Exec(t, statement)
		}
		for i, sql := range queries {
			compare(t, i, query(t, server.Conn(), sql))
		}
	})
	t.Run("modern", func(t *testing.T) {
		all, err := schema.Statements(schema.Config{Database: "default"}, schema.Modern())
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, statements...), queries...)
		results := servers.RunModern(t, all)
		for i, r := range results {
			if r.Error != "" {
				t.Errorf("%.300s\n%s", all[i], r.Error)
			}
		}
		for i := range queries {
			compare(t, i, results[len(all)-len(queries)+i].Rows)
		}
	})
}
