// Package clickhouse keeps history in ClickHouse: it inserts what the journal
// holds, in large batches, and reads pages.
//
// One comment's way: the journal, persistence.Pump with the Writer as its
// target (writer.go), columns (insert.go), the tables of package schema. Any
// row may be inserted more than once, by a retry, after a crash or by another
// node; the tables' engines and the readers (read.go) make one of it.
package clickhouse
