package verify

import "testing"

func TestReactionsAreWhatWasAnswered(t *testing.T) {
	r := &Record{Reactions: []Reaction{
		{Room: "a", Type: "like", Count: 10, Answered: true},
		{Room: "a", Type: "like", Count: 5},
		{Room: "b", Type: "like", Count: 1, Answered: true},
	}}
	for _, c := range []struct {
		a, b uint64
		want int
	}{{10, 1, 0}, {15, 1, 0}, {9, 1, 1}, {16, 1, 1}, {10, 0, 1}, {0, 2, 2}} {
		r.Totals = []Totals{{Node: "n1", Rooms: map[string]map[string]uint64{"a": {"like": c.a}, "b": {"like": c.b}}}}
		if found := Miscounted(r); len(found) != c.want {
			t.Errorf("%d and %d: %v", c.a, c.b, found)
		}
	}
	r.Totals = []Totals{{Node: "n1", Rooms: map[string]map[string]uint64{"a": {"like": 10, "wow": 1}, "b": {"like": 1}}}}
	if found := Miscounted(r); len(found) != 1 {
		t.Errorf("reactions that nobody sent: %v", found)
	}
	r.Totals = []Totals{{Node: "n1"}}
	if found := Miscounted(r); len(found) != 2 {
		t.Errorf("no totals: %v", found)
	}
}

func TestTotalsAreTheSameAtAllNodes(t *testing.T) {
	r := &Record{Totals: []Totals{
		{Node: "n1", Rooms: map[string]map[string]uint64{"a": {"like": 1}}},
		{Node: "n2", Rooms: map[string]map[string]uint64{"a": {"like": 1}}},
	}}
	if found := DifferentTotals(r); len(found) != 0 {
		t.Error(found)
	}
	r.Totals[1].Rooms["a"]["like"] = 2
	if found := DifferentTotals(r); len(found) != 1 {
		t.Error(found)
	}
}

func TestCountsAreThoseOfHistory(t *testing.T) {
	two := []Comment{{1, "one"}, {2, "two"}}
	r := &Record{
		Histories: []History{{"n1", map[string][]Comment{"a": two}}, {"n2", map[string][]Comment{"a": two[:1]}}, {"ClickHouse", nil}},
		Totals:    []Totals{{Node: "n1", Comments: map[string]int{"a": 2}}, {Node: "n2", Comments: map[string]int{"a": 1}}},
	}
	if found := MiscountedComments(r); len(found) != 0 {
		t.Error(found)
	}
	r.Totals[0].Comments["a"], r.Totals[1].Comments["b"] = 1, 3
	if found := MiscountedComments(r); len(found) != 2 {
		t.Errorf("one counted too few, and three that are nowhere: %v", found)
	}
}

func TestMutedUsersAreNotAnswered(t *testing.T) {
	silence := Silence{"a", "ann", Window{From: at(10), To: at(20)}}
	for _, c := range []struct {
		answer Answer
		cuts   []Window
		want   int
	}{
		{Answer{Room: "a", User: "ann", Began: at(11), At: at(12)}, nil, 1},
		{Answer{Room: "a", User: "ann", Began: at(9), At: at(12)}, nil, 0}, // on its way before
		{Answer{Room: "a", User: "ann", Began: at(19), At: at(21)}, nil, 0},
		{Answer{Room: "a", User: "bob", Began: at(11), At: at(12)}, nil, 0},
		{Answer{Room: "b", User: "ann", Began: at(11), At: at(12)}, nil, 0},
		{Answer{Room: "a", User: "ann", Began: at(11), At: at(12)}, []Window{{From: at(5), To: at(10.5)}}, 0},
		{Answer{Room: "a", User: "ann", Began: at(11), At: at(12)}, []Window{{From: at(13), To: at(15)}}, 1},
	} {
		r := &Record{Silences: []Silence{silence}, Answers: []Answer{c.answer}, Cuts: c.cuts}
		if found := Spoken(r); len(found) != c.want {
			t.Errorf("%+v: %v", c, found)
		}
	}
}

func TestRefusedPostsAreNotInHistory(t *testing.T) {
	r := &Record{Refusals: []Failure{{Room: "a", Message: "no", Began: at(1), At: at(2)}}}
	h := History{"n1", map[string][]Comment{"a": {{1, "yes"}, {2, "no"}}}}
	if found := Refused(r, h); len(found) != 1 || found[0].ID != 2 {
		t.Error(found)
	}
	r.Cuts = []Window{{From: at(0), To: at(3)}}
	if found := Refused(r, h); len(found) != 0 {
		t.Error(found)
	}
}

func TestRowsOfARoomAreThereIfThereWasSomething(t *testing.T) {
	if n := len(Rows(&Record{})); n != len(Rows(&Record{Reactions: []Reaction{{Room: "a", Type: "like"}}}))-5 {
		t.Errorf("%d rows without reactions and mutes", n)
	}
}
