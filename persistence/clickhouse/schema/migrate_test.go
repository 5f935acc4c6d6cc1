package schema

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"barrage/test/servers"
)

// connect answers connections of their own, as another process has.
func connect(t *testing.T, server *servers.ClickHouse) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(server.DSN("default"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servers.Patience)
	t.Cleanup(cancel)
	return ctx
}

// testConfig names a database of the test's own.
func testConfig(t *testing.T) Config {
	name := strings.Map(func(r rune) rune {
		if r == '/' {
			return '_'
		}
		return r
	}, t.Name())
	return Config{Database: name, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

var allVersions = []int{1, 2, 3}

func TestAnEmptyServerIsMigratedOnce(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	ctx, conn, cfg := soon(t), connect(t, server), testConfig(t)

	first, err := Migrate(ctx, conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.Applied, allVersions) || first.HistoryID == "" {
		t.Errorf("got %+v", first)
	}
	if first.Features != Old() {
		t.Errorf("a server from 2018 has %+v", first.Features)
	}
	changed := func() [][]string {
		return server.Rows(t, "SELECT name, metadata_modification_time FROM system.tables WHERE database = ? ORDER BY name", cfg.Database)
	}
	before := changed()
	t.Logf("tables: %v", before)
	again, err := Migrate(ctx, conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if again.Applied != nil || again.HistoryID != first.HistoryID {
		t.Errorf("the second time: %+v, the first: %+v", again, first)
	}
	if after := changed(); !slices.EqualFunc(before, after, slices.Equal[[]string]) {
		t.Errorf("the second time changed\n%v to\n%v", before, after)
	}
	if n := server.Number(t, "SELECT count() FROM system.tables WHERE name LIKE '%lock%'"); n != 0 {
		t.Errorf("%d locks were left", n)
	}

	other := cfg
	other.Database += "_other"
	if result, err := Migrate(ctx, conn, other); err != nil || result.HistoryID == first.HistoryID {
		t.Errorf("another database has the history %+v (%v)", result, err)
	}
}

func TestAMigrationThatWasInterruptedIsFinished(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	ctx, conn, cfg := soon(t), connect(t, server), testConfig(t)
	statements, err := Statements(cfg, Old())
	if err != nil {
		t.Fatal(err)
	}
	for i, statement := range statements {
		server.Exec(t, strings.TrimSuffix(statement, ";"))
		if i > 0 && i%5 != 0 {
			continue
		}
		result, err := Migrate(ctx, conn, cfg)
		if err != nil || !slices.Equal(result.Applied, allVersions) {
			t.Fatalf("after %d statements: %+v, %v", i+1, result, err)
		}
		server.Exec(t, "DROP DATABASE `"+cfg.Database+"`")
		for _, again := range statements[:i+1] {
			server.Exec(t, strings.TrimSuffix(again, ";"))
		}
	}
}

func TestOfNodesThatStartAtOnceOneMigrates(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	for _, nodes := range []int{2, 8, 8} {
		ctx, cfg := soon(t), testConfig(t)
		results, errs := make([]Result, nodes), make([]error, nodes)
		var all sync.WaitGroup
		for i := range nodes {
			conn := connect(t, server)
			all.Go(func() { results[i], errs[i] = Migrate(ctx, conn, cfg) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		var applied []int
		for _, result := range results {
			applied = append(applied, result.Applied...)
			if result.HistoryID != results[0].HistoryID || result.HistoryID == "" {
				t.Errorf("history %q and %q", result.HistoryID, results[0].HistoryID)
			}
		}
		if !slices.Equal(applied, allVersions) {
			t.Errorf("%d nodes applied %v", nodes, applied)
		}
		rows := server.Number(t, "SELECT count() FROM "+cfg.in(historyTable))
		if rows != uint64(len(allVersions)+1) {
			t.Errorf("%d rows in %s", rows, historyTable)
		}
		server.Exec(t, "DROP DATABASE `"+cfg.Database+"`")
	}
}

func TestANewerSchemaIsRefusedAndStaysAsItIs(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	ctx, conn, cfg := soon(t), connect(t, server), testConfig(t)
	if _, err := Migrate(ctx, conn, cfg); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, "INSERT INTO "+cfg.in(historyTable)+" SELECT 7, 'of the future', 1, ''")
	server.Exec(t, "DROP TABLE "+cfg.in("comments"))
	_, err := Migrate(ctx, conn, cfg)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "version 7") || !strings.Contains(err.Error(), "is 3") {
		t.Errorf("got %v", err)
	}
	if server.Number(t, "SELECT count() FROM system.tables WHERE database = ? AND name = 'comments'", cfg.Database) != 0 {
		t.Error("it made tables")
	}
}

func TestADatabaseThatWasGivenIsEnough(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	cfg := testConfig(t)
	cfg.Database = "given, not-made"
	server.Exec(t, "CREATE DATABASE `given, not-made`")
	if _, err := Migrate(soon(t), connect(t, server), cfg); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, "INSERT INTO "+cfg.in("comments")+" (live_video_id, comment_id, created_at_ms) SELECT 'v', 1, 1700000000123")
	rows := server.Rows(t, "SELECT created_at FROM "+cfg.in("visible_comments"))
	if len(rows) != 1 || rows[0][0] != "2023-11-14T22:13:20Z" {
		t.Errorf("got %v", rows)
	}
}

func TestRowsAreOneAfterRetriesAndDeletion(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	cfg := testConfig(t)
	if _, err := Migrate(soon(t), connect(t, server), cfg); err != nil {
		t.Fatal(err)
	}
	for _, statement := range twiceAndTakenBack(cfg) {
		server.Exec(t, statement)
	}
	for query, want := range onceAndGone(cfg) {
		var got []string
		for _, row := range server.Rows(t, query) {
			got = append(got, strings.Join(row, " "))
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, strings.Join(got, "\n"), want)
		}
	}
}

// twiceAndTakenBack inserts comment 1 twice, comment 2 with its deletion before
// and after it, and a reaction twice.
func twiceAndTakenBack(cfg Config) []string {
	comment := "INSERT INTO " + cfg.in("comments") + " (live_video_id, comment_id, user_id, user_name, message, parent_id, created_at_ms, deleted) SELECT "
	reaction := "INSERT INTO " + cfg.in("reactions") + " (live_video_id, reaction_id, comment_id, type, count, created_at_ms) SELECT "
	return []string{
		comment + "'v', 1, 'u', 'U', 'one', 0, 1700000000123, 0",
		comment + "'v', 2, 'u', '', '', 0, 1700000000456, 1",
		comment + "'v', 1, 'u', 'U', 'one', 0, 1700000000123, 0",
		comment + "'v', 2, 'u', 'U', 'two', 0, 1700000000456, 0",
		reaction + "'v', 3, 0, 'like', 5, 1700000000789",
		reaction + "'v', 3, 0, 'like', 5, 1700000000789",
	}
}

func onceAndGone(cfg Config) map[string]string {
	return map[string]string{
		"SELECT comment_id, message, deleted FROM " + cfg.in("comments") + " FINAL ORDER BY comment_id": "1 one 0\n2  1",
		"SELECT comment_id, message FROM (SELECT * FROM " + cfg.in("comments") + " WHERE live_video_id = 'v'" +
			" ORDER BY comment_id, deleted DESC LIMIT 1 BY comment_id) WHERE deleted = 0": "1 one",
		"SELECT sum(count) FROM " + cfg.in("reactions") + " FINAL": "5",
	}
}
