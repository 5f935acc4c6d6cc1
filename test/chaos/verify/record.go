// Package verify compares what clients of a cluster were answered and shown
// with what its history is afterwards. It is plain functions over a record: who
// made that, and how, is nothing to it.
package verify

import (
	"fmt"
	"time"
)

// Record is all that was seen of a cluster.
type Record struct {
	Answers   []Answer   // one for each 201, also of a key that was answered before
	Failures  []Failure  // posts that were given up
	Deletions []Deletion // answered or not
	Viewers   []*Viewer
	Histories []History // at the end, one for each node
	Cuts      []Window  // when a node was cut off from others or from Consul

	Reactions []Reaction
	Totals    []Totals // at the end, one for each node
	Silences  []Silence
	Refusals  []Failure // posts that were refused for good
}

// Answer is a 201.
type Answer struct {
	ID        uint64
	Room      string
	User      string
	Key       string
	Message   string // no other post of the record has the same
	Node      string // that answered
	Tries     int
	Began, At time.Time
}

// Failure is a post that was given up. Its comment may have been taken.
type Failure struct {
	Room, User, Key, Message string
	Why                      string
	Began, At                time.Time
}

// Deletion is one that was asked for.
type Deletion struct {
	Room     string
	ID       uint64
	Answered bool
	At       time.Time
}

// Comment is one of a history.
type Comment struct {
	ID      uint64
	Message string
}

// History is what a node answers, oldest first.
type History struct {
	Node  string
	Rooms map[string][]Comment
}

// Viewer is who watches one room: one stream, or several that each go on after
// the last id of the one before.
type Viewer struct {
	Name  string
	Room  string
	Items []Item // in the order in which they came
	Left  bool   // before the end, so that it need not have the newest
}

// Item is a comment on a stream; if ID is 0 a deletion, or an announced gap if
// that is 0, too.
type Item struct {
	ID            uint64
	Deleted       uint64
	Message       string
	After, Before uint64 // of a gap, both exclusive
	Node          string // that sent it
	At            time.Time
}

// Window is a time in which something was different.
type Window struct {
	What     string
	From, To time.Time
}

// overlaps says whether a time from..to has a part in the window.
func (w Window) overlaps(from, to time.Time) bool { return !to.Before(w.From) && !from.After(w.To) }

// Finding is something that must not be.
type Finding struct {
	Room string
	ID   uint64
	At   time.Time // when it was posted or seen; zero if nobody knows
	Text string
}

func (f Finding) String() string {
	at := "at an unknown time"
	if !f.At.IsZero() {
		at = f.At.Format("15:04:05.000")
	}
	return fmt.Sprintf("room %s, comment %d, %s: %s", f.Room, f.ID, at, f.Text)
}
