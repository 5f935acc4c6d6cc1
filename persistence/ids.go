package persistence

import "time"

// A comment id is 63 bits: 41 of milliseconds since IDEpoch (until 2093), 12
// of a sequence, 10 of the number of the node that gave it.
const (
	IDSequenceBits = 12
	IDNodeBits     = 10
)

// IDEpoch is where the ids' clock starts.
var IDEpoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// IDTime is the time at which an id was given, to the millisecond.
func IDTime(id uint64) time.Time {
	return IDEpoch.Add(time.Duration(id>>(IDNodeBits+IDSequenceBits)) * time.Millisecond)
}

// FirstIDAt is below every id that is given from a time on, and above all that
// were given before.
func FirstIDAt(t time.Time) uint64 {
	return uint64(max(0, t.Sub(IDEpoch).Milliseconds())) << (IDNodeBits + IDSequenceBits)
}
