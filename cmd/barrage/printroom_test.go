package main

import (
	"strings"
	"testing"
)

func TestRoomEventsAreSaidInWords(t *testing.T) {
	for _, row := range []struct{ name, data, want string }{
		{"end", `{"liveVideoId":"r","state":"ended"}`, "the live video has ended"},
		{"room", `{"liveVideoId":"r","state":"live","slowModeSeconds":5}`, "the live video is live; slow mode: a comment every 5 s"},
		{"room", `{"liveVideoId":"r","state":"ended","slowModeSeconds":0}`, "the live video is ended; no slow mode"},
		{"pin", `{"commentId":"7","comment":{"id":"7","userId":"ann","message":"read me"}}`, "pinned: ann: read me"},
		{"pin", `{"commentId":null,"comment":null}`, "nothing is pinned"},
		{"held", `{"comment":{"id":"7","userId":"ann","userName":"Ann","message":"well","held":true,"reason":"link"}}`, "held comment 7 by Ann: well"},
		{"held", `{"id":"7","resolved":"approved","commentId":"8"}`, "held comment 7 was approved"},
		{"muted", `{"muted":true,"mutedUntil":null}`, "you are muted"},
		{"muted", `{"muted":false,"mutedUntil":null}`, "you may post again"},
		{"reactions", `{"reactions":{"wow":1,"like":12}}`, "reactions: like 12, wow 1"},
		{"gap", `{}`, ""},
		{"end", `not JSON`, ""},
	} {
		if got := describeRoom(row.name, row.data); got != row.want {
			t.Errorf("%s %s: %q, want %q", row.name, row.data, got, row.want)
		}
	}
	if got := describeRoom("muted", `{"muted":true,"mutedUntil":"2026-01-02T03:04:05.000Z"}`); !strings.HasPrefix(got, "you are muted until 2026-01-0") {
		t.Errorf("got %q", got)
	}
}

func FuzzDescribeRoom(f *testing.F) {
	f.Add("pin", `{"comment":{"message":"\u001b[2J"}}`)
	f.Add("muted", `{"mutedUntil":"x"}`)
	f.Fuzz(func(_ *testing.T, name, data string) { _ = describeRoom(name, data) })
}
