package httpedge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors"
)

// awayOwners are owners of which none can be reached.
type awayOwners struct{ actors.Owners }

func (awayOwners) Request(context.Context, string, proto.Message) (proto.Message, error) {
	return nil, errors.New("away")
}

// Neither an EventSource nor a page's WebSocket comes back from an error status.
func TestStreamsArePutOffWhileNobodyKnowsWhetherThereIsTheLiveVideo(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.Autocreate, c.RetryTime = false, time.Second })
	edge.backend.Owners = awayOwners{edge.backend.Owners}
	for _, path := range []string{"/comments/v/stream", "/stream?videos=v,w"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if text := string(body); err != nil || answer.StatusCode != http.StatusOK || !strings.HasPrefix(text, "retry: ") || strings.Contains(text, "data:") {
			t.Errorf("%s: %d, %q, %v", path, answer.StatusCode, text, err)
		}
		_ = answer.Body.Close()
		_ = conn.Close()
	}
	s, status, _ := dialRaw(t, address, "/comments/v/ws")
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", status)
	}
	if e := s.event(); e.Event != "retry" {
		t.Errorf("%+v", e)
	}
	if code := s.closed(); code != actors.CloseGoingAway {
		t.Errorf("closed with %d", code)
	}
	// What is no stream is told that it is not possible now.
	conn := askFor(t, address, "/comments/v")
	if a := answerOf(t, conn); a.status != http.StatusServiceUnavailable {
		t.Errorf("a page: %+v", a)
	}
}
