package analytics

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"barrage/persistence/clickhouse/schema"
	"barrage/test/servers"
)

// dashboard is what we care for in Grafana's JSON.
type dashboard struct {
	UID           string
	SchemaVersion int
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct {
	Name, Type string
	Query      string
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Datasource  datasource
	Targets     []struct {
		Datasource datasource
		RefID      string
		RawSQL     string
		QueryType  string
	}
}

type datasource struct{ Type, UID string }

var chosen = datasource{"grafana-clickhouse-datasource", "${datasource}"}

// shown is what each panel shows of the known rows, for show-1 and all of
// March 2026.
var shown = map[string][][]string{
	"Comments":          {{"7"}},
	"Unique commenters": {{"3"}},
	"Peak minute":       {{"2026-03-01 20:00:00", "3"}},
	"Deleted":           {{"0.3"}},
	"Comments and commenters per minute": {
		{"2026-03-01 20:00:00", "3", "2"},
		{"2026-03-01 20:01:00", "3", "4"},
		{"2026-03-01 20:05:00", "0", "1"},
		{"2026-03-02 00:00:00", "1", "1"},
	},
	"Reactions over time by type":    want["Reactions over time, by type"],
	"Top commenters":                 want["Top commenters of a video"],
	"Comments with the most replies": {{"弹幕来了", "3"}, {"hello", "1"}},
	"Deletions per minute": {
		{"2026-03-01 20:01:00", "1", "0"},
		{"2026-03-01 20:03:00", "1", "0"},
		{"2026-03-02 00:00:00", "0", "1"},
	},
	"Most active rooms":           {{"show-1", "7", "3"}, {"show-2", "3", "1"}},
	"Who deletes comments":        want["Who deletes comments"],
	"Comments by hour of the day": {{"0", "1"}, {"20", "8"}, {"21", "1"}},
}

var timeFilter = regexp.MustCompile(`\$__timeFilter\((\w+)\)`)

// asGrafana puts in what the data source and Grafana would: the data source
// makes $__timeFilter(c) a comparison with the ends of the time range, in
// seconds; Grafana quotes a variable's value as an SQL string.
func asGrafana(sql string) string {
	const from, to = "1772323200", "1775001599" // March 2026
	sql = timeFilter.ReplaceAllString(sql, "$1 >= toDateTime("+from+") AND $1 <= toDateTime("+to+")")
	return strings.ReplaceAll(sql, "${live_video_id:sqlstring}", "'show-1'")
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("../../configs/grafana/barrage-analytics.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDashboardIsWellFormed(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.SchemaVersion < 36 {
		t.Errorf("uid %q, schema version %d", d.UID, d.SchemaVersion)
	}
	ids, cells := map[int]bool{}, map[string]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s has the id %d of another panel", p.Title, p.ID)
		}
		ids[p.ID] = true
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("%s is outside of the grid: %+v", p.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				cell := fmt.Sprint(x, ",", y)
				if other := cells[cell]; other != "" {
					t.Fatalf("%s is over %s", p.Title, other)
				}
				cells[cell] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource != chosen || len(p.Targets) != 1 || p.Targets[0].Datasource != chosen || p.Targets[0].RefID == "" {
			t.Errorf("%s doesn't ask the data source that was chosen, once", p.Title)
		}
		if series := p.Type == "timeseries"; series != (p.Targets[0].QueryType == "timeseries") {
			t.Errorf("%s is a %s, but asks for a %s", p.Title, p.Type, p.Targets[0].QueryType)
		}
		if !strings.Contains(p.Targets[0].RawSQL, "$__timeFilter(") {
			t.Errorf("%s asks for all time", p.Title)
		}
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name+" "+v.Type)
	}
	if !reflect.DeepEqual(names, []string{"datasource datasource", "live_video_id query"}) {
		t.Errorf("the variables are %q", names)
	}
}

func TestPanelsOfTheDashboardShowWhatHappened(t *testing.T) {
	var asked []question
	expected := map[string][][]string{"live_video_id": {{"show-1"}, {"show-2"}}}
	d := readDashboard(t)
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			asked = append(asked, question{v.Name, asGrafana(v.Query)})
		}
	}
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		asked = append(asked, question{p.Title, asGrafana(p.Targets[0].RawSQL)})
		expected[p.Title] = shown[p.Title]
	}
	if len(asked) != len(shown)+1 {
		t.Errorf("%d queries, %d known panels", len(asked), len(shown))
	}
	for _, q := range asked {
		if strings.Contains(q.sql, "$") {
			t.Errorf("%s has a macro that is not known here:\n%s", q.title, q.sql)
		}
	}
	compare := func(t *testing.T, q question, got [][]string) {
		t.Helper()
		if !reflect.DeepEqual(got, expected[q.title]) {
			t.Errorf("%s:\ngot  %q\nwant %q", q.title, got, expected[q.title])
		}
	}

	t.Run("old", func(t *testing.T) {
		server := servers.StartClickHouse(t, servers.ClickHouseOptions{ConfigFiles: elsewhere})
		fresh(t, server, schema.Config{})
		for _, q := range asked {
			compare(t, q, query(t, server.Conn(), q.sql))
		}
	})
	t.Run("modern", func(t *testing.T) {
		statements, err := schema.Statements(schema.Config{Database: "default"}, schema.Modern())
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, inserts(t)...)
		first := len(statements)
		for _, q := range asked {
			statements = append(statements, q.sql)
		}
		for i, r := range servers.RunModern(t, statements) {
			switch {
			case r.Error != "":
				t.Errorf("%s\n%s", statements[i], r.Error)
			case i >= first:
				compare(t, asked[i-first], r.Rows)
			}
		}
	})
}
