//go:build !faults

package clickhouse

// faultPoint is where a test build can be made to die.
func faultPoint(string) {}
