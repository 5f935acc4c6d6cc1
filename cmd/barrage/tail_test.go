package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func commentEvent(id int, text string) string {
	return fmt.Sprintf("id: %d\ndata: {\"id\":\"%d\",\"userId\":\"u\",\"userName\":\"Ann\",\"message\":%q,\"createdAt\":\"2026-01-02T03:04:05.000Z\"}\n\n", id, id, text)
}

// The node ends the first stream, leaves a gap on the second, and then refuses.
func TestTailComesBackAndFillsGaps(t *testing.T) {
	var streams atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("GET /comments/room/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		switch streams.Add(1) {
		case 1:
			if got := r.URL.Query().Get("history"); got != "3" {
				t.Errorf("history=%q", got)
			}
			fmt.Fprint(w, "retry: 10\n\n"+commentEvent(1, "one")+"event: viewers\ndata: {\"viewers\":3}\n\n")
		case 2:
			if got := r.Header.Get("Last-Event-ID"); got != "1" {
				t.Errorf("Last-Event-ID %q", got)
			}
			fmt.Fprint(w, "retry: 10\n\nevent: gap\ndata: {\"after\":\"1\",\"before\":\"5\"}\n\n"+commentEvent(5, "five")+
				"event: delete\ndata: {\"id\":\"2\"}\n\n")
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"status":403,"title":"Not allowed","detail":"gone"}`)
		}
	})
	mux.HandleFunc("GET /comments/room", func(w http.ResponseWriter, r *http.Request) {
		rows := map[string]string{"1": "2 3", "3": "4 5 6"}[r.URL.Query().Get("since")]
		var list []string
		for id := range strings.FieldsSeq(rows) {
			list = append(list, fmt.Sprintf(`{"id":%q,"userId":"u","message":"from history %s","createdAt":"2026-01-02T03:04:05.000Z"}`, id, id))
		}
		fmt.Fprintf(w, `{"comments":[%s],"nextCursor":null}`, strings.Join(list, ","))
	})
	node := httptest.NewServer(mux)
	defer node.Close()

	out, errOut, status := command(t, "", "tail", "room", "-v", "--history", "3", "--url", node.URL)
	if status != 1 || !strings.Contains(errOut, "room: the node answered 403: gone") || !strings.Contains(errOut, "3 watching") {
		t.Errorf("status %d, %q", status, errOut)
	}
	var lines []string
	scanner := bufio.NewScanner(strings.NewReader(out))
	for scanner.Scan() {
		_, text, _ := strings.Cut(scanner.Text(), " ") // without the time
		lines = append(lines, text)
	}
	want := "Ann: one|u: from history 2|u: from history 3|u: from history 4|Ann: five|— comment 2 was deleted"
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTailPrintsJSON(t *testing.T) {
	var streams atomic.Int32
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if streams.Add(1) > 1 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 10\n\nid: 1\ndata: {\"id\":\"1\",\"message\":\"a\u009bb\"}\n\nevent: delete\ndata: {\"id\":\"1\"}\n\n")
	}))
	defer node.Close()
	out, _, _ := command(t, "", "tail", "room", "--json", "--url", node.URL)
	want := `{"id":"1","message":"a\u009bb"}` + "\n" + `{"event":"delete","liveVideoId":"room","data":{"id":"1"}}` + "\n"
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}
