package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestSocketFramesAreReadAsEvents(t *testing.T) {
	frame := func(first byte, payload string) []byte {
		if n := len(payload); n > 125 {
			return append([]byte{first, 126, byte(n >> 8), byte(n)}, payload...)
		}
		return append([]byte{first, byte(len(payload))}, payload...)
	}
	long := strings.Repeat("x", 300)
	run := bytes.Join([][]byte{
		frame(0x81, `{"event":"retry","data":{"milliseconds":5}}`), frame(0x89, ""),
		frame(0x81, `{"event":"comment","id":"7","data":{"message":"`+long+`"}}`),
		frame(0x81, `{"event":"gap","data":{"after":"1","before":"3"}}`),
	}, nil)
	want := "retry: 5\n\n:\n\nid: 7\ndata: {\"message\":\"" + long + "\"}\n\nevent: gap\ndata: {\"after\":\"1\",\"before\":\"3\"}\n\n"
	end := frame(0x88, "\x03\xe9")
	for cut := range len(run) + 1 {
		text, size, err := nextSocketRun(run[:cut])
		if size == 0 && !errors.Is(err, errShort) || size > 0 && err != nil || size > cut || !strings.HasPrefix(want, string(text)) {
			t.Fatalf("cut at %d: %q, %d, %v", cut, text, size, err)
		}
	}
	if text, size, err := nextSocketRun(append(bytes.Clone(run), end...)); string(text) != want || size != len(run) || err != nil {
		t.Errorf("got %q, %d, %v", text, size, err)
	}
	if text, size, err := nextSocketRun(end); len(text) > 0 || size != len(end) || err != nil {
		t.Errorf("the end is %q, %d, %v", text, size, err)
	}
	for _, bad := range [][]byte{{0x81, 0x81, 0, 0, 0, 0, 'x'}, {0x01, 1, 'x'}, frame(0x81, "x"), frame(0x81, `{"data":1}`), {0x81, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0}} {
		if _, _, err := nextSocketRun(bad); !errors.Is(err, errSocket) {
			t.Errorf("% x: %v", bad, err)
		}
	}
}

func FuzzSocketRun(f *testing.F) {
	f.Add([]byte("\x81\x2b{\"event\":\"retry\",\"data\":{\"milliseconds\":5}}\x89\x00\x88\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if text, size, err := nextSocketRun(b); size > len(b) || err == nil && size == 0 || err != nil && len(text) > 0 {
			t.Errorf("%q, %d, %v", text, size, err)
		}
	})
}

// socket serves the stream over a WebSocket, by a library that is not ours.
func (s *testServer) socket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() { _ = conn.CloseNow() }()
	ctx := conn.CloseRead(r.Context())
	s.mu.Lock()
	viewer, next := s.viewers, len(s.events)
	s.viewers++
	s.mu.Unlock()
	send := func(e map[string]any) bool {
		text, _ := json.Marshal(e)
		return conn.Write(ctx, websocket.MessageText, text) == nil
	}
	for ok := send(map[string]any{"event": "retry", "data": map[string]int{"milliseconds": 20}}); ok; {
		s.mu.Lock()
		events, wake := s.events[next:], s.wake
		s.mu.Unlock()
		for i, event := range events {
			if s.spoil != nil {
				event = s.spoil(viewer, next+i, event)
			}
			_, data, found := strings.Cut(strings.TrimSpace(event), "\ndata: ")
			ok = ok && (!found || send(map[string]any{"event": "comment", "id": fmt.Sprint(firstTestID + next + i), "data": json.RawMessage(data)}))
		}
		next += len(events)
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

func TestWebSocketsAreMeasuredAndChecked(t *testing.T) {
	for _, dropped := range []bool{false, true} {
		t.Run(fmt.Sprintf("one is dropped: %t", dropped), func(t *testing.T) {
			s := newTestServer(t, func(s *testServer) {
				s.spoil = func(viewer, comment int, event string) string {
					if dropped && viewer == 3 && comment == 20 {
						return ""
					}
					return event
				}
			})
			cfg := testConfig(s)
			cfg.WebSocket, cfg.Settle = true, time.Second
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := runTest(ctx, t, cfg)
			if dropped != errors.Is(err, ErrIncorrect) || !dropped && err != nil {
				t.Fatalf("the run ended with %v", err)
			}
			lost := int64(0)
			if dropped {
				lost = 1
			}
			if v := r.Correctness.Verdict; v.Lost != lost || r.Joins.Joined != 20 || !r.Load.WebSocket {
				t.Errorf("%d lost, %d joined", v.Lost, r.Joins.Joined)
			}
		})
	}
}
