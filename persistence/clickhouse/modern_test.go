package clickhouse

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"barrage/persistence"
	"barrage/persistence/clickhouse/schema"
	"barrage/test/servers"
)

// filled puts the values of a query's question marks into its text, as the
// driver does for an old server.
func filled(q query) string {
	text := q.text
	for _, arg := range q.args {
		value := fmt.Sprint(arg)
		if s, ok := arg.(string); ok {
			value = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
		}
		text = strings.Replace(text, "?", value, 1)
	}
	return text
}

// TestAModernServerAnswersTheSame asks today's engine all that a node asks.
func TestAModernServerAnswersTheSame(t *testing.T) {
	db := &DB{database: "barrage"}
	statements, err := schema.Statements(schema.Config{Database: "barrage"}, schema.Modern())
	if err != nil {
		t.Fatal(err)
	}
	insert := "INSERT INTO barrage.comments (" + commentColumns + ") SELECT 'v''弹', number + 1, 'u', 'n', 'm', if(number % 10 = 9, 5, 0), 1767225600000 + number, "
	statements = append(statements,
		insert+"0 FROM numbers(100)",
		insert+"0 FROM numbers(50)", // again
		insert+"1 FROM numbers(10)", // taken back
		"INSERT INTO barrage.comments ("+commentColumns+") VALUES ('w', 7, 'u', '', 'm', 0, 1767225600000, 0)",
	)
	event := "INSERT INTO barrage.room_events (" + roomEventColumns + ") VALUES "
	slot := "INSERT INTO barrage.reaction_slots (" + reactionSlotColumns + ") VALUES "
	statements = append(statements,
		event+"('v', 10, 'mute', 1, 'm', 'u', 0, ''), ('v', 20, 'pin', 2, 'm', '', 7, '{}'), ('v', 20, 'mute', 3, 'm', 'u', 0, '')",
		event+"('v', 20, 'pin', 2, 'm', '', 7, '{}'), ('v', 30, 'comment_deleted', 4, '', '', 4, '')", // again; nobody's act
		slot+"('v', 0, 1, 'like', 5, 0), ('v', 0, 1, 'like', 7, 0), ('v', 0, 2, 'heart', 1, 0), ('v', 8, 1, 'like', 2, 0), ('v', 9, 1, 'like', 3, 0)",
		"INSERT INTO barrage.room_state ("+roomStateColumns+") VALUES ('v', 'pin', '', 5, 7, 0, '', 5)",
	)
	const video = "v'弹"
	all := window{0, 1 << 63}
	asked := []struct {
		query query
		want  string // the first column of each row, of comments with their last
	}{
		{db.pageQuery(commentsTable, video, persistence.Range{Limit: 3, Desc: true}, all), "100:0 99:0 98:0"},
		{db.pageQuery(commentsTable, video, persistence.Range{Limit: 3}, window{8, 50}), "9:1 10:1 11:0"},
		{db.pageQuery(commentsTable, video, persistence.Range{Limit: 9}, window{97, 100}), "98:0 99:0"},
		{db.pageQuery(repliesTable, video, persistence.Range{Limit: 3, Parent: 5}, all), "10:1 20:0 30:0"},
		{db.commentQuery(video, 10), "10:1"},
		{db.commentQuery(video, 11), "11:0"},
		{db.deletedQuery(video, []uint64{10, 11}), "10"},
		{db.countQuery(video, 51, nil), "50:10"},
		{db.countQuery(video, 51, []uint64{5, 51, 52}), "49:9"},
		{db.endsQuery("w"), "1:7"},
		{db.videosQuery("", 10), "v'弹 w"},
		{db.videosQuery(video, 10), "w"},
		{db.someQuery(), "1"},
		{db.replyCountsQuery(video, []uint64{5, 6}, 60, []uint64{20}), "5:1"}, // the last is how many were taken back
		{db.repliesQuery(video, []uint64{5, 6}, 10, 31), "5:1 5:0 5:0"},
		{db.auditQuery("v", 0, 1), "20: 20:{}"},
		{db.auditQuery("v", 20, 5), "10:"},
		{db.roomQuery("v"), "pin:"},
		{db.videoSlotsQuery("v"), "0:7 0:1"},
		{db.commentSlotsQuery("v", 1), "9:3"},
	}
	begin := len(statements)
	for _, a := range asked {
		statements = append(statements, filled(a.query))
	}
	statements = append(statements, filled(db.anyQuery()), "SELECT name FROM system.settings WHERE name IN ("+settingNames()+")")
	results := servers.RunModern(t, statements)
	for i, r := range results {
		if r.Error != "" {
			t.Errorf("%s: %s", statements[i], r.Error)
		}
	}
	if t.Failed() {
		return
	}
	for i, a := range asked {
		var got []string
		for _, row := range results[begin+i].Rows {
			if len(row) > 1 {
				row[0] += ":" + row[len(row)-1]
			}
			got = append(got, row[0])
		}
		if strings.Join(got, " ") != a.want {
			t.Errorf("%s: got %s, want %s", statements[begin+i], got, a.want)
		}
	}
	if one := results[begin+len(asked)].Rows; len(one) != 1 || len(one[0]) != 8 {
		t.Errorf("any comment: %v", one)
	}
	if known := results[begin+len(asked)+1].Rows; len(known) != strings.Count(settingNames(), ",")+1 {
		t.Errorf("of the settings %s it knows %v", settingNames(), known)
	}
}

// settingNames are all that are sent with a query or an insert.
func settingNames() string {
	var names []string
	for _, token := range []string{"", "batch"} {
		for name := range insertSettings(schema.Modern(), token) {
			names = append(names, strconv.Quote(name))
		}
	}
	for name := range readSettings {
		names = append(names, strconv.Quote(name))
	}
	slices.Sort(names)
	return strings.ReplaceAll(strings.Join(slices.Compact(names), ","), `"`, "'")
}
