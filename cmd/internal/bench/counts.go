package bench

import "sync/atomic"

// tally is what a reader counts. Stalled viewers are not in it.
type tally struct {
	bytes      int64
	frames     int64 // frames with comments, at each viewer
	others     int64 // frames without
	deliveries int64 // comments, at each viewer
	gaps       int64 // gap events
	stalled    int64 // comments at stalled viewers, which count nowhere else
}

// counts are a reader's figures for other threads to read; the reader stores
// them after each batch of events.
type counts struct {
	bytes, frames, others, deliveries, gaps, stalled atomic.Int64

	watching   atomic.Int64 // joined, and still there
	joins      atomic.Int64 // successful joins, resumptions included
	failed     atomic.Int64 // viewers given up because they could not join
	garbled    atomic.Int64 // viewers given up because their stream made no sense
	cuts       atomic.Int64 // connections the server ended, of viewers that read
	reconnects atomic.Int64 // resumptions with Last-Event-ID after a cut
	left       atomic.Int64 // viewers that left in churn
	stalledCut atomic.Int64 // stalled viewers whose connection the server ended
}
