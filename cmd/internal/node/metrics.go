package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"barrage/persistence"
	"barrage/persistence/clickhouse"
	"barrage/persistence/journal"
	"barrage/persistence/replication"
)

// storageMetrics counts what the journal and the pump do.
type storageMetrics struct {
	commits      prometheus.Histogram
	commitBytes  prometheus.Counter
	records      prometheus.Counter
	unavailable  prometheus.Counter
	applied      prometheus.Counter
	applySeconds prometheus.Histogram
	failures     *prometheus.CounterVec
	missed       prometheus.Counter
}

func newStorageMetrics(registry prometheus.Registerer) *storageMetrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "barrage", Name: name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "barrage", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		})
	}
	m := &storageMetrics{
		commits:      seconds("journal_commit_seconds", "Time to write and fsync a commit of the journal."),
		commitBytes:  counter("journal_written_bytes_total", "Bytes made durable in the journal."),
		records:      counter("journal_records_total", "Records made durable in the journal."),
		unavailable:  counter("journal_unavailable_total", "Times that the journal stopped taking records."),
		applied:      counter("store_applied_records_total", "Records moved from the journal to history."),
		applySeconds: seconds("store_apply_seconds", "Time to apply a batch of records to history."),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "barrage", Name: "store_failures_total", Help: "Failures on the way from the journal to history; each is tried again.",
		}, []string{"operation"}),
		missed: counter("store_missed_records_total", "Records that the journal lost before history had them."),
	}
	registry.MustRegister(m.commits, m.commitBytes, m.records, m.unavailable, m.applied, m.applySeconds, m.failures, m.missed)
	return m
}

func (m *storageMetrics) journalEvents() journal.Events {
	return journal.Events{
		Committed: func(records, bytes int, took time.Duration) {
			m.commits.Observe(took.Seconds())
			m.records.Add(float64(records))
			m.commitBytes.Add(float64(bytes))
		},
		Unavailable: func(error) { m.unavailable.Inc() },
	}
}

func (m *storageMetrics) pumpEvents() persistence.PumpEvents {
	return persistence.PumpEvents{
		Applied: func(entries int, took time.Duration) {
			m.applied.Add(float64(entries))
			m.applySeconds.Observe(took.Seconds())
		},
		Failed: func(operation string, _ error) { m.failures.WithLabelValues(operation).Inc() },
		Missed: func(from, to persistence.LSN) { m.missed.Add(float64(to - from + 1)) },
	}
}

// watch adds gauges that are read from the journal and the pump.
func (m *storageMetrics) watch(registry prometheus.Registerer, j *journal.Journal, p *persistence.Pump) {
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "barrage", Name: name, Help: help}, value))
	}
	gauge("journal_bytes", "Size of the journal's files.", func() float64 { return float64(j.Stats().Bytes) })
	gauge("journal_available", "1 while the journal takes records.", func() float64 {
		if j.Stats().Available {
			return 1
		}
		return 0
	})
	gauge("journal_depth_records", "Durable records that history does not have yet.", func() float64 {
		return float64(j.LastLSN()) - float64(p.Applied())
	})
}

// archiveMetrics counts what goes into ClickHouse and is read from there.
type archiveMetrics struct {
	rows          *prometheus.CounterVec
	batchRows     prometheus.Histogram
	insertSeconds prometheus.Histogram
	readSeconds   prometheus.Histogram
	failures      *prometheus.CounterVec
	setAside      prometheus.Counter
	missed        prometheus.Counter
}

func newArchiveMetrics(registry prometheus.Registerer) *archiveMetrics {
	const subsystem = "clickhouse"
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "barrage", Subsystem: subsystem, Name: name, Help: help, Buckets: buckets,
		})
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "barrage", Subsystem: subsystem, Name: name, Help: help}
	}
	m := &archiveMetrics{
		rows:          prometheus.NewCounterVec(counter("rows_total", "Rows inserted into ClickHouse, those sent again included."), []string{"table"}),
		batchRows:     histogram("batch_records", "Records of a batch.", prometheus.ExponentialBuckets(1, 4, 9)),
		insertSeconds: histogram("insert_seconds", "Time to insert a batch, all its tables.", prometheus.ExponentialBuckets(0.001, 4, 9)),
		readSeconds:   histogram("read_seconds", "Time of a query for history.", prometheus.ExponentialBuckets(0.0005, 4, 8)),
		failures:      prometheus.NewCounterVec(counter("failures_total", "Failed operations with ClickHouse; each insert is tried again."), []string{"operation"}),
		setAside:      prometheus.NewCounter(counter("set_aside_records_total", "Records that ClickHouse refused, put into a file.")),
		missed:        prometheus.NewCounter(counter("missed_records_total", "Records that the journal lost before ClickHouse had them.")),
	}
	registry.MustRegister(m.rows, m.batchRows, m.insertSeconds, m.readSeconds, m.failures, m.setAside, m.missed)
	return m
}

func (m *archiveMetrics) events() clickhouse.Events {
	return clickhouse.Events{
		Inserted: func(table string, rows int, _ time.Duration) { m.rows.WithLabelValues(table).Add(float64(rows)) },
		Read: func(took time.Duration, err error) {
			m.readSeconds.Observe(took.Seconds())
			if err != nil {
				m.failures.WithLabelValues("query").Inc()
			}
		},
		SetAside: func(records int) { m.setAside.Add(float64(records)) },
	}
}

// copyPumpEvents tells of copies: an insert of theirs is mostly a waiting, and
// its time says nothing.
func (m *archiveMetrics) copyPumpEvents() persistence.PumpEvents {
	e := m.pumpEvents()
	e.Applied = nil
	failed := e.Failed
	e.Failed = func(operation string, err error) { failed("copies_"+operation, err) }
	return e
}

func (m *archiveMetrics) pumpEvents() persistence.PumpEvents {
	return persistence.PumpEvents{
		Applied: func(entries int, took time.Duration) {
			m.batchRows.Observe(float64(entries))
			m.insertSeconds.Observe(took.Seconds())
		},
		Failed: func(operation string, _ error) {
			if operation == "apply" {
				operation = "insert"
			}
			m.failures.WithLabelValues(operation).Inc()
		},
		Missed: func(from, to persistence.LSN) { m.missed.Add(float64(to - from + 1)) },
	}
}

// watch adds gauges of how far ClickHouse is behind.
func (m *archiveMetrics) watch(registry prometheus.Registerer, p *persistence.Pump) {
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "barrage", Subsystem: "clickhouse", Name: name, Help: help,
		}, value))
	}
	gauge("lag_records", "Durable records that ClickHouse does not have yet.", func() float64 { return float64(p.Stats().Depth) })
	gauge("lag_seconds", "Age of the oldest of them.", func() float64 { return p.Stats().Lag.Seconds() })
}

// watchCopies adds what is read from the writer of copies.
func (m *archiveMetrics) watchCopies(registry prometheus.Registerer, p *persistence.Pump, w *clickhouse.CopyWriter) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "barrage", Subsystem: "clickhouse", Name: name, Help: help}
	}
	counter := func(name, help string, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts(opts(name, help)), func() float64 { return float64(value()) })
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts(name, help)), value)
	}
	registry.MustRegister(
		counter("copies_confirmed_total", "Copies of other nodes' records that those nodes have inserted.",
			func() uint64 { return w.CopyStats().Confirmed }),
		counter("copies_inserted_total", "Copies of other nodes' records that this node has inserted.",
			func() uint64 { return w.CopyStats().Inserted }),
		gauge("copies_pending_records", "Copies in hand whose nodes have not said that they inserted them.",
			func() float64 { return float64(w.CopyStats().Pending) }),
		gauge("copies_lag_seconds", "Age of the oldest record that was not looked through for copies.",
			func() float64 { return p.Stats().Lag.Seconds() }),
	)
}

// watchCopies shows how it stands with the copies of this node's records.
func watchCopies(registry prometheus.Registerer, j *replication.Journal) {
	gauge := func(name, help string, value func(s replication.Stats) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "barrage", Subsystem: "replication", Name: name, Help: help,
		}, func() float64 { return value(j.Stats()) }))
	}
	counter := func(name, help string, value func(s replication.Stats) uint64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "barrage", Subsystem: "replication", Name: name, Help: help,
		}, func() float64 { return float64(value(j.Stats())) }))
	}
	gauge("under_replicated", "1 while comments are answered that no second node has.", func(s replication.Stats) float64 {
		if s.UnderReplicated {
			return 1
		}
		return 0
	})
	gauge("missing_peers", "Nodes that should take copies and don't.", func(s replication.Stats) float64 { return float64(len(s.Missing)) })
	gauge("waiting_records", "Records that wait for another node.", func(s replication.Stats) float64 { return float64(s.Waiting) })
	counter("alone_records_total", "Records that went on without a copy.", func(s replication.Stats) uint64 { return s.Alone })
	counter("resent_records_total", "Records that were sent to another node more than once.", func(s replication.Stats) uint64 { return s.Resent })
}
