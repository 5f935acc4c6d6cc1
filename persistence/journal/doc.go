// Package journal is a node's log of records: append-only, in segment files,
// with one fsync for all records that wait (group commit). It knows nothing of
// what the records mean; package persistence moves them into a store and then
// trims the journal.
//
// # Files
//
// A segment is named by the first position it can hold, "%020d.journal". It
// begins with a header and goes on with commits; all numbers are little-endian
// and all sums are CRC-32C that start from the segment's salt.
//
//	header (32 bytes): magic "BARRAGEJ" | version u32 | salt u32 |
//	                   first LSN u64 | reserved u32 | crc u32
//	commit (24 bytes): magic u32 | records u32 | first LSN u64 |
//	                   bytes of the records u32 | crc u32
//	record (8 bytes):  length u32 | crc u32 over length, LSN and payload |
//	                   payload (a protobuf of records.Record)
//
// A segment is made under a temporary name, filled with zeroes by fallocate,
// and renamed once its header is on disk, so a file with a segment's name has a
// whole header. The zeroes let fdatasync skip the file's metadata, and a commit
// header that is zero is the normal end. A journal that was closed in order
// ends with a seal: a commit without records.
//
// # What a position means
//
// Positions are contiguous. A segment holds the positions from its first one up
// to the one before the next segment's first; whatever follows in its file is
// void. That is how a failed commit is undone for good even where the broken
// file can't be cut: the next segment begins at the position that failed.
//
// # Torn or damaged
//
// A commit is written only after the one before it is on disk. So if a crash
// tore a write, it was the last commit of the last segment, and no later commit
// exists. At Open a bad record in the last segment is therefore
//
//   - damage, and refused with a CorruptError, if a whole commit header with a
//     higher position follows it anywhere in the file (the seal is one too);
//   - a torn tail otherwise, and cut, keeping the whole records before it.
//
// A bit that flips in the very last commit of a journal that was not closed in
// order can't be told from a torn write; it is cut with a warning. The salt is
// random, so no comment text can pass for a commit header. Earlier segments
// were complete when the next one was made: there any bad record is damage,
// which the Reader reports with file and offset.
package journal
