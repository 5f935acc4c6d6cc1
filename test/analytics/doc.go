// Package analytics tests what analysts are given: the queries of
// docs/analytics.md, the users of configs/clickhouse and the dashboard of
// configs/grafana, each on ClickHouse with known rows.
package analytics
