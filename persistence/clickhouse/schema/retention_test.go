package schema

import (
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/test/servers"
)

func TestAServerWithoutTTLDropsWholeMonths(t *testing.T) {
	server := servers.StartClickHouse(t, servers.ClickHouseOptions{})
	ctx, conn, cfg := soon(t), connect(t, server), testConfig(t)
	cfg.Retention = 30 * day
	result, err := Migrate(ctx, conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	at := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	for _, when := range []time.Time{at(2025, 12, 31), at(2026, 1, 1), at(2026, 1, 31), at(2026, 2, 1)} {
		server.Exec(t, "INSERT INTO "+cfg.in("comments")+" (live_video_id, comment_id, created_at_ms) SELECT 'v', ?, ?",
			when.Unix(), when.UnixMilli())
	}
	server.Exec(t, "INSERT INTO "+cfg.in("room_events")+" (live_video_id, at_ms) SELECT 'v', ?", at(2025, 12, 1).UnixMilli())
	server.Exec(t, "CREATE TABLE "+cfg.in("not_ours")+" (d Date) ENGINE = MergeTree PARTITION BY toYYYYMM(d) ORDER BY d")
	server.Exec(t, "INSERT INTO "+cfg.in("not_ours")+" SELECT toDate('2020-01-01')")

	months := func() (left []string) {
		for _, row := range server.Rows(t, "SELECT DISTINCT partition FROM system.parts WHERE active AND database = ? AND table = 'comments' ORDER BY partition", cfg.Database) {
			left = append(left, row[0])
		}
		return left
	}
	for _, step := range []struct {
		now           time.Time
		keep          time.Duration
		dropped, left []string
	}{
		{at(2026, 1, 30), 30 * day, nil, []string{"202512", "202601", "202602"}},
		{at(2026, 1, 31), 0, nil, []string{"202512", "202601", "202602"}},
		{
			at(2026, 1, 31), 30 * day,
			[]string{"comments 202512", "room_events 202512"},
			[]string{"202601", "202602"},
		},
		{at(2026, 3, 2), 30 * day, nil, []string{"202601", "202602"}},
		{
			at(2026, 3, 3), 30 * day,
			[]string{"comments 202601"},
			[]string{"202602"},
		},
	} {
		cfg.Retention = step.keep
		dropped, err := DropExpired(ctx, conn, cfg, result.Features, step.now)
		summaries := func(name string) bool { return strings.Contains(name, "_state ") }
		dropped = slices.DeleteFunc(dropped, summaries)
		if err != nil || !slices.Equal(dropped, step.dropped) {
			t.Errorf("on %s dropped %v, %v; want %v", step.now, dropped, err, step.dropped)
		}
		if left := months(); !slices.Equal(left, step.left) {
			t.Errorf("on %s there is left %v, want %v", step.now, left, step.left)
		}
	}
	if server.Number(t, "SELECT count() FROM "+cfg.in("not_ours")) != 1 {
		t.Error("a table that isn't ours lost its rows")
	}
	dropped, err := DropExpired(ctx, conn, cfg, Modern(), at(2030, 1, 1))
	if err != nil || dropped != nil {
		t.Errorf("with TTL, the server does it; but dropped %v, %v", dropped, err)
	}
}

func TestOnlyMonthsThatAreOverExpire(t *testing.T) {
	by := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for partition, want := range map[string]bool{
		"202601": true, "197001": true, "202602": false, "209912": false,
		"20260101": false, "tuple()": false, "all": false, "": false, "('v',202501)": false, "202613": false,
	} {
		if got := expired(partition, by); got != want {
			t.Errorf("%q: %v", partition, got)
		}
	}
	if expired("202601", by.Add(-time.Millisecond)) {
		t.Error("a month that isn't over expired")
	}
}

func TestARetentionThatChangesChangesTheTTL(t *testing.T) {
	const bare = "ReplacingMergeTree(deleted) PARTITION BY toYYYYMM(created_at) ORDER BY (live_video_id, comment_id)"
	const granules = " SETTINGS index_granularity = 1024"
	ttl := func(days string) string {
		return bare + " TTL toDateTime(created_at) + toIntervalDay(" + days + ")" + granules
	}
	for _, test := range []struct {
		name, cluster, full string
		keep                time.Duration
		want                []string
	}{
		{"none, none wanted", "", bare + granules, 0, nil},
		{"none, wanted", "", bare + granules, 30 * day, []string{"ALTER TABLE `db`.comments MODIFY TTL toDateTime(created_at) + toIntervalDay(30);"}},
		{"the same", "", ttl("30"), 30 * day, nil},
		{"another", "", ttl("300"), 30 * day, []string{"ALTER TABLE `db`.comments MODIFY TTL toDateTime(created_at) + toIntervalDay(30);"}},
		{"not wanted any more", "", ttl("30"), 0, []string{"ALTER TABLE `db`.comments REMOVE TTL;"}},
		{"an operator's", "", bare + " TTL created_at + toIntervalMonth(6) TO DISK 'cold'", 30 * day, nil},
		{"ours, and an operator's", "", bare + " TTL toDateTime(created_at) + toIntervalDay(7), toDateTime(created_at) + toIntervalDay(1) TO DISK 'cold'", 30 * day, nil},
		{"ours to another disk", "", bare + " TTL toDateTime(created_at) + toIntervalDay(7) TO DISK 'cold'", 0, nil},
		{"a cluster's", "c", ttl("1"), 2 * day, []string{"ALTER TABLE `db`.comments_local ON CLUSTER 'c' MODIFY TTL toDateTime(created_at) + toIntervalDay(2);"}},
	} {
		cfg := Config{Database: "db", Cluster: test.cluster, Retention: test.keep}
		got, err := ttlChanges(cfg, []tableEngine{{cfg.physical("comments"), test.full}, {"not_ours", "MergeTree ORDER BY d"}})
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %s, %v; want %s", test.name, strings.Join(got, "\n"), err, test.want)
		}
	}
}
