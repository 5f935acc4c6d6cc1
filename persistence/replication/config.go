package replication

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"barrage/persistence"
)

const (
	// DefaultAckTimeout is longer than a slow fsync and a lost connection, and
	// shorter than an author's patience.
	DefaultAckTimeout = 2 * time.Second
	// DefaultResend is the first pause without progress after which a batch is
	// taken for lost.
	DefaultResend = 250 * time.Millisecond

	// maxWaitingBytes bounds what waits for peers.
	maxWaitingBytes = 64 << 20
	// A batch ends when it has so many records or bytes.
	maxBatchRecords = 512
	maxBatchBytes   = 256 << 10
	// windowBytes may be on their way to a peer: enough for a network of
	// 100 MB/s and 40 ms, fsync included.
	windowBytes = 4 << 20
	// maxRevocations bounds what is kept for a peer that is missing.
	maxRevocations = 64 << 10
)

// Local is this node's own journal.
type Local interface {
	persistence.Journal
	// Barrier waits until the sinks of all records that were appended before
	// have been told, and answers the last durable position.
	Barrier(ctx context.Context) (persistence.LSN, error)
}

// Batch is some consecutive records of a stream.
type Batch struct {
	// Origin is the sender's node id, Session names the stream.
	Origin  string
	Session uint64
	// Seq is the number of the first record; of the next one, if there is none.
	Seq uint64
	// Records are records.Record in their encoded form, never changed. None:
	// the receiver is asked whether it is there.
	Records [][]byte
	// Archived: records up to this one are in the sender's ClickHouse.
	Archived uint64
}

// Ack is what a receiver says of a stream.
type Ack struct {
	Session uint64
	// Records up to Durable are on the receiver's disk.
	Durable uint64
	// Next, if not 0, is the record with which the sender has to go on, since
	// something was lost. 0: nothing was.
	Next uint64
	// Unavailable: the journal there takes no records now.
	Unavailable bool
}

// Archived says that a stream's records up to Seq are in ClickHouse.
type Archived struct{ Session, Seq uint64 }

// Config wires a Journal.
type Config struct {
	Local Local
	// Available says whether Local takes records now. Append asks it before it
	// replicates, so it must be quick. nil: always.
	Available func() bool
	// Origin is this node's id, as in records.Copy.
	Origin string
	// Peer names the member that is to have a copy of a live video's records
	// now; "": there is none. It is called by each Append. nil: never one, and
	// records go straight to Local.
	Peer func(liveVideoID string) string
	// Others names members that are to have the copy where that one doesn't take
	// it, best first. nil: nobody. It is called with the journal's lock held.
	Others func(liveVideoID string) []string
	// Wanted: a record without a copy counts as one that lacks it.
	Wanted bool
	// Send brings a batch to a peer: it returns at once, and batches arrive at
	// most once, in order while a connection lasts. They may be lost.
	Send func(peer string, b Batch)

	// AckTimeout is the silence after which a peer is missing; 2 s.
	AckTimeout time.Duration
	// Resend is the pause after which what was not acknowledged is sent again;
	// it doubles up to AckTimeout. 250 ms.
	Resend time.Duration

	Logger *slog.Logger
	Events Events
}

// Events tells what happens, for metrics. They must not block. Any may be nil.
type Events struct {
	// Missing: records go on without a copy at a peer from now on.
	Missing func(peer string)
	// Back: the peer takes records again.
	Back func(peer string)
}

func (c Config) withDefaults() Config {
	if c.AckTimeout == 0 {
		c.AckTimeout = DefaultAckTimeout
	}
	if c.Resend == 0 {
		c.Resend = DefaultResend
	}
	if c.Available == nil {
		c.Available = func() bool { return true }
	}
	if c.Others == nil {
		c.Others = func(string) []string { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Events.Missing == nil {
		c.Events.Missing = func(string) {}
	}
	if c.Events.Back == nil {
		c.Events.Back = func(string) {}
	}
	return c
}

// Validate says what is missing or impossible.
func (c Config) Validate() error {
	var errs []error
	if c.Local == nil {
		errs = append(errs, errors.New("replication: a local journal is needed"))
	}
	if c.Peer != nil && (c.Send == nil || c.Origin == "") {
		errs = append(errs, errors.New("replication: with peers, an origin and a way to send are needed"))
	}
	if c.AckTimeout < 0 || c.Resend < 0 {
		errs = append(errs, errors.New("replication: a time is negative"))
	}
	return errors.Join(errs...)
}
