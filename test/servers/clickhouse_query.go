package servers

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Conn answers connections to the server that last until it is stopped or
// killed. It is for tests that expect an error, or a session's context.
func (c *ClickHouse) Conn() driver.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		conn, err := clickhouse.Open(&clickhouse.Options{
			Addr:         []string{c.addr},
			Auth:         clickhouse.Auth{Database: "default", Username: "default"},
			DialTimeout:  5 * time.Second,
			ReadTimeout:  Patience,
			MaxOpenConns: 8,
		})
		if err != nil {
			panic(err) // only options can be wrong: nothing is dialed yet
		}
		c.conn = conn
	}
	return c.conn
}

// hangUp closes our connections.
func (c *ClickHouse) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close() // the server may be gone already
		c.conn = nil
	}
}

// insertValues is an INSERT whose rows a client would have to send as blocks:
// the old server waits for them, and forever.
var insertValues = regexp.MustCompile(`(?i)^\s*INSERT\s+INTO\s+\S+\s*(\([^)]*\))?\s*VALUES\b`)

// Exec runs a statement; args replace its question marks. Rows are inserted by
// INSERT INTO … SELECT, or by Conn's batches.
func (c *ClickHouse) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if insertValues.MatchString(sql) {
		t.Fatalf("%s: use INSERT INTO … SELECT", sql)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := c.Conn().Exec(ctx, sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Rows answers a query's rows with every value as text: times in RFC 3339, in
// UTC; NULL for what is null.
func (c *ClickHouse) Rows(t testing.TB, sql string, args ...any) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	rows, err := c.Conn().Query(ctx, sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var all [][]string
	for rows.Next() {
		into := make([]any, len(rows.ColumnTypes()))
		for i, column := range rows.ColumnTypes() {
			into[i] = reflect.New(column.ScanType()).Interface()
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		texts := make([]string, len(into))
		for i, value := range into {
			texts[i] = text(reflect.ValueOf(value).Elem())
		}
		all = append(all, texts)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// Number answers the one number of a query such as count().
func (c *ClickHouse) Number(t testing.TB, sql string, args ...any) uint64 {
	t.Helper()
	rows := c.Rows(t, sql, args...)
	if len(rows) != 1 || len(rows[0]) != 1 {
		t.Fatalf("%s: not one value but %v", sql, rows)
	}
	number, err := strconv.ParseUint(rows[0][0], 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return number
}

func text(value reflect.Value) string {
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return "NULL"
		}
		value = value.Elem()
	}
	if at, ok := value.Interface().(time.Time); ok {
		return at.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(value.Interface())
}
