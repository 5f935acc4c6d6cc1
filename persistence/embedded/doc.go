// Package embedded keeps history in the node's own data folder: a
// persistence.Store on Pebble, with nothing to install.
//
// Pebble's write-ahead log is off, since the journal is one already. Every
// batch carries the position it goes up to, and Pebble recovers a prefix of the
// batches; so whatever is there after a crash says itself where the journal
// must be read from, and counts stay exact.
//
// # Keys
//
// A video id is written with its length before it (uvarint), other numbers are
// big-endian, so that keys sort by them.
//
//	c video id                 comment, without what the key says
//	d video id                 deleted, never to be shown again; the position
//	                           of the deletion in the journal
//	r video parent id          reply, empty
//	t video                    records.VideoTotals
//	k bucket(u32) digest(16)   records.KeptAnswer; bucket: creation time in
//	                           steps of persistence.IdempotencyKeyRetention
//	m name                     of the store itself
//
// An answer to an Idempotency-Key is looked up in the bucket of now, the one
// before and the one after (of a node whose clock is ahead), so it is found for
// at least IdempotencyKeyRetention and at most twice that. Older buckets are
// dropped as a range.
package embedded
