package bench

// frame is a run of whole events that arrived together, as one chunk: the unit
// a server hands to many viewers. Its content is decoded once, however many
// viewers receive it. Only the arrival fields change after it was made.
type frame struct {
	// wire is the chunk byte for byte with its head and end, nil if the events
	// were spread over several chunks or the bytes are no longer kept.
	wire []byte

	// text is the events as text, while the table remembers them.
	text string

	// next is the frame with comments that the first viewer received after this
	// one. It is set once, so that "start here and go on for n frames" describes
	// the way of nearly every viewer.
	next *frame

	comments []comment
	last     uint64 // highest id of the comments
	newest   int    // highest number of the run's own comments, -1 without
	gaps     []gap
	retry    int // milliseconds, or -1
	others   int // events that are neither comments nor gaps

	arrivals []arrival // not yet folded into the recorder
	seen     int64     // time of the last arrival
	active   bool      // on the reader's list of frames with fresh arrivals
}

// comment is one comment event.
type comment struct {
	id  uint64
	seq int   // number of the comment within this run, -1 if another posted it
	due int64 // when it was due to be sent, Unix nanoseconds

	place int // among all comments that exist; set by the verdict
}

// gap is one announcement that the comments between two ids, both exclusive,
// were not delivered.
type gap struct{ after, before uint64 }

// arrival counts the viewers that read a frame at one time.
type arrival struct {
	at int64
	n  int64
}

// arrive notes that one more viewer has the frame.
func (f *frame) arrive(now int64) {
	f.seen = now
	if k := len(f.arrivals) - 1; k >= 0 && f.arrivals[k].at == now {
		f.arrivals[k].n++
		return
	}
	f.arrivals = append(f.arrivals, arrival{at: now, n: 1})
}
