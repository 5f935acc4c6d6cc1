package bench

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// testServer is a small live comment server on net/http, with ways to
// misbehave. Each event is flushed by itself, so it is a chunk.
type testServer struct {
	*httptest.Server
	t *testing.T

	// packing is how a stream is compressed for those that accept it: "" not
	// at all, "context" as by any gzip middleware, "segments" independently.
	packing string
	// spoil changes what is sent to one viewer: it gets the number of the
	// viewer, the number of the comment and its event, and returns what to
	// send. nil sends all to all.
	spoil func(viewer, comment int, event string) string
	// refuse may answer the attempt-th request for a post itself.
	refuse func(w http.ResponseWriter, attempt int) bool

	mu       sync.Mutex
	events   []string // of comment i
	ids      map[string]int
	wake     chan struct{} // closed and replaced at each comment
	viewers  int
	attempts atomic.Int64
	reacted  atomic.Int64
	// noReactions refuses all reactions.
	noReactions bool
	cut         chan struct{} // closed and replaced to end all streams
	segments    sync.Map      // segment of each text
}

// newTestServer starts a server; set may set its ways to misbehave.
func newTestServer(t *testing.T, set func(s *testServer)) *testServer {
	s := &testServer{t: t, ids: map[string]int{}, wake: make(chan struct{}), cut: make(chan struct{})}
	if set != nil {
		set(s)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /comments/{video}", s.post)
	mux.HandleFunc("POST /comments/{video}/reactions", s.react)
	mux.HandleFunc("GET /comments/{video}/stream", s.stream)
	mux.HandleFunc("GET /comments/{video}/ws", s.socket)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// firstTestID is the id of comment 0 of a testServer; the others follow.
const firstTestID = 1_000_000

func (s *testServer) react(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Type  string `json:"type"`
		Count int64  `json:"count"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Type == "" || r.Header.Get("Authorization") == "" {
		http.Error(w, "bad reactions", http.StatusBadRequest)
		return
	}
	if s.noReactions {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	s.reacted.Add(body.Count)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"accepted":%d}`, body.Count)
}

func (s *testServer) post(w http.ResponseWriter, r *http.Request) {
	attempt := int(s.attempts.Add(1))
	if s.refuse != nil && s.refuse(w, attempt) {
		return
	}
	var body struct {
		Message string `json:"message"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	s.mu.Lock()
	n, known := s.ids[key]
	if !known {
		n = len(s.events)
		s.ids[key] = n
		id := strconv.Itoa(firstTestID + n)
		data, _ := json.Marshal(map[string]string{"id": id, "message": body.Message})
		s.events = append(s.events, fmt.Sprintf("id: %s\ndata: %s\n\n", id, data))
		close(s.wake)
		s.wake = make(chan struct{})
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"id":"%d","message":%q}`, firstTestID+n, body.Message)
}

func (s *testServer) stream(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	viewer, next, cut := s.viewers, len(s.events), s.cut
	s.viewers++
	s.mu.Unlock()
	if last, err := strconv.Atoi(r.Header.Get("Last-Event-ID")); err == nil {
		next = last - firstTestID + 1
	}
	send := s.opening(w, r)
	send("retry: 20\n\n")
	for {
		s.mu.Lock()
		events, wake := s.events[next:], s.wake
		s.mu.Unlock()
		for i, event := range events {
			if s.spoil != nil {
				event = s.spoil(viewer, next+i, event)
			}
			if event != "" {
				send(event)
			}
		}
		next += len(events)
		select {
		case <-wake:
		case <-cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// opening sends the response head and returns what sends and flushes a text.
func (s *testServer) opening(w http.ResponseWriter, r *http.Request) func(string) {
	flush := w.(http.Flusher).Flush
	w.Header().Set("Content-Type", "text/event-stream")
	if s.packing == "" || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return func(text string) { _, _ = io.WriteString(w, text); flush() }
	}
	w.Header().Set("Content-Encoding", "gzip")
	if s.packing == "context" {
		z := gzip.NewWriter(w)
		return func(text string) { _, _ = io.WriteString(z, text); _ = z.Flush(); flush() }
	}
	_, _ = w.Write(testGzipHead)
	return func(text string) {
		segment, ok := s.segments.Load(text)
		if !ok {
			segment, _ = s.segments.LoadOrStore(text, testSegment(s.t, text))
		}
		_, _ = w.Write(segment.([]byte))
		flush()
	}
}

// cutAll ends all streams that are open.
func (s *testServer) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.cut)
	s.cut = make(chan struct{})
}
