package analytics

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// query answers rows as text, days and times as ClickHouse itself writes them.
func query(t *testing.T, conn driver.Conn, sql string) [][]string {
	t.Helper()
	// Of a deadline clickhouse-go would make a setting, which an analyst may not
	// send. The connection has its own limit.
	rows, err := conn.Query(context.Background(), sql)
	if err != nil {
		t.Errorf("%s\n%v", sql, err)
		return nil
	}
	defer rows.Close()
	var all [][]string
	for rows.Next() {
		types := rows.ColumnTypes()
		into := make([]any, len(types))
		for i := range types {
			into[i] = reflect.New(types[i].ScanType()).Interface()
		}
		if err := rows.Scan(into...); err != nil {
			t.Errorf("%s\n%v", sql, err)
			return nil
		}
		texts := make([]string, len(into))
		for i := range into {
			value := reflect.ValueOf(into[i]).Elem().Interface()
			switch at, isTime := value.(time.Time); {
			case isTime && types[i].DatabaseTypeName() == "Date":
				texts[i] = at.Format(time.DateOnly)
			case isTime:
				texts[i] = at.UTC().Format(time.DateTime)
			default:
				texts[i] = fmt.Sprint(value)
			}
		}
		all = append(all, texts)
	}
	if err := rows.Err(); err != nil {
		t.Errorf("%s\n%v", sql, err)
	}
	return all
}
