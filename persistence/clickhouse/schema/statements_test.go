package schema

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStatementsSuitTheServer(t *testing.T) {
	text := func(cfg Config, f Features) string {
		t.Helper()
		statements, err := Statements(cfg, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			if !strings.HasSuffix(s, ";") || strings.Contains(s, "--") || strings.Contains(s, "{{") {
				t.Errorf("not a statement: %s", s)
			}
		}
		return strings.Join(statements, "\n")
	}
	month := Config{Retention: 30 * day}
	cluster := Config{Cluster: "c", Retention: 30 * day}
	for _, test := range []struct {
		name       string
		text       string
		has, lacks []string
	}{
		{
			"old", text(month, Old()),
			[]string{"ReplacingMergeTree(deleted)", "DateTime('UTC') MATERIALIZED toDateTime(intDiv(created_at_ms, 1000), 'UTC')", "SETTINGS index_granularity = 1024;"},
			[]string{"CODEC", "TTL", "DateTime64", "LowCardinality", "fsync", "window", "ON CLUSTER", "Distributed", "_local", "fromUnix"},
		},
		{
			"modern", text(month, Modern()),
			[]string{
				"CODEC(Delta(8), ZSTD(1))", " TTL toDateTime(created_at) + toIntervalDay(30)\nSETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000;",
				"DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(created_at_ms, 'UTC')", "LowCardinality(String)",
			},
			[]string{"ON CLUSTER", "_local"},
		},
		{"for ever", text(Config{}, Modern()), nil, []string{"TTL"}},
		{
			"old cluster", text(cluster, Old()),
			[]string{
				"CREATE DATABASE IF NOT EXISTS `barrage` ON CLUSTER 'c';",
				"CREATE TABLE IF NOT EXISTS `barrage`.comments_local ON CLUSTER 'c' (",
				"ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/barrage/comments', '{replica}', deleted)",
				"CREATE TABLE IF NOT EXISTS `barrage`.comments ON CLUSTER 'c' AS `barrage`.comments_local\nENGINE = Distributed('c', 'barrage', 'comments_local', cityHash64(live_video_id));",
				"ReplicatedMergeTree('/clickhouse/tables/everywhere/barrage/barrage_schema', '{shard}-{replica}')",
				"DateTime('UTC') DEFAULT ",
			},
			[]string{"MATERIALIZED toDateTime"},
		},
		{
			"modern cluster", text(cluster, Modern()),
			[]string{"MATERIALIZED fromUnixTimestamp64Milli", "fsync_after_insert = 1"},
			[]string{"non_replicated"},
		},
	} {
		for _, part := range test.has {
			if !strings.Contains(test.text, part) {
				t.Errorf("%s lacks %s", test.name, part)
			}
		}
		for _, part := range test.lacks {
			if strings.Contains(test.text, part) {
				t.Errorf("%s has %s", test.name, part)
			}
		}
		// Whatever a statement makes or reads has its database before it.
		bare := regexp.MustCompile(`(?m)\b(?:EXISTS|FROM|JOIN|TO) \w+.*$`)
		if found := bare.FindString(test.text); found != "" {
			t.Errorf("%s: no database in %q", test.name, found)
		}
	}
}

func TestVersionIsTheNewestFile(t *testing.T) {
	migrations, err := render(Config{}, Modern())
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range migrations {
		if m.version != i || m.name == "" || len(m.statements) == 0 {
			t.Errorf("migration %d is %+v", i, m)
		}
		for _, s := range m.statements {
			if !strings.Contains(s, " IF NOT EXISTS ") {
				t.Errorf("can't be run twice: %s", s)
			}
		}
	}
	if len(migrations) != Version+1 {
		t.Errorf("%d files, Version is %d", len(migrations), Version)
	}
}

func TestSettingsThatCannotBeMeantAreRefused(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want string // in the first statement; "": an error
	}{
		{Config{}, "`barrage`"},
		{Config{Database: "live-comments"}, "`live-comments`"},
		{Config{Database: "select"}, "`select`"},
		{Config{Database: "comments"}, "`comments`"},
		{Config{Database: "弹幕 2"}, "`弹幕 2`"},
		{Config{Database: "1", Cluster: "eu-1.b"}, "`1` ON CLUSTER 'eu-1.b'"},
		{Config{Database: "a`b"}, ""},
		{Config{Database: "a'b"}, ""},
		{Config{Database: `a"b`}, ""},
		{Config{Database: `a\b`}, ""},
		{Config{Database: "a/b"}, ""},
		{Config{Database: "{shard}"}, ""},
		{Config{Database: "a;"}, ""},
		{Config{Database: "a\nb"}, ""},
		{Config{Database: "a\x00"}, ""},
		{Config{Database: "a\xff"}, ""},
		{Config{Cluster: "c' (x"}, ""},
		{Config{Retention: -day}, ""},
		{Config{Retention: time.Hour}, ""},
		{Config{Retention: 100 * 365 * day}, ""},
		{Config{Retention: 50 * 365 * day}, "`barrage`"},
	} {
		statements, err := Statements(test.cfg, Old())
		if test.want == "" {
			if err == nil {
				t.Errorf("%+v was taken: %s", test.cfg, statements[0])
			}
			continue
		}
		if err != nil || !strings.HasSuffix(statements[0], test.want+";") {
			t.Errorf("%+v: %v, %v", test.cfg, statements, err)
		}
	}
}

func TestOnlyTablesGetADatabase(t *testing.T) {
	ours := map[string]bool{"comments": true, "reactions": true}
	in := func(table string) string { return "`d`." + table }
	for statement, want := range map[string]string{
		"SELECT count() AS comments FROM comments":             "SELECT count() AS comments FROM `d`.comments",
		"select comments from reactions join comments using x": "select comments from `d`.reactions join `d`.comments using x",
		"SELECT 'FROM comments', `FROM comments` FROM other":   "SELECT 'FROM comments', `FROM comments` FROM other",
		"SELECT 'it''s \\' FROM comments' FROM\n\tcomments":    "SELECT 'it''s \\' FROM comments' FROM\n\t`d`.comments",
		"SELECT 1 -- FROM comments\nFROM comments":             "SELECT 1 -- FROM comments\nFROM `d`.comments",
		"CREATE TABLE IF NOT EXISTS comments (comments Int8)":  "CREATE TABLE IF NOT EXISTS `d`.comments (comments Int8)",
		"FROM (SELECT comments.x FROM comments)":               "FROM (SELECT comments.x FROM `d`.comments)",
		"FROM `d`.comments":                                    "FROM `d`.comments",
	} {
		if got := qualify(statement, ours, in); got != want {
			t.Errorf("%s became\n%s", statement, got)
		}
	}
}

func TestStatementsAreCutAtLinesThatEndInASemicolon(t *testing.T) {
	got, err := split("-- about it;\nSELECT ';' AS a,\n\n  2;  \n\n  -- more\nSELECT 3;\n")
	if err != nil || !slices.Equal(got, []string{"SELECT ';' AS a,\n  2;", "SELECT 3;"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := split("SELECT 1;\nSELECT 2"); err == nil {
		t.Error("half a statement was taken")
	}
}
