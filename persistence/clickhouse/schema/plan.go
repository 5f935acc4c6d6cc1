package schema

import (
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Plan is what Migrate would do.
type Plan struct {
	Features   Features
	HistoryID  string   // "": the database has no tables of ours
	Applied    []string // what is there already, as "1 (tables)"
	Statements []string // what is left to run, each ended with a semicolon
}

// PlanFor answers what Migrate would do, and changes nothing. Like Migrate, it
// fails with ErrNewer.
func PlanFor(ctx context.Context, conn driver.Conn, cfg Config) (Plan, error) {
	m, err := prepare(ctx, conn, cfg)
	if err != nil {
		return Plan{}, err
	}
	if _, err := m.look(ctx); err != nil {
		return Plan{}, fmt.Errorf("reading the ClickHouse database %s: %w", cfg.database(), err)
	}
	p := Plan{Features: m.features, HistoryID: m.history.id}
	for _, migration := range m.migrations {
		if m.wants(migration) {
			p.Statements = append(p.Statements, migration.statements...)
		} else if migration.version > 0 {
			p.Applied = append(p.Applied, fmt.Sprintf("%d (%s)", migration.version, migration.name))
		}
	}
	if p.HistoryID == "" {
		p.Statements = slices.Insert(p.Statements, 0, createDatabase(cfg))
	}
	p.Statements = append(p.Statements, m.alter...)
	return p, nil
}
