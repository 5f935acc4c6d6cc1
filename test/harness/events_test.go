package harness

import (
	"reflect"
	"testing"
	"time"
)

func TestEventsAreReadAsTheStandardSays(t *testing.T) {
	text := "\ufeffretry: 1500\nid: 1\ndata: a\n\n" +
		": beat\r\n\r\n" +
		"event: gap\ndata:x\ndata: y\n\n" +
		"id: 2\n\n" + // no data: no event, but the id holds
		"retry: soon\ndata\r\r" +
		"id: 3\ndata: unfinished\n"
	got := ParseEvents([]byte(text))
	for i := range got {
		if got[i].At.IsZero() {
			t.Error("an event without a time")
		}
		got[i].At = time.Time{}
	}
	want := []Event{
		{Kind: KindRetry, Retry: 1500 * time.Millisecond},
		{ID: "1", HasID: true, Data: "a"},
		{Kind: KindNote, Note: " beat"},
		{Name: "gap", ID: "1", Data: "x\ny"},
		{ID: "2"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func TestIDsCompareAsNumbers(t *testing.T) {
	if !Less("9", "10") || Less("10", "9") || Less("7", "7") {
		t.Fatal("wrong order")
	}
	if err := Rising([]Comment{{ID: "9"}, {ID: "10"}}); err != nil {
		t.Error(err)
	}
	if Rising([]Comment{{ID: "10"}, {ID: "10"}}) == nil {
		t.Error("the same id twice was taken")
	}
}
