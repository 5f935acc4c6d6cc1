package schema

import (
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/test/servers"
)

func TestAModernServerTakesItAll(t *testing.T) {
	cfg := Config{Database: "of today", Retention: 15000 * day}
	statements, err := Statements(cfg, Modern())
	if err != nil {
		t.Fatal(err)
	}
	statements = slices.Concat(statements, statements, twiceAndTakenBack(cfg))
	show := len(statements)
	statements = append(statements, "SHOW CREATE TABLE "+cfg.in("comments"))
	queries := onceAndGone(cfg)
	var wanted []string
	for query, want := range queries {
		statements = append(statements, query)
		wanted = append(wanted, want)
	}
	results := servers.RunModern(t, statements)
	for i, result := range results {
		if result.Error != "" {
			t.Errorf("%s: %s", statements[i], result.Error)
		}
	}
	if t.Failed() {
		return
	}
	created := strings.Join(results[show].Rows[0], "")
	for _, part := range []string{
		"ENGINE = ReplacingMergeTree(deleted)", "TTL toDateTime(created_at) + toIntervalDay(15000)", "CODEC(Delta(8), ZSTD(1))",
		"DateTime64(3, 'UTC')", "fsync_after_insert = 1", "non_replicated_deduplication_window = 1000", "index_granularity = 1024",
	} {
		if !strings.Contains(created, part) {
			t.Errorf("the table has no %s: %s", part, created)
		}
	}
	for i, want := range wanted {
		var got []string
		for _, row := range results[show+1+i].Rows {
			got = append(got, strings.Join(row, " "))
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s:\n%s\nwant\n%s", statements[show+1+i], strings.Join(got, "\n"), want)
		}
	}
}

func TestAModernServerIsKnownForIt(t *testing.T) {
	results := servers.RunModern(t, []string{inventoryQuery})
	if results[0].Error != "" {
		t.Fatal(results[0].Error)
	}
	has := map[string]bool{}
	for _, row := range results[0].Rows {
		has[row[0]] = true
	}
	if f := featuresOf(has); f != Modern() {
		t.Errorf("got %+v", f)
	}
}

// TestTheRetentionOfAModernServerChanges follows the TTL through the server's
// own way to write it.
func TestTheRetentionOfAModernServerChanges(t *testing.T) {
	begin, err := Statements(Config{}, Modern())
	if err != nil {
		t.Fatal(err)
	}
	const look = "SELECT name, engine_full FROM system.tables WHERE database = 'barrage' AND name IN ('comments', 'reactions', 'room_events') ORDER BY name"
	statements := slices.Concat(begin, []string{look})
	for _, days := range []int{30, 7, 0} {
		cfg := Config{Retention: time.Duration(days) * day}
		// What is there before doesn't matter but for being different.
		var now []tableEngine
		results := servers.RunModern(t, statements)
		for i, result := range results {
			if result.Error != "" {
				t.Fatalf("%s: %s", statements[i], result.Error)
			}
		}
		for _, row := range results[len(results)-1].Rows {
			now = append(now, tableEngine{row[0], row[1]})
		}
		changes, err := ttlChanges(cfg, now)
		if err != nil || len(changes) != 3 {
			t.Fatalf("to %d days: %q, %v, of %+v", days, changes, err, now)
		}
		statements = slices.Concat(statements, changes, []string{look})
		results = servers.RunModern(t, statements)
		now = nil
		for _, row := range results[len(results)-1].Rows {
			now = append(now, tableEngine{row[0], row[1]})
		}
		if again, err := ttlChanges(cfg, now); err != nil || again != nil {
			t.Errorf("at %d days: %q, %v, of %+v", days, again, err, now)
		}
	}
}

// TestAModernServerUnderstandsTheClusterForm only parses: the engine has no
// cluster.
func TestAModernServerUnderstandsTheClusterForm(t *testing.T) {
	for _, features := range []Features{Modern(), Old()} {
		statements, err := Statements(Config{Cluster: "eu-1", Retention: 30 * day}, features)
		if err != nil {
			t.Fatal(err)
		}
		var explain []string
		for _, s := range statements {
			explain = append(explain, "EXPLAIN AST "+s)
		}
		for i, result := range servers.RunModern(t, explain) {
			if result.Error != "" || len(result.Rows) == 0 {
				t.Errorf("%s: %s", statements[i], result.Error)
			}
		}
	}
}
