// Package replication has a record on two nodes before it is answered: first
// in the journal of a peer, then in this node's own.
//
// # The order
//
// The peer is first, since a record that only this node's journal has would
// come back with a restart, as a second copy of a post that was tried again
// elsewhere. So what this journal has, the peer that acknowledged it has too.
//
// The records of one live video reach the local journal in the order of
// Append, whatever becomes of peers: each live video has a lane, and what is
// acknowledged waits there for what was appended before it.
//
// # Streams
//
// To each peer there is one stream at a time, named by a random session, in
// which records are numbered from 1. It is a go-back-N protocol: batches go
// out without waiting, up to a window; an Ack is cumulative; and the sender
// goes back to the first that is missing when the receiver asks it to or when
// nothing happens. A session that the receiver doesn't know can only be begun
// at 1. If it was forgotten in the middle (a restart), the sender begins a new
// one with what was not acknowledged: to accept it in the middle would be to
// acknowledge what was lost before.
//
// A peer that is silent while something waits, or whose journal is full, is
// missing: what waits goes on without a copy, the session ends, and the peer
// is probed until it answers.
//
// # What was not kept
//
// If the local journal refuses what peers may have, each that it was sent to
// gets a revocation in its stream: a CommentDeleted that nobody deleted
// (Revokes). One that is no member any more gets it when its node is one again.
// It carries no Copy, so the peer brings it to ClickHouse as a record of its
// own; whichever of the two comes first there, the comment is gone. The peer
// may answer an Idempotency-Key with a revoked comment unless its store drops
// that too. What a revoked deletion took away stays away: its author was told
// to try again.
//
// # Letting go
//
// The peer keeps its copies from being dropped until their origin says that
// they are in ClickHouse (Confirm). State says of each copy whether it is,
// whether to wait for the origin, or whether nobody else will do it.
package replication
