package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Error codes of ClickHouse.
const (
	codeTableExists = 57
	codeNoTable     = 60
)

func hasCode(err error, code int32) bool {
	var exception *clickhouse.Exception
	return errors.As(err, &exception) && exception.Code == code
}

// unlessDropped reads from the system's tables again if that failed because a
// table was dropped meanwhile: old servers fail then, and locks come and go.
func unlessDropped(read func() error) (err error) {
	for range 10 {
		if err = read(); !hasCode(err, codeNoTable) {
			return err
		}
	}
	return err
}

// Result is what Migrate found and did.
type Result struct {
	Features Features
	// HistoryID was made once with the database's first tables: another id
	// means another database, whatever its name.
	HistoryID string
	Applied   []int // the versions that this call applied
}

type migrator struct {
	*everywhere
	features   Features
	migrations []migration

	// What the last look saw.
	history history
	lacks   map[int]bool // versions that were applied, but not on this server
	alter   []string     // what the tables' TTLs need
}

// Migrate brings the database to this binary's Version, and the tables to the
// retention. The connection needs no database of its own. It can be called at
// any time and by all nodes at once; where there is nothing to do, it only
// reads. It waits for other nodes until ctx ends.
func Migrate(ctx context.Context, conn driver.Conn, cfg Config) (Result, error) {
	m, err := prepare(ctx, conn, cfg)
	if err != nil {
		return Result{}, err
	}
	applied, err := m.run(ctx)
	if err != nil {
		err = fmt.Errorf("migrating the ClickHouse database %s: %w", cfg.database(), err)
	}
	return Result{m.features, m.history.id, applied}, err
}

// prepare asks the server what it has, and renders the migrations for it.
func prepare(ctx context.Context, conn driver.Conn, cfg Config) (*migrator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	features, err := Probe(ctx, conn)
	if err != nil {
		return nil, err
	}
	migrations, err := render(cfg, features)
	return &migrator{everywhere: newEverywhere(conn, cfg), features: features, migrations: migrations}, err
}

func (m *migrator) run(ctx context.Context) (applied []int, err error) {
	if done, err := m.look(ctx); done || err != nil {
		return nil, err
	}
	if err := m.makeDatabase(ctx); err != nil {
		return nil, err
	}
	lock := newLock(m.everywhere)
	mine, err := lock.acquire(ctx, func() (bool, error) { return m.look(ctx) })
	if err != nil || !mine {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.release(ctx)) }()

	if applied, err = m.migrate(ctx); err != nil {
		return applied, err
	}
	for _, statement := range m.alter {
		m.cfg.logger().Info("changing the retention", "statement", statement)
		if err := m.statement(ctx, statement); err != nil {
			return applied, err
		}
	}
	return applied, nil
}

// look reads what is there, and answers whether that is all that we want.
func (m *migrator) look(ctx context.Context) (bool, error) {
	var err error
	if m.history, err = readHistory(ctx, m.conn, m.cfg); err != nil {
		return false, err
	}
	var tables []tableEngine
	err = unlessDropped(func() error {
		tables = nil
		return m.conn.Select(ctx, &tables, "SELECT name, engine_full FROM system.tables WHERE database = ?", m.cfg.database())
	})
	if err != nil {
		return false, err
	}
	m.lacks = m.lacking(tables)
	if m.features.TTL {
		if m.alter, err = ttlChanges(m.cfg, tables); err != nil {
			return false, err
		}
	}
	return !slices.ContainsFunc(m.migrations, m.wants) && len(m.alter) == 0, nil
}

// lacking answers what a server that joined its cluster later still has to
// make. Who has one server may drop a view that is not needed, and it stays so.
func (m *migrator) lacking(tables []tableEngine) map[int]bool {
	lacks := map[int]bool{}
	if m.cfg.Cluster == "" {
		return lacks
	}
	there := map[string]bool{}
	for _, table := range tables {
		there[table.Name] = true
	}
	for _, migration := range m.migrations {
		for _, name := range migration.makes {
			if !there[name] {
				lacks[migration.version] = true
			}
		}
	}
	return lacks
}

// wants says whether a migration's statements are to be run.
func (m *migrator) wants(migration migration) bool {
	return !m.history.applied[migration.version] || m.lacks[migration.version]
}

// makeDatabase asks first: a user who may not create databases may have been
// given one.
func (m *migrator) makeDatabase(ctx context.Context) error {
	exists := func() (bool, error) {
		var databases uint64
		err := m.conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = ?", m.cfg.database()).Scan(&databases)
		return databases > 0, err
	}
	there, err := exists()
	if err != nil || there && m.cfg.Cluster == "" {
		return err
	}
	// Old servers can fail if another node does the same at this moment.
	if failed := m.statement(ctx, createDatabase(m.cfg)); failed != nil {
		if there, err := exists(); err != nil || !there {
			return errors.Join(failed, err)
		}
	}
	return nil
}

// migrate is called by the holder of the lock. It looks again, as another node
// may have held it before.
func (m *migrator) migrate(ctx context.Context) (applied []int, err error) {
	// The table that keeps what was applied comes first: it must be there before
	// one can wait for the rows of its other replicas.
	if err := m.apply(ctx, m.migrations[0]); err != nil {
		return nil, err
	}
	if err := syncHistory(ctx, m.conn, m.cfg); err != nil {
		return nil, err
	}
	if _, err := m.look(ctx); err != nil {
		return nil, err
	}
	for _, migration := range m.migrations {
		if !m.wants(migration) {
			continue
		}
		if err := m.apply(ctx, migration); err != nil {
			return applied, err
		}
		if m.history.applied[migration.version] {
			continue
		}
		if err := m.history.record(ctx, m.conn, m.cfg, migration); err != nil {
			return applied, err
		}
		m.cfg.logger().Info("migrated ClickHouse", "database", m.cfg.database(), "version", migration.version, "name", migration.name)
		if migration.version > 0 {
			applied = append(applied, migration.version)
		}
	}
	return applied, nil
}

func (m *migrator) apply(ctx context.Context, migration migration) error {
	for _, statement := range migration.statements {
		if err := m.statement(ctx, statement); err != nil {
			return fmt.Errorf("version %d (%s): %w", migration.version, migration.name, err)
		}
	}
	return m.settle(ctx, func() (bool, error) {
		_, err := m.look(ctx)
		return !m.lacks[migration.version], err
	})
}

func (m *migrator) statement(ctx context.Context, statement string) error {
	statement = strings.TrimSuffix(statement, ";")
	if err := m.exec(ctx, statement); err != nil {
		first, _, _ := strings.Cut(statement, "\n")
		return fmt.Errorf("%s: %w", first, err)
	}
	return nil
}
