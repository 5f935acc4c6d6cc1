package main

import (
	"os"
	"strings"
	"testing"

	"barrage/test/servers"
)

// asUsers leaves out what is set for tests: a command takes every BARRAGE_
// variable for a setting.
func asUsers(t *testing.T, dsn string) {
	t.Helper()
	t.Setenv("BARRAGE_CLICKHOUSE_DSN", dsn)
	for _, name := range []string{servers.EnvServers, servers.EnvConsul} {
		t.Setenv(name, "") // has it back after the test
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSchemaIsPrintedWithoutAServer(t *testing.T) {
	asUsers(t, "")
	for _, test := range []struct {
		args       string
		has, lacks string
	}{
		{"", "CREATE DATABASE IF NOT EXISTS `barrage`;\n\nCREATE TABLE", "TTL"},
		{"", "CODEC(", "ON CLUSTER"},
		{"--features old", "`barrage`.comments (", "CODEC("},
		{"--features modern --clickhouse-retention-days 30", "toIntervalDay(30)", "ON CLUSTER"},
		{"--database live --clickhouse-cluster c", "`live`.comments_local ON CLUSTER 'c' (", "barrage`."},
	} {
		out, errOut, status := command(t, "", append([]string{"clickhouse", "schema"}, strings.Fields(test.args)...)...)
		if status != 0 || !strings.Contains(out, test.has) || strings.Contains(out, test.lacks) || !strings.HasPrefix(out, "-- Barrage's schema, version ") {
			t.Errorf("%s: status %d, %s, %s", test.args, status, out, errOut)
		}
	}
}

func TestSchemaRefusesBadUsage(t *testing.T) {
	asUsers(t, "")
	for _, args := range []string{
		"--features new", "--features old --clickhouse clickhouse://localhost:1", "--clickhouse-retention-days -1",
		"--clickhouse-retention-days 999999999", "--database a`b", "--clickhouse-cluster a'b",
		"--clickhouse http://user:secret@localhost:1", "--clickhouse clickhouse://user:secret@[", "more",
	} {
		out, errOut, status := command(t, "", append([]string{"clickhouse", "schema"}, strings.Fields(args)...)...)
		if status != 2 || out != "" || strings.Contains(errOut, "secret") {
			t.Errorf("%s: status %d, %q, %q", args, status, out, errOut)
		}
	}
	if _, errOut, status := command(t, "", "clickhouse", "schema", "--clickhouse", "clickhouse://user:secret@127.0.0.1:1"); status != 1 || strings.Contains(errOut, "secret") {
		t.Errorf("nobody there: status %d, %q", status, errOut)
	}
}

func TestSchemaAsksTheServerWhatIsLeft(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	asUsers(t, server.DSN("mine"))
	fresh, errOut, status := command(t, "", "clickhouse", "schema")
	if status != 0 || !strings.HasPrefix(fresh, "-- Applied already: none.\n\nCREATE DATABASE IF NOT EXISTS `mine`;\n") || strings.Contains(fresh, "CODEC") {
		t.Fatalf("status %d, %s, %s", status, fresh, errOut)
	}
	if server.Number(t, "SELECT count() FROM system.databases WHERE name = 'mine'") != 0 {
		t.Error("printing made the database")
	}

	// What was printed is what a client can run.
	_, text, _ := strings.Cut(fresh, "\n")
	for statement := range strings.SplitSeq(strings.TrimSpace(text), ";\n") {
		server.Exec(t, strings.TrimSuffix(statement, ";"))
	}
	server.Exec(t, "INSERT INTO mine.barrage_schema SELECT number, 'x', 1, 'id' FROM system.numbers LIMIT 4")
	done, errOut, status := command(t, "", "clickhouse", "schema", "--clickhouse", server.DSN("mine"))
	if status != 0 || done != "-- Applied already: 1 (tables), 2 (analytics), 3 (rooms). Nothing is left to run.\n" {
		t.Errorf("status %d, %s, %s", status, done, errOut)
	}

	server.Exec(t, "INSERT INTO mine.barrage_schema SELECT 9, 'x', 1, 'id'")
	_, errOut, status = command(t, "", "clickhouse", "schema")
	if status != 1 || !strings.Contains(errOut, "newer") {
		t.Errorf("a newer one: status %d, %s", status, errOut)
	}
	// Without a server, none is asked.
	if out, _, status := command(t, "", "clickhouse", "schema", "--features", "old"); status != 0 || !strings.HasPrefix(out, "-- Barrage's schema") {
		t.Errorf("status %d, %s", status, out)
	}
}
