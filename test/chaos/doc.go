// Package chaos runs three nodes under load, breaks them, their network, Consul
// and ClickHouse at random, and compares what was answered and shown with what
// history is afterwards (package verify).
//
// `make chaos` runs all of it, which takes about 25 minutes; the tests
// without build tag are a short form of it. CHAOS_MINUTES is how long faults
// go on, CHAOS_SEED repeats a run's choice of faults, CHAOS_KEEP names a folder
// for the report and the logs, which otherwise are kept on failure only.
package chaos
