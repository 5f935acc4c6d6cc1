package schema

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Features is what a server has, of what makes a difference to us.
type Features struct {
	Codec          bool // CODEC(…) on columns
	TTL            bool // TTL on tables
	DateTime64     bool // and fromUnixTimestamp64Milli
	LowCardinality bool // without a permission to ask for
	// FsyncAfterInsert and FsyncPartDirectory: an insert that was answered
	// survives a loss of power.
	FsyncAfterInsert   bool
	FsyncPartDirectory bool
	// DeduplicationWindow: tables that aren't replicated can know a block that
	// was inserted before, by its rows or, with DeduplicationToken, by
	// insert_deduplication_token.
	DeduplicationWindow bool
	DeduplicationToken  bool
	// DistributedSync is the name of the setting with which an insert into a
	// Distributed table waits for the shards; "": there is none.
	DistributedSync string
	ReadInOrder     bool // optimize_read_in_order
}

// Old is what a server from 2018 has (18.16).
func Old() Features { return Features{DistributedSync: "insert_distributed_sync"} }

// Modern is what today's servers have.
func Modern() Features {
	return Features{
		Codec: true, TTL: true, DateTime64: true, LowCardinality: true,
		FsyncAfterInsert: true, FsyncPartDirectory: true,
		DeduplicationWindow: true, DeduplicationToken: true,
		DistributedSync: "distributed_foreground_insert", ReadInOrder: true,
	}
}

// Probe asks the server what it has. It doesn't look at the version: what a
// build has depends on its vendor too, and the tables that it reads have been
// there since 2018 and are open to every user.
func Probe(ctx context.Context, conn driver.Conn) (Features, error) {
	has, err := inventory(ctx, conn)
	if err != nil {
		return Features{}, fmt.Errorf("asking ClickHouse what it has: %w", err)
	}
	return featuresOf(has), nil
}

// featuresOf reads the inventory.
func featuresOf(has map[string]bool) Features {
	f := Features{
		// No setting, function or type tells of CODEC in all versions that have
		// it (system.codecs is recent). But system.columns has said which codec
		// a column has since the release that brought them.
		Codec: has["column compression_codec"],
		// The timeout came with TTL; ttl_only_drop_parts came later.
		TTL: has["merge merge_with_ttl_timeout"],
		// The type is older than the function that we make it with.
		DateTime64:          has["type DateTime64"] && has["function fromUnixTimestamp64Milli"],
		LowCardinality:      has["type LowCardinality"] && !has["forbidden LowCardinality"],
		FsyncAfterInsert:    has["merge fsync_after_insert"],
		FsyncPartDirectory:  has["merge fsync_part_directory"],
		DeduplicationWindow: has["merge non_replicated_deduplication_window"],
		DeduplicationToken:  has["setting insert_deduplication_token"],
		ReadInOrder:         has["setting optimize_read_in_order"],
	}
	// Newer servers know the old name too.
	for _, name := range []string{"insert_distributed_sync", "distributed_foreground_insert"} {
		if has["setting "+name] {
			f.DistributedSync = name
		}
	}
	return f
}

// The things that Probe cares for, by kind and name.
const inventoryQuery = `
SELECT concat('setting ', name) AS has FROM system.settings
WHERE name IN ('insert_deduplication_token', 'insert_distributed_sync', 'distributed_foreground_insert', 'optimize_read_in_order')
UNION ALL SELECT 'forbidden LowCardinality' AS has FROM system.settings
WHERE ` + lowCardinalityForbidden + `
UNION ALL SELECT concat('merge ', name) AS has FROM system.merge_tree_settings
WHERE name IN ('merge_with_ttl_timeout', 'fsync_after_insert', 'fsync_part_directory', 'non_replicated_deduplication_window')
UNION ALL SELECT concat('type ', name) AS has FROM system.data_type_families WHERE name IN ('DateTime64', 'LowCardinality')
UNION ALL SELECT concat('function ', name) AS has FROM system.functions WHERE name = 'fromUnixTimestamp64Milli'
UNION ALL SELECT concat('column ', name) AS has FROM system.columns
WHERE database = 'system' AND table = 'columns' AND name = 'compression_codec'`

// An experiment in 2018, where a user's profile had to allow it; later the
// setting was 1 for everybody, and then gone. It is not set for the migration
// alone: whoever makes a table from ours later would need it too.
const lowCardinalityForbidden = "name = 'allow_experimental_low_cardinality_type' AND value = '0'"

// inventory answers which of them are there.
func inventory(ctx context.Context, conn driver.Conn) (map[string]bool, error) {
	rows, err := conn.Query(ctx, inventoryQuery)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // only read from
	has := map[string]bool{}
	for rows.Next() {
		var what string
		if err := rows.Scan(&what); err != nil {
			return nil, err
		}
		has[what] = true
	}
	return has, rows.Err()
}
