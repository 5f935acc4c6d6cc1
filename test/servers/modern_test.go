package servers

import (
	"reflect"
	"strings"
	"testing"
)

func TestAModernServerRunsStatementsInOneSession(t *testing.T) {
	statements := []string{
		`CREATE TABLE comments (
			video String CODEC(ZSTD(1)), id UInt64 CODEC(Delta, LZ4), version UInt32, m Nullable(String),
			at DateTime64(3, 'UTC') CODEC(DoubleDelta)
		) ENGINE = ReplacingMergeTree(version) ORDER BY (video, id) TTL toDateTime(at) + INTERVAL 50 YEAR`,
		`CREATE TABLE totals (video String, comments UInt64) ENGINE = SummingMergeTree ORDER BY video`,
		`CREATE MATERIALIZED VIEW counting TO totals AS SELECT video, count() AS comments FROM comments GROUP BY video`,
		`INSERT INTO comments VALUES ('v', 1, 1, NULL, '2026-01-02 03:04:05.678'), ('v', 2, 1, 'a\nb', '2026-01-02 03:04:06')`,
		`INSERT INTO comments VALUES ('v', 2, 2, 'c', '2026-01-02 03:04:06')`,
		`SELECT video, id, m, at FROM comments FINAL ORDER BY id`,
		`SELECT sum(comments) FROM totals`,
		`SELECT nonsense`,
		`SELECT 'a\nb'`,
	}
	results := RunModern(t, statements)
	want := map[int][][]string{
		5: {{"v", "1", "NULL", "2026-01-02 03:04:05.678"}, {"v", "2", "c", "2026-01-02 03:04:06.000"}},
		6: {{"3"}},
		8: {{"a\nb"}},
	}
	for i, result := range results {
		if i == 7 {
			if !strings.Contains(result.Error, "nonsense") {
				t.Errorf("%s: got %+v, want an error", statements[i], result)
			}
			continue
		}
		if result.Error != "" {
			t.Errorf("%s: %s", statements[i], result.Error)
		}
		if rows := want[i]; len(rows) > 0 && !reflect.DeepEqual(result.Rows, rows) {
			t.Errorf("%s: got %q, want %q", statements[i], result.Rows, rows)
		}
	}
}
