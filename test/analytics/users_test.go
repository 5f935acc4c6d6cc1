package analytics

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"barrage/persistence/clickhouse/schema"
	"barrage/test/servers"
)

// closed is the digest of a password that nobody knows.
var closed = strings.Repeat("0", 2*sha256.Size)

const password = "a long random one"

func login(t *testing.T, server *servers.ClickHouse, user, password string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{server.Addr()},
		Auth:        clickhouse.Auth{Database: "barrage", Username: user, Password: password},
		DialTimeout: 5 * time.Second,
		ReadTimeout: servers.Patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestAnAnalystReadsAndNothingElse(t *testing.T) {
	file, err := os.ReadFile("../../configs/clickhouse/users.xml")
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(password))
	users := strings.ReplaceAll(string(file), closed, hex.EncodeToString(digest[:]))
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{ConfigFiles: map[string]string{"users.d/barrage.xml": users}})

	ctx, cancel := context.WithTimeout(context.Background(), servers.Patience)
	defer cancel()
	writer := login(t, server, "barrage", password)
	server.Exec(t, "CREATE DATABASE barrage")
	server.Exec(t, "CREATE DATABASE others")
	server.Exec(t, "CREATE TABLE others.secrets (n UInt8) ENGINE = Log")
	if _, err := schema.Migrate(ctx, writer, schema.Config{}); err != nil {
		t.Fatalf("Barrage's user can't make its tables: %v", err)
	}
	for _, statement := range inserts(t) {
		if err := writer.Exec(ctx, statement); err != nil {
			t.Fatalf("Barrage's user can't insert: %v", err)
		}
	}

	// Without a deadline, of which clickhouse-go would make a setting.
	ctx = context.WithoutCancel(ctx)
	analyst := login(t, server, "barrage_analyst", password)
	asked, _ := questions(t)
	check(t, asked, func(i int) [][]string { return query(t, analyst, asked[i].sql) })

	for _, statement := range []string{
		"INSERT INTO comments (live_video_id) SELECT 'x'",
		"CREATE TABLE mine (n UInt8) ENGINE = Memory",
		"CREATE DATABASE mine",
		"DROP TABLE comments",
		"DROP DATABASE barrage",
		"TRUNCATE TABLE comments",
		"ALTER TABLE comments DELETE WHERE 1",
		"RENAME TABLE comments TO gone",
		"OPTIMIZE TABLE comments",
		"SET readonly = 0",
		"SELECT * FROM others.secrets",
	} {
		if err := analyst.Exec(ctx, statement); err == nil {
			t.Errorf("an analyst may %s", statement)
		}
	}
	// Old servers pass over such a setting, new ones refuse the query.
	for setting, value := range map[string]string{
		"max_memory_usage": "9000000000", "max_threads": "16", "max_execution_time": "600", "readonly": "0", "allow_ddl": "1", "priority": "1",
	} {
		asked := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{setting: value}))
		var has string
		err := analyst.QueryRow(asked, "SELECT value FROM system.settings WHERE name = '"+setting+"'").Scan(&has)
		if err == nil && has == value {
			t.Errorf("an analyst may set %s to %s", setting, value)
		}
	}
	if rows := query(t, analyst, "SELECT count() FROM visible_comments"); len(rows) != 1 || rows[0][0] != "13" {
		t.Errorf("%v comments after all that, want 13", rows)
	}
}

func TestTheUsersAreClosedUntilTheyHavePasswords(t *testing.T) {
	file, err := os.ReadFile("../../configs/clickhouse/users.xml")
	if err != nil {
		t.Fatal(err)
	}
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{ConfigFiles: map[string]string{"users.d/barrage.xml": string(file)}})
	server.Exec(t, "CREATE DATABASE barrage")
	ctx, cancel := context.WithTimeout(context.Background(), servers.Patience)
	defer cancel()
	for _, user := range []string{"barrage", "barrage_analyst"} {
		for _, guess := range []string{"", "0", closed, user} {
			if login(t, server, user, guess).Ping(ctx) == nil {
				t.Errorf("%s is let in with %q", user, guess)
			}
		}
	}
}
