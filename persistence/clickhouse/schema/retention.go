package schema

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

var (
	// What vocabulary's ttl writes, and nothing behind it: an operator may have
	// added a move to another disk.
	ourTTL = regexp.MustCompile(`\bTTL toDateTime\((\w+)\) \+ toIntervalDay\((\d+)\)(?:;|$|\s+SETTINGS\b)`)
	anyTTL = regexp.MustCompile(`\bTTL\b`)
)

// expiring answers the time column of each physical table that has a retention,
// as the SQL files say it.
func expiring(cfg Config) (map[string]string, error) {
	cfg.Retention = day
	migrations, err := render(cfg, Features{TTL: true})
	if err != nil {
		return nil, err
	}
	tables := map[string]string{}
	name := regexp.MustCompile(`^CREATE TABLE IF NOT EXISTS ` + regexp.QuoteMeta(cfg.in("")) + `(\w+)`)
	for _, m := range migrations {
		for _, statement := range m.statements {
			table, ttl := name.FindStringSubmatch(statement), ourTTL.FindStringSubmatch(statement)
			if table != nil && ttl != nil {
				tables[table[1]] = ttl[1]
			}
		}
	}
	return tables, nil
}

// tableEngine is a row of system.tables; engine_full is the part of
// create_table_query from the engine's name on.
type tableEngine struct {
	Name string `ch:"name"`
	Full string `ch:"engine_full"`
}

// ttlChanges answers what makes the TTLs of the tables that are there what the
// settings say. It leaves a TTL alone that an operator wrote.
func ttlChanges(cfg Config, tables []tableEngine) ([]string, error) {
	columns, err := expiring(cfg)
	if err != nil {
		return nil, err
	}
	there := map[string]string{}
	for _, table := range tables {
		there[table.Name] = table.Full
	}
	var changes []string
	for _, table := range slices.Sorted(maps.Keys(columns)) {
		full, exists := there[table]
		if !exists {
			continue
		}
		wanted, change := cfg.days(), fmt.Sprintf("MODIFY TTL %s", cfg.expires(columns[table]))
		if wanted == "0" {
			change = "REMOVE TTL"
		}
		is := "0"
		if ours := ourTTL.FindStringSubmatch(full); ours != nil {
			is = ours[2]
		} else if anyTTL.MatchString(full) {
			cfg.logger().Warn("a table's TTL is not ours and stays as it is", "table", table)
			continue
		}
		if is == wanted {
			continue
		}
		changes = append(changes, fmt.Sprintf("ALTER TABLE %s%s %s;", cfg.in(table), cfg.onCluster(), change))
	}
	return changes, nil
}
