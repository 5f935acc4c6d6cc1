package httpedge

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"barrage/actors/wire"
)

// ask sends a GET request on a connection of its own.
func askFor(t *testing.T, address, path string, headers ...string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n", path)
	for _, h := range headers {
		fmt.Fprintf(conn, "%s\r\n", h)
	}
	fmt.Fprint(conn, "\r\n")
	return conn
}

type page struct {
	Comments []struct {
		ID, Message string
	}
	NextCursor *string
}

// answer is one that is read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func answerOf(t *testing.T, conn net.Conn) answer {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, body}
}

func pageOf(t *testing.T, conn net.Conn) (p page) {
	t.Helper()
	got := answerOf(t, conn)
	if err := json.Unmarshal(got.body, &p); err != nil || got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %q, %v", got.status, got.body, err)
	}
	return p
}

// waiting waits until so many clients wait for a comment.
func (e *Edge) waiting(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for e.backend.Node.Streams() != n {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, not %d", e.backend.Node.Streams(), n)
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

func TestAPollIsAnsweredByTheFirstCommentAfterIt(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.CORSOrigins = []string{"https://friend.example"} })
	postRaw(t, edge, address, "v", "first")
	first := pageOf(t, askFor(t, address, "/comments/v?since=0&wait=60")).Comments // there is something
	if len(first) != 1 {
		t.Fatalf("%+v", first)
	}
	id := first[0].ID
	const clients = 20
	var conns []net.Conn
	for range clients {
		conns = append(conns, askFor(t, address, "/comments/v?wait=60&since="+id, "Origin: https://friend.example"))
	}
	edge.waiting(t, clients)
	postRaw(t, edge, address, "other", "nothing to them")
	postRaw(t, edge, address, "v", "second")
	for _, conn := range conns {
		res := answerOf(t, conn)
		var p page
		if err := json.Unmarshal(res.body, &p); err != nil || len(p.Comments) != 1 || p.Comments[0].Message != "second" || p.NextCursor != nil {
			t.Fatalf("%d: %q, %v", res.status, res.body, err)
		}
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "https://friend.example", "Access-Control-Expose-Headers": exposedHeaders,
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got := res.header.Get(name); got != want {
				t.Errorf("%s: %q, not %q", name, got, want)
			}
		}
		if _, err := http.ParseTime(res.header.Get("Date")); err != nil {
			t.Error(err)
		}
	}
	edge.none(t)
	if got := pageOf(t, askFor(t, address, "/comments/v?wait=0&since=0&pageSize=1")); len(got.Comments) != 1 || got.NextCursor == nil {
		t.Errorf("%+v", got)
	}
}

func TestAPollInVainIsAnsweredEmpty(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	began := time.Now()
	if got := pageOf(t, askFor(t, address, "/comments/v?since=0&wait=1")); len(got.Comments) != 0 || got.NextCursor != nil {
		t.Errorf("%+v", got)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("it waited %v", took)
	}
	edge.none(t)
}

func TestADeletionWakesNoPoll(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	postRaw(t, edge, address, "v", "first")
	first := pageOf(t, askFor(t, address, "/comments/v?since=0&wait=60")).Comments[0]
	conn := askFor(t, address, "/comments/v?wait=60&since="+first.ID)
	edge.waiting(t, 1)
	s := openSocket(t, address, "/comments/v/ws")
	s.until("viewers")
	var id uint64
	if _, err := fmt.Sscan(first.ID, &id); err != nil {
		t.Fatal(err)
	}
	if _, err := edge.change(t.Context(), "v", &wire.DeleteComment{CommentId: id, DeletedBy: "u", UserId: "u"}); err != nil {
		t.Fatal(err)
	}
	s.until("delete")
	edge.waiting(t, 2)
	postRaw(t, edge, address, "v", "second")
	if got := pageOf(t, conn); len(got.Comments) != 1 || got.Comments[0].Message != "second" {
		t.Errorf("%+v", got)
	}
}

func TestAPollThatHangsUpFreesAllThatItHad(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.MaxStreams = 30 })
	settled := func() int {
		n := runtime.NumGoroutine()
		for range 100 {
			time.Sleep(2 * time.Millisecond) // goroutines of requests end
			n = min(n, runtime.NumGoroutine())
		}
		return n
	}
	before := settled()
	var conns []net.Conn
	for i := range 30 {
		conns = append(conns, askFor(t, address, "/comments/v?since=0&wait=60"))
		edge.waiting(t, i+1) // one after the other: the HTTP server needs few goroutines
	}
	if after := settled(); after-before > 15 {
		t.Errorf("30 who wait have %d goroutines", after-before)
	}
	late := answerOf(t, askFor(t, address, "/comments/v?since=0&wait=60", "Connection: close"))
	if late.status != http.StatusServiceUnavailable || late.header.Get("Retry-After") == "" {
		t.Errorf("one too many is answered %d %s", late.status, late.body)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	edge.none(t)
}

func TestPollsAboveARateAreRefusedAsRequestsAre(t *testing.T) {
	for name, joins := range map[string]Rates{"user": {User: 0.001}, "address": {Address: 0.001}, "room": {Room: 0.001}} {
		t.Run(name, func(t *testing.T) { pollsAboveARate(t, joins) })
	}
}

func pollsAboveARate(t *testing.T, joins Rates) {
	t.Helper()
	edge, address := newTestEdge(t, func(c *Config) { c.Joins, c.Reads = joins, Rates{User: 0.1, UserBurst: 9} })
	token := "Authorization: Bearer " + edge.bearer(t, "ann")
	first := askFor(t, address, "/comments/v?since=0&wait=60", token)
	edge.waiting(t, 1)
	second := answerOf(t, askFor(t, address, "/comments/v?since=0&wait=60", "Connection: close", token))
	if second.status != http.StatusTooManyRequests || second.header.Get("Retry-After") == "" || second.header.Get("RateLimit") == "" {
		t.Errorf("%+v: one too many is answered %d, %v", joins, second.status, second.header)
	}
	postRaw(t, edge, address, "v", "hello")
	res := answerOf(t, first)
	policy, state := res.header.Get("RateLimit-Policy"), res.header.Get("RateLimit")
	if res.status != http.StatusOK || !strings.HasPrefix(policy, `"reads-user";q=9;w=90, "joins-`) || !strings.HasPrefix(state, `"reads-user";r=8;t=`) || !strings.Contains(state, `, "joins-`) {
		t.Errorf("%+v: who waited is answered %d, %q, %q", joins, res.status, policy, state)
	}
}

func TestPollsEndWithTheNode(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	conn := askFor(t, address, "/comments/v?since=0&wait=60")
	edge.waiting(t, 1)
	edge.Drain()
	edge.backend.Node.EndStreams()
	if got := pageOf(t, conn); len(got.Comments) != 0 {
		t.Errorf("%+v", got)
	}
	if got := answerOf(t, askFor(t, address, "/comments/v?since=0&wait=60", "Connection: close")); got.status != http.StatusServiceUnavailable {
		t.Errorf("a draining node answers %d", got.status)
	}
}

func TestWaitIsAWholeNumberThatGoesWithSince(t *testing.T) {
	_, address := newTestEdge(t, nil)
	for query, want := range map[string]int{
		"wait=1": 400, "since=0&wait=61": 400, "since=0&wait=-1": 400, "since=0&wait=": 400, "since=0&wait=1.5": 400,
		"since=0&wait=01": 400, "since=&wait=1": 400, "since=x&wait=1": 400, "since=0&wait=0": 200, "cursor=1&sort=asc&wait=1": 400,
		"since=0&wait=1&sort=desc": 400, "since=0&wait=1&pageSize=101": 400,
	} {
		if got := answerOf(t, askFor(t, address, "/comments/v?"+query, "Connection: close")); got.status != want {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}
