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
//	o video                    records.Room, without mutes and held comments
//	u video user               records.Mute
//	h video id                 records.Held
//	s video comment session    records.ReactionSlot, after the position of its
//	                           last change; comment 0: the live video itself
//	e video at event kind      records.RoomEvent, after its position; at: ms
//	a video                    what another store has of the room was adopted
//	k bucket(u32) digest(16)   records.KeptAnswer; bucket: creation time in
//	                           steps of persistence.IdempotencyKeyRetention
//	m name                     of the store itself
//
// An answer to an Idempotency-Key is looked up in the bucket of now, the one
// before and the one after (of a node whose clock is ahead), so it is found for
// at least IdempotencyKeyRetention and at most twice that. Older buckets are
// dropped as a range.
//
// # Rooms
//
// A record may change parts of a room, whatever else it says; that is in the
// same batch (room.go). Each mute and held comment is a row, so that a change
// costs what it changes: a record should have a few of them, and its encoded
// form must stay below journal.MaxRecordBytes. How many a room may have, its
// owner bounds. Mutes that are over and held comments that were resolved are
// dropped a day later, at the next batch of the day after.
//
// Reactions are kept for each session of an edge process, the highest count of
// each type; so records may come twice, late, and in any order (slots.go).
package embedded
