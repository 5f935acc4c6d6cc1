package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

const historyTable = "barrage_schema"

// history is what the database says was applied to it.
type history struct {
	id      string // "": nothing was ever
	applied map[int]bool
}

// readHistory answers an empty history where there is no table yet. It fails
// with ErrNewer for what this binary can't know.
func readHistory(ctx context.Context, conn driver.Conn, cfg Config) (history, error) {
	h := history{applied: map[int]bool{}}
	var tables uint64
	err := unlessDropped(func() error {
		return conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = ? AND name = ?",
			cfg.database(), historyTable).Scan(&tables)
	})
	if err != nil || tables == 0 {
		return h, err
	}
	rows, err := conn.Query(ctx, "SELECT version, id FROM "+cfg.in(historyTable)+" ORDER BY applied_at_ms, id, version")
	if err != nil {
		return h, err
	}
	defer rows.Close() //nolint:errcheck // only read from
	newest := 0
	for rows.Next() {
		var (
			version uint32
			id      string
		)
		if err := rows.Scan(&version, &id); err != nil {
			return h, err
		}
		if h.id == "" {
			h.id = id
		}
		h.applied[int(version)] = true
		newest = max(newest, int(version))
	}
	if newest > Version {
		return h, fmt.Errorf("%w: %s has version %d, the newest known here is %d", ErrNewer, cfg.database(), newest, Version)
	}
	return h, rows.Err()
}

// syncHistory waits until this server has what the others wrote before.
func syncHistory(ctx context.Context, conn driver.Conn, cfg Config) error {
	if cfg.Cluster == "" {
		return nil
	}
	return conn.Exec(ctx, "SYSTEM SYNC REPLICA "+cfg.in(historyTable))
}

// record keeps that a migration was applied. Should two do so at once, the
// oldest row's id is the history's to all who read later.
func (h *history) record(ctx context.Context, conn driver.Conn, cfg Config, m migration) error {
	id := h.id
	if id == "" {
		id = uuid.NewString()
	}
	// A SELECT, as a server doesn't take VALUES within a statement's text over
	// the native protocol.
	err := conn.Exec(ctx, "INSERT INTO "+cfg.in(historyTable)+" (version, name, applied_at_ms, id) "+
		"SELECT toUInt32(?), ?, toInt64(?), ?", m.version, m.name, time.Now().UnixMilli(), id)
	if err != nil {
		return err
	}
	h.id = id
	h.applied[m.version] = true
	return nil
}
