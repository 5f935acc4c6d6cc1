package schema

import (
	"fmt"
	"strconv"
	"strings"
	"text/template"
)

// vocabulary is what the SQL files can say that depends on the server and on
// the settings. What is absent there becomes nothing.
func (cfg Config) vocabulary(f Features) template.FuncMap {
	when := func(has bool, text string) string {
		if has {
			return text
		}
		return ""
	}
	second := func(ms string) string { return "toDateTime(intDiv(" + ms + ", 1000), 'UTC')" }
	return template.FuncMap{
		"table":     cfg.physical,
		"onCluster": cfg.onCluster,
		"engine": func(table, family string, args ...string) string {
			return cfg.engine("{shard}", "{replica}", table, family, args)
		},
		// One table whose replicas are all servers of the cluster.
		"engineEverywhere": func(table, family string, args ...string) string {
			return cfg.engine("everywhere", "{shard}-{replica}", table, family, args)
		},
		"distributed": cfg.distributed,
		"lowCardinality": func() string {
			if f.LowCardinality {
				return "LowCardinality(String)"
			}
			return "String"
		},
		"codec":    func(codecs string) string { return when(f.Codec, " CODEC("+codecs+")") },
		"ttl":      func(column string) string { return when(f.TTL && cfg.Retention > 0, " TTL "+cfg.expires(column)) },
		"settings": func(pairs ...string) (string, error) { return cfg.settings(f, pairs) },
		"computed": func() string { return cfg.computed(f) },
		"timeOf": func(ms string) string {
			if f.DateTime64 {
				return "fromUnixTimestamp64Milli(" + ms + ", 'UTC')"
			}
			return second(ms)
		},
		"timeType": func() string {
			if f.DateTime64 {
				return "DateTime64(3, 'UTC')"
			}
			return "DateTime('UTC')"
		},
		"secondOf": second,
	}
}

// computed answers what comes before the expression of a column that nobody
// inserts. Until 2019 an insert through a Distributed table failed on
// MATERIALIZED columns (ClickHouse's pull requests 5429 and 7377); a DEFAULT is
// the same to all but SELECT *.
func (cfg Config) computed(f Features) string {
	if cfg.Cluster != "" && !f.DateTime64 { // which came in 2020
		return "DEFAULT"
	}
	return "MATERIALIZED"
}

// physical answers the name of the table that has the rows.
func (cfg Config) physical(table string) string {
	if cfg.Cluster == "" {
		return table
	}
	return table + "_local"
}

func (cfg Config) engine(shard, replica, table, family string, args []string) string {
	if cfg.Cluster != "" {
		path := fmt.Sprintf("'/clickhouse/tables/%s/%s/%s'", shard, cfg.database(), table)
		args = append([]string{path, "'" + replica + "'"}, args...)
		family = "Replicated" + family
	}
	return family + "(" + strings.Join(args, ", ") + ")"
}

// distributed answers the statement for the table over all shards.
func (cfg Config) distributed(table, key string) string {
	if cfg.Cluster == "" {
		return ""
	}
	local := cfg.physical(table)
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s\nENGINE = Distributed('%s', '%s', '%s', %s);",
		table, cfg.onCluster(), cfg.in(local), cfg.Cluster, cfg.database(), local, key)
}

// expires answers when a row does; ourTTL reads it back.
func (cfg Config) expires(column string) string {
	return "toDateTime(" + column + ") + toIntervalDay(" + cfg.days() + ")"
}

func (cfg Config) days() string { return strconv.Itoa(int(cfg.Retention / day)) }

func (cfg Config) settings(f Features, pairs []string) (string, error) {
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("settings are names and values, not %q", pairs)
	}
	add := func(has bool, name, value string) {
		if has {
			pairs = append(pairs, name, value)
		}
	}
	add(f.FsyncAfterInsert, "fsync_after_insert", "1")
	add(f.FsyncPartDirectory, "fsync_part_directory", "1")
	// Replicated tables have a window of their own.
	add(f.DeduplicationWindow && cfg.Cluster == "", "non_replicated_deduplication_window", "1000")

	texts := make([]string, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		texts = append(texts, pairs[i]+" = "+pairs[i+1])
	}
	if len(texts) == 0 {
		return "", nil
	}
	return "\nSETTINGS " + strings.Join(texts, ", "), nil
}
