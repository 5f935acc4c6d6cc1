// Package transfer moves history between stores as JSON lines: one comment a
// line, as the API shows it, ordered by live video and id.
//
// An export ends in whole lines that say themselves where to go on; an import
// keeps a small file with how far it has come. Both may be ended at any moment,
// and repeating a part of either changes nothing: an id is one comment.
//
// The way of a comment: a source (data.go, clickhouse.go), export.go, a file of
// lines; lines.go and line.go read it, import.go gives batches to a target.
package transfer
