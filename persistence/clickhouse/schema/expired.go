package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// DropExpired drops the months that ended before the retention, on a server
// that has no TTL to do so; it answers them as "table month", such as
// "comments 202601". Rows are kept for up to a month longer than with TTL. Any
// node may call it at any time, also several at once.
func DropExpired(ctx context.Context, conn driver.Conn, cfg Config, f Features, now time.Time) ([]string, error) {
	if f.TTL || cfg.Retention == 0 {
		return nil, nil
	}
	tables, err := expiring(cfg)
	if err != nil {
		return nil, err
	}
	from := "system.parts"
	if cfg.Cluster != "" { // of every shard
		from = "cluster('" + cfg.Cluster + "', system.parts)"
	}
	var parts []struct {
		Table     string `ch:"table"`
		Partition string `ch:"partition"`
	}
	err = conn.Select(ctx, &parts, "SELECT table, partition FROM "+from+
		" WHERE active AND database = ? GROUP BY table, partition ORDER BY table, partition", cfg.database())
	if err != nil {
		return nil, fmt.Errorf("reading the partitions: %w", err)
	}
	var dropped []string
	all := newEverywhere(conn, cfg)
	for _, part := range parts {
		if tables[part.Table] == "" || !expired(part.Partition, now.Add(-cfg.Retention)) {
			continue
		}
		err := all.exec(ctx, fmt.Sprintf("ALTER TABLE %s%s DROP PARTITION %s", cfg.in(part.Table), cfg.onCluster(), part.Partition))
		if err != nil {
			return dropped, fmt.Errorf("dropping %s of %s: %w", part.Partition, part.Table, err)
		}
		dropped = append(dropped, part.Table+" "+part.Partition)
	}
	return dropped, nil
}

// expired says whether a partition is a month that ended by then; any other
// kind of partition is nothing that we know the age of.
func expired(partition string, by time.Time) bool {
	month, err := time.Parse("200601", partition)
	return err == nil && !month.AddDate(0, 1, 0).After(by)
}
