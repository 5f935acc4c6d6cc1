package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// roomNews is the data of the events that are about a room.
type roomNews struct {
	State           string
	SlowModeSeconds int
	CommentID       *string
	Comment         *comment
	ID, Resolved    string
	Reactions       map[string]uint64
	Muted           bool
	MutedUntil      *time.Time
}

// describeRoom says in words what an event tells of a room; "" for an event of
// another kind, or one that can't be read.
func describeRoom(name, data string) string {
	var n roomNews
	if err := json.Unmarshal([]byte(data), &n); err != nil {
		return ""
	}
	switch name {
	case "end":
		return "the live video has ended"
	case "room":
		if n.SlowModeSeconds > 0 {
			return fmt.Sprintf("the live video is %s; slow mode: a comment every %d s", n.State, n.SlowModeSeconds)
		}
		return fmt.Sprintf("the live video is %s; no slow mode", n.State)
	case "pin":
		if n.Comment == nil {
			return "nothing is pinned"
		}
		return fmt.Sprintf("pinned: %s: %s", firstOf(n.Comment.UserName, n.Comment.UserID), n.Comment.Message)
	case "held":
		if n.Comment == nil {
			return fmt.Sprintf("held comment %s was %s", n.ID, n.Resolved)
		}
		return fmt.Sprintf("held comment %s by %s: %s", n.Comment.ID, firstOf(n.Comment.UserName, n.Comment.UserID), n.Comment.Message)
	case "muted":
		switch {
		case !n.Muted:
			return "you may post again"
		case n.MutedUntil == nil:
			return "you are muted"
		}
		return "you are muted until " + n.MutedUntil.Local().Format(time.DateTime)
	case "reactions":
		var totals []string
		for _, kind := range slices.Sorted(maps.Keys(n.Reactions)) {
			totals = append(totals, fmt.Sprintf("%s %d", kind, n.Reactions[kind]))
		}
		return "reactions: " + strings.Join(totals, ", ")
	}
	return ""
}
