package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func at(second float64) time.Time { return noon.Add(time.Duration(second * float64(time.Second))) }

// sound is a record in which all is well: two rooms, 20 comments each, one a
// second; a viewer that joined at the third; one that had a gap and was told;
// a deletion; a key that was asked twice; a cut-off from second 30 on.
func sound() *Record {
	r := &Record{Cuts: []Window{{"a cut-off", at(30), at(40)}}}
	first := History{Node: "a", Rooms: map[string][]Comment{}}
	for _, room := range []string{"hot", "quiet"} {
		v := &Viewer{Name: "viewer of " + room, Room: room}
		told := &Viewer{Name: "viewer with a gap of " + room, Room: room}
		for i := 1; i <= 20; i++ {
			c := Comment{uint64(100 + i), fmt.Sprintf("%s %d", room, i)}
			a := Answer{
				ID: c.ID, Room: room, User: "ann", Key: c.Message, Message: c.Message, Node: "a",
				Tries: 1, Began: at(float64(i)), At: at(float64(i) + 0.5),
			}
			r.Answers = append(r.Answers, a)
			item := Item{ID: c.ID, Message: c.Message, Node: "b", At: at(float64(i) + 0.6)}
			if i != 7 {
				first.Rooms[room] = append(first.Rooms[room], c)
			}
			if i >= 3 {
				v.Items = append(v.Items, item)
			}
			if i == 10 {
				told.Items = append(told.Items, Item{After: 105, Before: 110, Node: "b", At: item.At})
			}
			if i == 5 || i >= 10 {
				told.Items = append(told.Items, item)
			}
		}
		r.Viewers = append(r.Viewers, v, told)
		r.Deletions = append(r.Deletions, Deletion{room, 107, true, at(25)})
	}
	again := r.Answers[4]
	again.Node, again.Began, again.At = "b", at(26), at(26.1)
	r.Answers = append(r.Answers, again)
	r.Histories = []History{first, copied("b", first), copied("c", first)}
	return r
}

func copied(node string, h History) History {
	c := History{Node: node, Rooms: map[string][]Comment{}}
	for room, all := range h.Rooms {
		c.Rooms[room] = slices.Clone(all)
	}
	return c
}

func TestNothingIsFoundWhereAllIsWell(t *testing.T) {
	r := sound()
	rows := append(Rows(r), Count("different", Different(r.Histories)))
	if !Met(rows) {
		t.Error(Table(rows))
	}
	if table := Table(rows); strings.Contains(table, "MISSED") || !strings.Contains(table, "| gaps announced | 2 |") {
		t.Error(table)
	}
}

// Each fault is planted into a record in which all is well; its row, and it
// alone unless others are named, must show it.
func TestEachPlantedFaultIsFound(t *testing.T) {
	without := func(all []Comment, id uint64) []Comment {
		return slices.DeleteFunc(all, func(c Comment) bool { return c.ID == id })
	}
	drop := func(v *Viewer, id uint64) {
		v.Items = slices.DeleteFunc(v.Items, func(i Item) bool { return i.ID == id })
	}
	everywhere := func(r *Record, change func(all []Comment) []Comment) {
		for _, h := range r.Histories {
			h.Rooms["hot"] = change(h.Rooms["hot"])
		}
	}
	tests := []struct {
		name  string
		plant func(r *Record)
		rows  []string // beginnings of the rows that are missed
	}{
		{"an answered comment that nobody watched is lost", func(r *Record) {
			everywhere(r, func(all []Comment) []Comment { return without(all, 102) })
		}, []string{"answered comments missing"}},
		{"an answered comment is lost after viewers saw it", func(r *Record) {
			everywhere(r, func(all []Comment) []Comment { return without(all, 112) })
		}, []string{"answered comments missing", "comments on a stream that history lacks"}},
		{"one node lacks a comment", func(r *Record) {
			r.Histories[2].Rooms["hot"] = without(r.Histories[2].Rooms["hot"], 112)
		}, []string{"answered comments missing", "different"}},
		{"one node has a comment more", func(r *Record) {
			r.Histories[1].Rooms["hot"] = append(r.Histories[1].Rooms["hot"], Comment{130, "hot late"})
			r.Failures = append(r.Failures, Failure{Room: "hot", Message: "hot late"})
		}, []string{"different", "posts failed", "viewers without the newest"}},
		{"a room is lost at a node", func(r *Record) { delete(r.Histories[1].Rooms, "quiet") }, []string{"answered comments missing", "different"}},
		{"a comment has another's text", func(r *Record) {
			everywhere(r, func(all []Comment) []Comment { all[0].Message = "hot 2"; all[1].Message = "hot 1"; return all })
		}, []string{"answered comments missing"}},
		{"an id is twice in history", func(r *Record) {
			everywhere(r, func(all []Comment) []Comment { return slices.Insert(all, 3, all[3]) })
		}, []string{"comments twice in history"}},
		{"a post is two comments", func(r *Record) {
			everywhere(r, func(all []Comment) []Comment { return slices.Insert(all, 0, Comment{99, "hot 4"}) })
		}, []string{"comments twice in history"}},
		{"history is out of order", func(r *Record) {
			everywhere(r, func(all []Comment) []Comment { all[4], all[5] = all[5], all[4]; return all })
		}, []string{"history out of order"}},
		{"nodes differ in their order", func(r *Record) {
			all := r.Histories[1].Rooms["hot"]
			all[4], all[5] = all[5], all[4]
		}, []string{"history out of order", "different"}},
		{"a comment from nowhere", func(r *Record) {
			everywhere(r, func(all []Comment) []Comment { return slices.Insert(all, 0, Comment{50, "who"}) })
		}, []string{"comments that nobody posted"}},
		{"a deleted comment comes back", func(r *Record) {
			everywhere(r, func(all []Comment) []Comment {
				return slices.Insert(all, 6, Comment{107, "hot 7"})
			})
		}, []string{"deleted comments that came back"}},
		{"a key is answered with another comment", func(r *Record) {
			r.Answers[len(r.Answers)-1].ID = 106
		}, []string{"answered comments missing", "keys answered with two"}},
		{"ids go back", func(r *Record) {
			// The second is answered before the third is posted, with a higher id.
			r.Answers[1].ID, r.Answers[2].ID = r.Answers[2].ID, r.Answers[1].ID
			everywhere(r, func(all []Comment) []Comment {
				all[1].Message, all[2].Message = all[2].Message, all[1].Message
				return all
			})
			for _, v := range r.Viewers {
				if v.Room == "hot" {
					drop(v, 103)
				}
			}
		}, []string{"ids below"}},
		{"a comment comes twice in a row", func(r *Record) {
			v := r.Viewers[0]
			v.Items = slices.Insert(v.Items, 5, v.Items[5])
		}, []string{"comments twice or out of order"}},
		{"a comment comes again later", func(r *Record) {
			v := r.Viewers[0]
			again := v.Items[2]
			again.At = at(28)
			v.Items = append(v.Items, again)
		}, []string{"comments twice or out of order"}},
		{"two comments come in the wrong order", func(r *Record) {
			v := r.Viewers[0]
			v.Items[5], v.Items[6] = v.Items[6], v.Items[5]
		}, []string{"comments twice or out of order"}},
		{"a comment is not sent", func(r *Record) { drop(r.Viewers[0], 111) }, []string{"comments not sent and not announced (outside"}},
		{"a gap is announced too small", func(r *Record) {
			for i := range r.Viewers[1].Items {
				if r.Viewers[1].Items[i].ID == 0 {
					r.Viewers[1].Items[i].Before = 109
				}
			}
		}, []string{"comments not sent and not announced (outside"}},
		{"a gap is announced too late", func(r *Record) {
			for i := range r.Viewers[1].Items {
				if r.Viewers[1].Items[i].ID == 0 {
					r.Viewers[1].Items[i].After = 106
				}
			}
		}, []string{"comments not sent and not announced (outside"}},
		{"the newest comments are not sent", func(r *Record) { drop(r.Viewers[0], 120); drop(r.Viewers[0], 119) }, []string{"viewers without the newest"}},
		{"nothing is sent", func(r *Record) { r.Viewers[0].Items = nil }, []string{"viewers without the newest"}},
		{"a viewer sees what nobody has", func(r *Record) {
			v := r.Viewers[0]
			v.Items = slices.Insert(v.Items, 0, Item{ID: 90, Message: "hot 0", Node: "b", At: at(0)})
		}, []string{"comments on a stream that history lacks", "comments not sent and not announced (outside"}},
		{"both sides of a cut-off answer a key, and none stays", func(r *Record) {
			again := r.Answers[6-1]
			again.ID, again.Node, again.Began, again.At = 150, "b", at(32), at(33)
			r.Answers = append(r.Answers, again)
			everywhere(r, func(all []Comment) []Comment { return without(all, 106) })
		}, []string{"answered comments missing", "comments on a stream that history lacks"}},
		{"a key is answered with another comment, which stays", func(r *Record) {
			again := r.Answers[6-1]
			again.ID, again.Began, again.At = 125, at(24), at(25)
			r.Answers = append(r.Answers, again)
			everywhere(r, func(all []Comment) []Comment { return append(without(all, 106), Comment{125, again.Message}) })
		}, []string{"answered comments missing", "keys answered with two comments", "comments on a stream that history lacks", "viewers without"}},
		{"a viewer sees another text", func(r *Record) { r.Viewers[0].Items[3].Message = "quiet 6" }, []string{"comments on a stream that history lacks"}},
		{"a post fails", func(r *Record) {
			r.Failures = append(r.Failures, Failure{Room: "hot", Message: "hot 21", Why: "status 503"})
		}, []string{"posts failed"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := sound()
			test.plant(r)
			rows := append(Rows(r), Count("different", Different(r.Histories)))
			for _, row := range rows {
				planted := slices.ContainsFunc(test.rows, func(p string) bool { return strings.HasPrefix(row.What, p) })
				if row.Met == planted && (row.ToReach != "" || !planted) {
					t.Errorf("%s: met is %v\n%s", row.What, row.Met, Table(rows))
				}
				if !row.Met && (len(row.Findings) == 0 || !strings.Contains(Table(rows), row.Findings[0])) {
					t.Errorf("%s: it does not say what", row.What)
				}
			}
		})
	}
}

func TestWhatIsAllowedIsNotFound(t *testing.T) {
	drop := func(v *Viewer, id uint64) {
		v.Items = slices.DeleteFunc(v.Items, func(i Item) bool { return i.ID == id })
	}
	tests := map[string]func(r *Record){
		"a viewer that left early": func(r *Record) { v := r.Viewers[0]; v.Left, v.Items = true, v.Items[:4] },
		"a comment posted in a cut-off is not sent": func(r *Record) {
			r.Cuts = append(r.Cuts, Window{"cut", at(11), at(12)})
			drop(r.Viewers[0], 111)
		},
		"both sides of a cut-off answer a key, and one comment stays": func(r *Record) {
			again := r.Answers[6-1]
			again.ID, again.Node, again.Began, again.At = 150, "b", at(32), at(33)
			r.Answers = append(r.Answers, again)
		},
		"a viewer is told that what it saw is deleted": func(r *Record) {
			v := r.Viewers[0]
			v.Items = slices.Insert(v.Items, 0, Item{ID: 102, Message: "taken back", Node: "b", At: at(2)}, Item{Deleted: 102, Node: "b", At: at(3)})
		},
		"a deletion without an answer that was done": func(r *Record) {
			r.Deletions = append(r.Deletions, Deletion{"hot", 112, false, at(25)})
			for _, h := range r.Histories {
				h.Rooms["hot"] = slices.DeleteFunc(h.Rooms["hot"], func(c Comment) bool { return c.ID == 112 })
			}
		},
		"a deletion without an answer that was not done": func(r *Record) {
			r.Deletions = append(r.Deletions, Deletion{"hot", 112, false, at(25)})
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := sound()
			change(r)
			if rows := append(Rows(r), Count("different", Different(r.Histories))); !Met(rows) {
				t.Error(Table(rows))
			}
		})
	}
}

func TestCutOffsAreCountedApart(t *testing.T) {
	r := sound()
	r.Cuts = append(r.Cuts, Window{"cut", at(11), at(12)})
	r.Viewers[0].Items = slices.DeleteFunc(r.Viewers[0].Items, func(i Item) bool { return i.ID == 111 })
	if found, cut := Unannounced(r, r.Histories[0]); len(found) != 0 || len(cut) != 1 {
		t.Errorf("%v, %v", found, cut)
	}
}

func TestLongestPauseIsThatOfItsWindow(t *testing.T) {
	v := &Viewer{}
	for i, second := range []float64{1, 2, 3, 7, 8, 20, 21} {
		v.Items = append(v.Items, Item{ID: uint64(i + 1), At: at(second)})
		v.Items = append(v.Items, Item{At: at(second + 0.2)}) // a gap is no delivery
	}
	for _, test := range []struct{ from, to, want float64 }{
		{0, 3, 4}, // it begins in the window
		{1.5, 2.5, 1},
		{4, 9, 12}, // both ends
		{5, 6, 4},  // it is around the window
		{20.5, 30, 9},
		{21, 21.5, 1},
		{40, 50, 29},
	} {
		if got := LongestPause(v, Window{From: at(test.from), To: at(test.to)}); got.Seconds() != test.want {
			t.Errorf("from %g to %g: %s, want %g s", test.from, test.to, got, test.want)
		}
	}
	if got := LongestPause(&Viewer{}, Window{From: at(1), To: at(4)}); got != 3*time.Second {
		t.Errorf("nothing came: %s", got)
	}
}

func TestDurationsHaveABoundOrNone(t *testing.T) {
	if Below("x", time.Second, time.Second).Met || !Below("x", 999*time.Millisecond, time.Second).Met || !Below("x", time.Hour, 0).Met {
		t.Error("wrong verdict")
	}
}
