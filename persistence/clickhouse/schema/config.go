// Package schema makes Barrage's tables and views in ClickHouse and keeps them
// up to date: versioned migrations, embedded, which suit servers from 2018 to
// today's by asking each what it has.
//
// Every statement of a migration can be run again (IF NOT EXISTS), so that a
// crash anywhere leaves nothing to be repaired by hand.
package schema

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
)

// Version is the newest version of the schema that this binary knows.
const Version = 3

// DefaultDatabase is where the tables are unless told otherwise.
const DefaultDatabase = "barrage"

const (
	day = 24 * time.Hour
	// A DateTime ends in 2106. A TTL beyond that wraps around, and ClickHouse
	// would delete everything at once.
	maxRetention = 50 * 365 * day
)

// ErrNewer is wrapped when the database was migrated by a newer binary.
var ErrNewer = errors.New("the database's schema is newer than this program")

// Config says where the schema is and how its tables are made.
type Config struct {
	Database string // "": DefaultDatabase
	// Cluster is the name of a cluster in the servers' remote_servers: tables
	// are replicated, with a Distributed table before them. "": one server.
	Cluster string
	// Retention is how long rows are kept, in whole days; 0: for ever.
	Retention time.Duration
	Logger    *slog.Logger // nil: none

	lockFor time.Duration // how long a holder of the lock may take; 0: lockFor
}

// Validate answers what is wrong with the settings.
func (cfg Config) Validate() error {
	if err := checkName("database", cfg.database()); err != nil {
		return err
	}
	if err := checkName("cluster", cfg.Cluster); err != nil {
		return err
	}
	switch {
	case cfg.Retention < 0 || cfg.Retention%day != 0:
		return fmt.Errorf("the retention must be whole days, not %s", cfg.Retention)
	case cfg.Retention > maxRetention:
		return fmt.Errorf("a retention of %d days is more than the most, %d; 0 keeps everything", cfg.Retention/day, maxRetention/day)
	}
	return nil
}

// checkName refuses what would need escaping in an identifier, in a string or
// in a ZooKeeper path, where braces are macros: nobody means such names.
func checkName(what, name string) error {
	wrong := func(r rune) bool {
		return unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune("`'\"\\/{};", r)
	}
	if strings.ContainsFunc(name, wrong) {
		return fmt.Errorf("the %s's name %q has a quote, a slash, a brace, a semicolon or a control character", what, name)
	}
	return nil
}

func (cfg Config) database() string {
	if cfg.Database == "" {
		return DefaultDatabase
	}
	return cfg.Database
}

// in answers the table's name with its database.
func (cfg Config) in(table string) string {
	return "`" + cfg.database() + "`." + table
}

func (cfg Config) onCluster() string {
	if cfg.Cluster == "" {
		return ""
	}
	return " ON CLUSTER '" + cfg.Cluster + "'"
}

func (cfg Config) logger() *slog.Logger {
	if cfg.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return cfg.Logger
}
