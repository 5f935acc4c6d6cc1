package analytics

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// id answers the id of the n-th comment: beyond 2^40, as real ones are, so that
// nothing may take them for 32 bits or for a float.
func id(n uint64) uint64 { return 1<<41 + n*4096 }

type comment struct {
	n                      uint64
	video, user, name      string
	text                   string
	parent                 uint64 // n of the comment that it answers; 0: none
	at                     string
	deletedBy, deletedAt   string
	nowLess                time.Duration // instead of at: so long ago
	createdMs, deletedAtMs int64
}

// comments are what every test knows. In show-1 cy's two and one of bo's are
// deleted; ana changes her name; dee's are Chinese.
func comments(t *testing.T) []comment {
	t.Helper()
	all := []comment{
		{n: 1, video: "show-1", user: "ana", name: "Ana", text: "hello", at: "2026-03-01 20:00:05.250"},
		{n: 2, video: "show-1", user: "bo", name: "Bo", text: "弹幕来了", at: "2026-03-01 20:00:20.250"},
		{n: 3, video: "show-1", user: "ana", name: "Ana", text: "welcome 😀", parent: 2, at: "2026-03-01 20:00:50.250"},
		{n: 4, video: "show-1", user: "cy", name: "Cy", text: "spam", at: "2026-03-01 20:01:00.000", deletedBy: "mod", deletedAt: "2026-03-01 20:01:30.000"},
		{n: 5, video: "show-1", user: "bo", name: "Bo", text: "nice", parent: 2, at: "2026-03-01 20:01:10.250"},
		{n: 6, video: "show-1", user: "cy", name: "Cy", text: "more spam", parent: 1, at: "2026-03-01 20:01:20.000", deletedBy: "mod", deletedAt: "2026-03-01 20:03:00.000"},
		{n: 7, video: "show-1", user: "dee", name: "Dee", text: "弹幕", parent: 2, at: "2026-03-01 20:01:25.250"},
		{n: 8, video: "show-1", user: "ana", name: "Anna", text: "goal!", at: "2026-03-01 20:01:59.999"},
		{n: 9, video: "show-1", user: "bo", name: "Bo", text: "oops", at: "2026-03-01 20:05:00.000", deletedBy: "bo", deletedAt: "2026-03-02 00:00:01.000"},
		{n: 10, video: "show-1", user: "ana", name: "Anna", text: "late", parent: 1, at: "2026-03-02 00:00:00.000"},
		{n: 11, video: "show-2", user: "ana", name: "Anna", text: "hi again", at: "2026-03-02 20:00:00.000"},
		{n: 12, video: "show-2", user: "eve", name: "Eve", text: "first", at: "2026-03-02 20:30:00.000"},
		{n: 13, video: "show-2", user: "bo", name: "Bo", text: "弹", at: "2026-03-02 21:00:00.000"},
		{n: 14, video: "live-a", user: "fay", name: "Fay", text: "now", nowLess: 60 * time.Second},
		{n: 15, video: "live-a", user: "gil", name: "Gil", text: "yes", nowLess: 30 * time.Second},
		{n: 16, video: "live-b", user: "fay", name: "Fay", text: "here too", nowLess: 30 * time.Second},
	}
	for i := range all {
		c := &all[i]
		if c.nowLess > 0 {
			c.createdMs = time.Now().Add(-c.nowLess).UnixMilli()
			continue
		}
		c.createdMs = ms(t, c.at)
		if c.deletedAt != "" {
			c.deletedAtMs = ms(t, c.deletedAt)
		}
	}
	return all
}

func ms(t *testing.T, at string) int64 {
	t.Helper()
	parsed, err := time.Parse("2006-01-02 15:04:05.000", at)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.UnixMilli()
}

// table is rows to insert, each the text of an SQL tuple.
type table struct {
	name, columns string
	rows          []string
}

func tables(t *testing.T) []table {
	t.Helper()
	posts := table{name: "comments", columns: "live_video_id, comment_id, user_id, user_name, message, parent_id, created_at_ms, deleted"}
	events := table{name: "room_events", columns: "live_video_id, at_ms, kind, event_id, actor_id, user_id, comment_id, detail"}
	all := comments(t)
	parent := func(c comment) uint64 {
		if c.parent == 0 {
			return 0
		}
		return id(c.parent)
	}
	for _, c := range all {
		posts.rows = append(posts.rows, fmt.Sprintf("('%s', %d, '%s', '%s', '%s', %d, %d, 0)",
			c.video, id(c.n), c.user, c.name, c.text, parent(c), c.createdMs))
	}
	for _, c := range all {
		if c.deletedBy == "" {
			continue
		}
		posts.rows = append(posts.rows, fmt.Sprintf("('%s', %d, '%s', '', '', %d, %d, 1)",
			c.video, id(c.n), c.user, parent(c), c.createdMs))
		events.rows = append(events.rows, fmt.Sprintf("('%s', %d, 'comment_deleted', %d, '%s', '%s', %d, '')",
			c.video, c.deletedAtMs, id(c.n), c.deletedBy, c.user, id(c.n)))
	}
	events.rows = append(events.rows,
		fmt.Sprintf(`('show-1', %d, 'mute', %d, 'mod', 'cy', 0, '{"seconds":600}')`, ms(t, "2026-03-01 20:03:10.000"), id(101)),
		fmt.Sprintf(`('show-1', %d, 'pin', %d, 'host', '', %d, '')`, ms(t, "2026-03-01 20:04:00.000"), id(102), id(2)),
		fmt.Sprintf(`('show-1', %d, 'approve', %d, 'mo2', 'cy', 0, '')`, ms(t, "2026-03-01 20:04:01.000"), id(103)),
		fmt.Sprintf(`('show-1', %d, 'approve', %d, 'mo2', 'bo', 0, '')`, ms(t, "2026-03-01 20:04:02.000"), id(104)),
		fmt.Sprintf(`('show-1', %d, 'reject', %d, 'mo2', 'cy', 0, '')`, ms(t, "2026-03-01 20:04:02.000"), id(105)),
	)
	reaction := func(n, comment uint64, kind string, count int, at string) string {
		return fmt.Sprintf("('show-1', %d, %d, '%s', %d, %d)", id(n), comment, kind, count, ms(t, at))
	}
	return []table{posts, events, {
		name: "reactions", columns: "live_video_id, reaction_id, comment_id, type, count, created_at_ms",
		rows: []string{
			reaction(201, 0, "like", 10, "2026-03-01 20:00:10.000"),
			reaction(201, 0, "heart", 2, "2026-03-01 20:00:10.000"),
			reaction(202, 0, "like", 5, "2026-03-01 20:01:05.000"),
			// The same count at the same time: two, not one.
			reaction(203, 0, "like", 5, "2026-03-01 20:01:05.000"),
			reaction(204, id(2), "like", 4, "2026-03-01 20:01:06.000"),
			reaction(204, id(1), "like", 1, "2026-03-01 20:01:06.000"),
			reaction(205, id(2), "heart", 1, "2026-03-01 20:05:01.000"),
		},
	}}
}

// inserts answers statements that insert every row three times: in order,
// then the last first (deletions before what they delete) in batches that end
// elsewhere, then all at once.
func inserts(t *testing.T) (all []string) {
	t.Helper()
	for _, tab := range tables(t) {
		backwards := slices.Clone(tab.rows)
		slices.Reverse(backwards)
		for batch := range slices.Chunk(tab.rows, 3) {
			all = append(all, tab.insert(batch))
		}
		for batch := range slices.Chunk(backwards, 5) {
			all = append(all, tab.insert(batch))
		}
		all = append(all, tab.insert(tab.rows))
	}
	return all
}

// insert is a SELECT, for old servers take the rows of VALUES from their
// clients only.
func (tab table) insert(rows []string) string {
	columns := make([]string, strings.Count(tab.columns, ",")+1)
	for i := range columns {
		columns[i] = fmt.Sprintf("tupleElement(r, %d)", i+1)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM (SELECT arrayJoin([%s]) AS r)",
		tab.name, tab.columns, strings.Join(columns, ", "), strings.Join(rows, ", "))
}
