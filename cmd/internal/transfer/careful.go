package transfer

import (
	"context"
	"fmt"
	"strings"

	"barrage/persistence/clickhouse"
)

// careful refuses what only a node's settings should do: to change how long
// ClickHouse keeps history, which a command without these settings would. And
// without create it refuses to make tables.
func careful(ctx context.Context, db *clickhouse.DB, name string, create bool) error {
	plan, err := db.Plan(ctx)
	if err != nil {
		return err
	}
	if plan.HistoryID == "" && !create {
		return fmt.Errorf("%w in the %s", ErrNoHistory, name)
	}
	return keepsRetention(plan.Statements)
}

// keepsRetention finds a statement that changes the TTL of a table.
func keepsRetention(statements []string) error {
	for _, statement := range statements {
		if strings.HasPrefix(statement, "ALTER TABLE") && strings.Contains(statement, " TTL") {
			return fmt.Errorf("this would change how long ClickHouse keeps history (%s): give clickhouse.retention_days as the nodes have it", statement)
		}
	}
	return nil
}
