// Package bench is the load and correctness tool behind "barrage bench": it
// opens many viewers of one live video, posts comments on a fixed schedule, and
// says how fast and how completely every viewer received them.
//
// A reader of the code may follow a run in this order:
//
//	run.go       the phases of a run; load.go and restart.go hold two of them
//	poster.go    one thread that posts on an open-loop schedule
//	reader.go    one thread with its epoll that owns a share of the viewers
//	stream.go    one viewer's bytes, and its path through the frames
//	table.go     frames seen before, so that bytes are compared and not decoded
//	recorder.go  arrivals of frames turned into latencies of comments
//	judge.go     what each viewer should have received against what it did
//	floor.go     the same writes by a bare loop, to compare the server with
//
// Each reader thread has a table, viewers and counters of its own; nothing on
// the way of a comment is shared between threads. What is lost, doubled or out
// of order is worked out after the load, from the path each viewer took through
// the frames.
package bench
