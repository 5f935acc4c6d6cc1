package servers

import (
	"reflect"
	"testing"
	"time"
)

func TestAServerKeepsItsRowsThroughKillAndStop(t *testing.T) {
	c := StartClickHouse(t, ClickHouseOptions{
		MergeTree:   map[string]string{"parts_to_throw_insert": "77"},
		Settings:    map[string]string{"max_block_size": "1234"},
		Macros:      map[string]string{"shard": "<a&b>"},
		ConfigFiles: map[string]string{"users.d/more.xml": "<yandex><profiles><default><max_threads>1</max_threads></default></profiles></yandex>"},
	})
	c.Exec(t, "CREATE TABLE kept (n UInt64, s String, at DateTime, m Nullable(String)) ENGINE = MergeTree ORDER BY n")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c.Exec(t, "INSERT INTO kept SELECT ?, ?, ?, NULL", 1, "it's", at)
	pid := c.PID()

	began := time.Now()
	c.Kill()
	c.Start()
	t.Logf("back %s after kill -9", time.Since(began))
	if c.PID() == pid {
		t.Error("it is the same process")
	}
	began = time.Now()
	c.Stop()
	c.Start()
	t.Logf("back %s after an orderly end", time.Since(began))

	got := c.Rows(t, "SELECT * FROM kept")
	if want := [][]string{{"1", "it's", "2026-01-02T03:04:05Z", "NULL"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := c.Number(t, "SELECT count() FROM kept WHERE n = ?", 1); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	got = c.Rows(t, `SELECT name, value FROM system.settings WHERE name IN ('max_block_size', 'max_threads')
		UNION ALL SELECT name, value FROM system.merge_tree_settings WHERE name = 'parts_to_throw_insert'
		UNION ALL SELECT macro, substitution FROM system.macros`)
	want := map[string]string{"max_block_size": "1234", "max_threads": "1", "parts_to_throw_insert": "77", "shard": "<a&b>"}
	for _, row := range got {
		if want[row[0]] != row[1] {
			t.Errorf("%s is %s, want %s", row[0], row[1], want[row[0]])
		}
		delete(want, row[0])
	}
	if len(want) > 0 {
		t.Errorf("not set: %v", want)
	}
}

func TestAPausedServerAnswersLater(t *testing.T) {
	c := StartClickHouse(t, ClickHouseOptions{})
	c.Pause()
	answered := make(chan uint64)
	go func() { answered <- c.Number(t, "SELECT 1") }()
	select {
	case <-answered:
		t.Error("a paused server answered")
	case <-time.After(100 * time.Millisecond):
	}
	c.Resume()
	if got := <-answered; got != 1 {
		t.Errorf("got %d", got)
	}
}
