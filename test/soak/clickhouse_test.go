//go:build soak

package soak

import (
	"context"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"barrage/persistence/clickhouse"
	"barrage/test/harness"
	"barrage/test/servers"
)

const database = "barrage"

// startClickHouse starts a server that writes no debug log and may use memory.
func startClickHouse(t *testing.T) *servers.ClickHouse {
	t.Helper()
	return servers.StartClickHouse(t, servers.ClickHouseOptions{
		Settings: map[string]string{"max_memory_usage": "3000000000", "max_memory_usage_for_all_queries": "4000000000"},
		ConfigFiles: map[string]string{
			"soak.xml": "<yandex><logger><level>information</level></logger></yandex>",
		},
	})
}

// nodeWith makes options of a node that keeps history there.
func nodeWith(ch *servers.ClickHouse) harness.Option {
	return harness.Flags("--clickhouse", ch.DSN(database), "--log-level", "warn")
}

// prepared connects to a server as a node does, and makes the tables.
func prepared(t *testing.T, ch *servers.ClickHouse) *clickhouse.DB {
	t.Helper()
	db, err := clickhouse.Open(clickhouse.Config{DSN: ch.DSN(database)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// queryPatience is for queries that read everything.
const queryPatience = 10 * time.Minute

// ids answers the visible comments of a live video by SQL.
func ids(t testing.TB, ch *servers.ClickHouse, table, video string) []uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), queryPatience)
	defer cancel()
	rows, err := ch.Conn().Query(driver.Context(ctx), "SELECT comment_id FROM barrage."+table+
		" WHERE live_video_id = ? ORDER BY comment_id", video)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []uint64
	for rows.Next() {
		var id uint64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// content is what a live video has, in short: how many comments, and the sum
// of their ids.
type content struct{ comments, sum uint64 }

// checkContents compares what analysts see with what there must be.
func checkContents(t *testing.T, ch *servers.ClickHouse, want map[string]content) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), queryPatience)
	defer cancel()
	rows, err := ch.Conn().Query(ctx, "SELECT live_video_id, count(), sum(comment_id) FROM barrage.visible_comments GROUP BY live_video_id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[string]content{}
	for rows.Next() {
		var video string
		var c content
		if err := rows.Scan(&video, &c.comments, &c.sum); err != nil {
			t.Fatal(err)
		}
		got[video] = c
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for video, w := range want {
		if got[video] != w {
			wrong++
			t.Logf("%s: %d comments, want %d", video, got[video].comments, w.comments)
		}
	}
	if wrong > 0 || len(got) != len(want) {
		t.Errorf("ClickHouse has %d live videos, want %d; %d are not as they must be", len(got), len(want), wrong)
	}
}
