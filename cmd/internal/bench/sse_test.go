package bench

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseEvents(t *testing.T) {
	own := testEvent(7, 1070)
	for _, c := range []struct {
		name, text string
		whole      bool
		ids        []uint64
		seqs       []int
		gaps       []gap
		retry      int
		others     int
	}{
		{"comment of the run", own, true, []uint64{1070}, []int{7}, nil, -1, 0},
		{"CR LF", strings.ReplaceAll(own, "\n", "\r\n"), true, []uint64{1070}, []int{7}, nil, -1, 0},
		{"CR", strings.ReplaceAll(own, "\n", "\r"), true, []uint64{1070}, []int{7}, nil, -1, 0},
		{"another's comment", "id: 5\ndata: {\"id\":\"5\",\"message\":\"hi\"}\n\n", true, []uint64{5}, []int{-1}, nil, -1, 0},
		{"fields in another order", "data: {\"message\":\"hi\",\"id\":\"5\"}\nid: 5\n\n", true, []uint64{5}, []int{-1}, nil, -1, 0},
		{"data in two lines", "id: 5\ndata: {\"id\":\"5\",\ndata: \"message\":\"hi\"}\n\n", true, []uint64{5}, []int{-1}, nil, -1, 0},
		{"named message", "event: message\nid: 5\ndata: {\"id\":\"5\",\"message\":\"hi\"}\n\n", true, []uint64{5}, []int{-1}, nil, -1, 0},
		{"heartbeat", ":\n\n", true, nil, nil, nil, -1, 0},
		{"retry", "retry: 1500\n\n", true, nil, nil, nil, 1500, 0},
		{"retry without an empty line", "retry: 1500\n", true, nil, nil, nil, 1500, 0},
		{"gap", testGap(1, 5), true, nil, nil, []gap{{1010, 1050}}, -1, 0},
		{"gap from the start", "event: gap\ndata: {\"before\":\"9\"}\n\n", true, nil, nil, []gap{{0, 9}}, -1, 0},
		{"others", "event: viewers\ndata: {\"viewers\":3}\n\nevent: reactions\ndata: {}\n\n", true, nil, nil, nil, -1, 2},
		{"event without data", "event: viewers\n\n", true, nil, nil, nil, -1, 0},
		{"half a line", own + "id: 9", false, nil, nil, nil, 0, 0},
		{"no empty line", own + "id: 9\n", false, nil, nil, nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, whole, err := parseEvents(testTag, []byte(c.text))
			if err != nil || whole != c.whole {
				t.Fatalf("parseEvents: whole %t, %v; want %t", whole, err, c.whole)
			}
			if !whole {
				return
			}
			var ids []uint64
			var seqs []int
			for _, c := range f.comments {
				ids, seqs = append(ids, c.id), append(seqs, c.seq)
			}
			if !reflect.DeepEqual(ids, c.ids) || !reflect.DeepEqual(seqs, c.seqs) || !reflect.DeepEqual(f.gaps, c.gaps) || f.retry != c.retry || f.others != c.others {
				t.Errorf("ids %v, seqs %v, gaps %v, retry %d, others %d", ids, seqs, f.gaps, f.retry, f.others)
			}
		})
	}
}

func TestParseEventsRefusesWhatIsNoComment(t *testing.T) {
	for _, text := range []string{
		"id: x\ndata: {\"id\":\"x\"}\n\n",
		"data: {\"id\":\"5\"}\n\n",
		"id: 5\ndata: {\"id\":\"5\"\n\n",
		"id: 5\ndata: {\"id\":\"6\",\"message\":\"another one\"}\n\n",
		"id: 5\ndata: {\"id\":\"55\",\"message\":\"another one\"}\n\n",
		"event: gap\ndata: {\"after\":\"x\"}\n\n",
		"event: gap\ndata: soon\n\n",
	} {
		if _, _, err := parseEvents(testTag, []byte(text)); !errors.Is(err, errEvent) {
			t.Errorf("parseEvents(%q): %v, want errEvent", text, err)
		}
	}
}

// FuzzParseEvents looks for a text that is whole, but means something else when
// it is taken together with what came before.
func FuzzParseEvents(f *testing.F) {
	f.Add(testEvents(1), testEvents(2, 3))
	f.Add("retry: 5\n\n:\n\n", testGap(1, 2))
	f.Add("data: x\r", "\n\r\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		fa, wholeA, errA := parseEvents(testTag, []byte(a))
		fb, wholeB, errB := parseEvents(testTag, []byte(b))
		if errA != nil || errB != nil || !wholeA || !wholeB {
			return
		}
		both, whole, err := parseEvents(testTag, []byte(a+b))
		if err != nil || !whole {
			t.Fatalf("%q and %q are whole, together they are %t, %v", a, b, whole, err)
		}
		if got, want := fmt.Sprint(both.comments, both.gaps, both.others), fmt.Sprint(append(fa.comments, fb.comments...), append(fa.gaps, fb.gaps...), fa.others+fb.others); got != want {
			t.Fatalf("together %s, apart %s", got, want)
		}
	})
}
