package httpedge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"barrage/actors"
)

// rawSocket is a client that sends any bytes.
type rawSocket struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

const rawKey = "dGhlIHNhbXBsZSBub25jZQ==" // of RFC 6455, 1.3

// dialRaw opens a WebSocket by hand. headers are whole lines.
func dialRaw(t *testing.T, address, path string, headers ...string) (s *rawSocket, status int, header http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	lines := append([]string{
		"GET " + path + " HTTP/1.1", "Host: chat.example", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
		"Sec-WebSocket-Key: " + rawKey, "Sec-WebSocket-Version: 13",
	}, headers...)
	fmt.Fprintf(conn, "%s\r\n\r\n", strings.Join(lines, "\r\n"))
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &rawSocket{t, conn, r}, res.StatusCode, res.Header
}

// openSocket opens one that must be taken, and waits until it has joined.
func openSocket(t *testing.T, address, path string, headers ...string) *rawSocket {
	t.Helper()
	s, status, header := dialRaw(t, address, path, headers...)
	if status != http.StatusSwitchingProtocols || header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("the handshake is answered %d, %v", status, header)
	}
	if e := s.event(); e.Event != "retry" {
		t.Fatalf("the first event is %+v", e)
	}
	return s
}

func (s *rawSocket) send(b ...[]byte) {
	s.t.Helper()
	if _, err := s.conn.Write(join(b...)); err != nil {
		s.t.Fatal(err)
	}
}

// text sends a message as one frame.
func (s *rawSocket) text(format string, args ...any) {
	s.t.Helper()
	s.send(frameOf(finText, fmt.Sprintf(format, args...)))
}

// frame reads the next frame.
func (s *rawSocket) frame() (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1])
	switch length {
	case 126:
		var b [2]byte
		if _, err := io.ReadFull(s.r, b[:]); err != nil {
			return 0, nil, err
		}
		length = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		if _, err := io.ReadFull(s.r, b[:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(b[:])
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(s.r, payload)
	return head[0] & 0xf, payload, err
}

type rawEvent struct {
	Event string          `json:"event"`
	ID    string          `json:"id"`
	Ref   string          `json:"ref"`
	Data  json.RawMessage `json:"data"`
}

// event reads the next text message; what else comes is left out.
func (s *rawSocket) event() (e rawEvent) {
	s.t.Helper()
	for {
		opcode, payload, err := s.frame()
		if err != nil || opcode == actors.OpClose {
			s.t.Fatalf("a frame with opcode %d, %q, %v", opcode, payload, err)
		}
		if opcode == actors.OpText {
			if err := json.Unmarshal(payload, &e); err != nil {
				s.t.Fatalf("%q: %v", payload, err)
			}
			return e
		}
	}
}

// until reads events up to one of a name.
func (s *rawSocket) until(name string) rawEvent {
	s.t.Helper()
	for {
		if e := s.event(); e.Event == name {
			return e
		}
	}
}

// closed reads up to the close frame, which must be the last thing.
func (s *rawSocket) closed() (code uint16) {
	s.t.Helper()
	for {
		opcode, payload, err := s.frame()
		if err != nil {
			s.t.Fatalf("no close frame: %v", err)
		}
		if opcode != actors.OpClose {
			continue
		}
		code := uint16(actors.CloseNoStatus)
		if len(payload) > 0 {
			code = binary.BigEndian.Uint16(payload)
		}
		if b, err := s.r.ReadByte(); err != io.EOF {
			s.t.Errorf("behind the close frame: %q, %v", b, err)
		}
		return code
	}
}

func (e *Edge) bearer(t *testing.T, id string) string {
	t.Helper()
	token, err := e.auth.sign(&user{id: id, role: roleViewer}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// none waits until the edge has no stream and no connection of one any more.
func (e *Edge) none(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		e.poller.mu.Lock()
		watched := slices.ContainsFunc(e.poller.streams, func(s *streamConn) bool { return s != nil })
		e.poller.mu.Unlock()
		e.admit.mu.Lock()
		open := e.admit.open
		e.admit.mu.Unlock()
		if !watched && open == 0 && e.backend.Node.Streams() == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("watched %t, %d admitted, %d streams", watched, open, e.backend.Node.Streams())
		}
		time.Sleep(time.Millisecond) // between two looks
	}
}

func TestAWebSocketPostsAndReads(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, res, err := websocket.Dial( //nolint:bodyclose // the library's
		ctx, "ws://"+address+"/comments/v/ws?history=5", &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {"Bearer " + edge.bearer(t, "ann")}},
		})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.CloseNow() }()
	if got := res.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("extensions %q", got)
	}
	read := func() (e rawEvent) {
		t.Helper()
		kind, b, err := client.Read(ctx)
		if err != nil || kind != websocket.MessageText {
			t.Fatalf("%v: %v", kind, err)
		}
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		return e
	}
	send := func(text string) {
		t.Helper()
		if err := client.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if e := read(); e.Event != "retry" || !bytes.Contains(e.Data, []byte(`"milliseconds":`)) {
		t.Errorf("the first event is %s %s", e.Event, e.Data)
	}
	send(`{"type":"post","ref":"a\"弹","message":" 你好 ","idempotencyKey":"k"}`)
	var posted, shown json.RawMessage
	var id string
	for posted == nil || shown == nil {
		switch e := read(); e.Event {
		case "posted":
			if posted = e.Data; e.Ref != `a"弹` {
				t.Errorf("ref %q", e.Ref)
			}
		case "comment":
			shown, id = e.Data, e.ID
		case "viewers":
		default:
			t.Errorf("event %s %s", e.Event, e.Data)
		}
	}
	if !bytes.Equal(posted, shown) || !bytes.Contains(posted, []byte(`"message":"你好"`)) || !bytes.Contains(posted, []byte(`"id":"`+id+`"`)) {
		t.Errorf("posted %s, shown as %s with id %s", posted, shown, id)
	}
	for message, want := range map[string]struct{ event, has string }{
		`{"type":"post","message":"你好","idempotencyKey":"k"}`:          {"posted", `"id":"` + id},
		`{"type":"post","message":"other","idempotencyKey":"k"}`:       {"error", `"status":422`},
		`{"type":"post","message":"x","idempotencyKey":"a b"}`:         {"error", "idempotencyKey must be"},
		`{"type":"post","message":"x","idempotencyKey":""}`:            {"error", "idempotencyKey must be"},
		`{"type":"post","message":"x","idempotencyKey":7}`:             {"error", `"status":400`},
		`{"type":"post","message":"x","parentId":"` + id + `"}`:        {"posted", `"parentId":"` + id},
		`{"type":"post","message":"x","parentId":"7"}`:                 {"error", "parentId"},
		`{"type":"post","message":"  "}`:                               {"error", "must not be empty"},
		`{"type":"post","message":"` + strings.Repeat("弹", 500) + `"}`: {"posted", "弹"},
		`{"type":"post","message":"` + strings.Repeat("弹", 501) + `"}`: {"error", "500"},
		`{"type":"post","message":"\ud800"}`:                           {"error", "surrogate"},
		`{"type":"post"}`:                                              {"error", "message is missing"},
		`{"message":"x"}`:                                              {"error", "type is missing"},
		`{"type":"nonsense"}`:                                          {"error", "nonsense"},
		`{"type":"post","message":"x"}{}`:                              {"error", `"status":400`},
		`["post"]`:                                                     {"error", `"type":"urn:barrage:problem:malformed"`},
		``:                                                             {"error", `"status":400`},
	} {
		send(message)
		e := read()
		for e.Event == "comment" || e.Event == "viewers" {
			e = read()
		}
		if e.Event != want.event || !strings.Contains(string(e.Data), want.has) {
			t.Errorf("%s is answered %s %s", message, e.Event, e.Data)
		}
	}
	if err := client.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("closing: %v", err)
	}
	edge.none(t)
}

func TestAnErrorOverAWebSocketHasTheRefOfItsMessage(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	s := openSocket(t, address, "/comments/v/ws?token="+edge.bearer(t, "ann"))
	for message, detail := range map[string]string{
		`{"ref":"r","type":"post","message":5}`:                    "expected here: message may not be a number.",
		`{"type":"react","reaction":true,"ref":"r"}`:               "expected here: reaction may not be a bool.",
		`{"ref":"r","type":"react","reaction":"like","count":"x"}`: "expected here: count may not be a string.",
		`{"ref":"r","type":7}`:                                     "expected here: type may not be a number.",
		`{"ref":"r","type":"post","message":"\ud800"}`:             "surrogate",
		`{"ref":"r","type":"post","message":"x"}{}`:                "more than one",
		`{"ref":"r","type":"nonsense"}`:                            "nonsense",
	} {
		s.text("%s", message)
		if e := s.until("error"); e.Ref != "r" || !bytes.Contains(e.Data, []byte(detail)) {
			t.Errorf("%s is answered with ref %q: %s", message, e.Ref, e.Data)
		}
	}
}

func TestBadFramesCloseAWebSocketWithTheirCode(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	for _, test := range badFrames {
		s := openSocket(t, address, "/comments/v/ws")
		s.send(test.sent, bytes.Repeat([]byte{0x55}, 100_000)) // what is unread must not reset the connection
		if code := s.closed(); code != test.code {
			t.Errorf("%s: closed with %d, not %d", test.name, code, test.code)
		}
		_ = s.conn.Close()
	}
	edge.none(t)
}

func TestControlFramesAreAnsweredBetweenFragments(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	s := openSocket(t, address, "/comments/v/ws?token="+edge.bearer(t, "ann"))
	s.until("viewers")
	pings := func(want string) {
		t.Helper()
		opcode, payload, err := s.frame()
		if err != nil || opcode != actors.OpPong || string(payload) != want {
			t.Fatalf("got %d %q, %v, not a pong with %q", opcode, payload, err, want)
		}
	}
	long := strings.Repeat("p", actors.MaxControl)
	s.send(frameOf(firstText, `{"type":"post",`), frameOf(finPing, ""))
	pings("")
	s.send(frameOf(more, `"message":`), frameOf(finPong, "nobody asked"), frameOf(finPing, long))
	pings(long)
	whole := frameOf(finMore, `"in fragments"}`)
	for i := range whole { // byte by byte
		s.send(whole[i : i+1])
	}
	if e := s.until("posted"); !bytes.Contains(e.Data, []byte("in fragments")) {
		t.Errorf("%s", e.Data)
	}
	for sent, want := range map[string]uint16{"\x03\xe9bye": 1001, "": actors.CloseNoStatus, "\x0b\xb8": 3000} {
		s := openSocket(t, address, "/comments/v/ws?token="+edge.bearer(t, "ann"))
		s.send(frameOf(finText, `{"type":"post","message":"last"}`), frameOf(finClose, sent))
		s.until("posted") // what came before is done
		if code := s.closed(); code != want {
			t.Errorf("%q is answered with code %d", sent, code)
		}
	}
}

func TestMessagesOfASocketAreHandledInOrderAndWithinLimits(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.Posts = Rates{User: 0.001, UserBurst: 150} })
	s := openSocket(t, address, "/comments/v/ws?token="+edge.bearer(t, "ann"))
	var all []byte
	for i := range 200 { // more than may wait
		all = append(all, frameOf(finText, fmt.Sprintf(`{"type":"post","ref":"%d","message":"%d"}`, i, i))...)
	}
	go func() {
		if _, err := s.conn.Write(all); err != nil {
			t.Error(err)
		}
	}()
	last := ""
	for i := 0; i < 200; {
		e := s.event()
		if e.Event != "posted" && e.Event != "error" {
			continue
		}
		if e.Ref != fmt.Sprint(i) || (e.Event == "posted") != (i < 150) {
			t.Fatalf("answer %d is %s with ref %s: %s", i, e.Event, e.Ref, e.Data)
		}
		var data struct {
			ID         string
			Status     int
			RetryAfter int
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		if i < 150 && (len(data.ID) < len(last) || len(data.ID) == len(last) && data.ID <= last) || i >= 150 && (data.Status != 429 || data.RetryAfter < 1) {
			t.Fatalf("answer %d after %s: %s", i, last, e.Data)
		}
		last = data.ID
		i++
	}
}

func TestAFloodingSocketHoldsNobodyUp(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	flood := bytes.Repeat(join(frameOf(finPing, "x"), frameOf(finText, `{"type":"nonsense"}`)), 1000)
	for range 3 {
		s := openSocket(t, address, "/comments/v/ws")
		go func() {
			for { // it never reads: in the end it is cut off
				if _, err := s.conn.Write(flood); err != nil {
					return
				}
			}
		}()
	}
	quiet := openSocket(t, address, "/comments/v/ws?token="+edge.bearer(t, "ann"))
	for i := range 20 {
		quiet.text(`{"type":"post","ref":"%d","message":"x"}`, i)
		quiet.until("posted")
	}
	var buffered int
	edge.poller.mu.Lock()
	for _, s := range edge.poller.streams {
		if s != nil && s.socket != nil {
			s.socket.mu.Lock()
			buffered = max(buffered, len(s.socket.queue))
			s.socket.mu.Unlock()
		}
	}
	edge.poller.mu.Unlock()
	if buffered > maxQueued {
		t.Errorf("%d messages wait", buffered)
	}
}

func TestAnIdleSocketHasNoGoroutine(t *testing.T) {
	_, address := newTestEdge(t, nil)
	openSocket(t, address, "/comments/v/ws").until("viewers")
	settled := func() int {
		n := runtime.NumGoroutine()
		for range 100 {
			time.Sleep(2 * time.Millisecond) // idle goroutines of the HTTP server end
			n = min(n, runtime.NumGoroutine())
		}
		return n
	}
	before := settled()
	const sockets = 100
	for range sockets {
		s := openSocket(t, address, "/comments/v/ws")
		s.text(`{"type":"nonsense"}`)
		s.until("error")
	}
	if after := settled(); after-before > sockets/4 {
		t.Errorf("%d goroutines for %d idle sockets", after-before, sockets)
	}
}

func TestASlowMessageClosesTheSocket(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.slowMessage = 50 * time.Millisecond })
	for _, sent := range [][]byte{{0x81}, frameOf(finText, "hello")[:8], frameOf(firstText, "hello")} {
		s := openSocket(t, address, "/comments/v/ws")
		s.send(sent)
		if code := s.closed(); code != actors.ClosePolicy {
			t.Errorf("%x: closed with %d", sent, code)
		}
		_ = s.conn.Close()
	}
	edge.none(t)
}

// A slow client that always has a message under way is not one that does not
// finish any.
func TestEachMessageHasItsOwnTime(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.slowMessage = 4 * time.Second })
	s := openSocket(t, address, "/comments/v/ws")
	const messages, pace = 10, 450 * time.Millisecond // all take longer than one may
	var rest []byte
	for i := range messages {
		frame := frameOf(finText, fmt.Sprintf(`{"type":"nonsense","ref":"%d"}`, i))
		s.send(rest, frame[:8]) // the end of one and the beginning of the next in one packet
		rest = frame[8:]
		time.Sleep(pace) // of the client
	}
	s.send(rest)
	for i := range messages {
		if e := s.until("error"); e.Ref != fmt.Sprint(i) {
			t.Errorf("answer %d is %+v", i, e)
		}
	}
	// Pings between the fragments of a message do not prolong it.
	s.send(frameOf(firstText, "hello"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := s.conn.Write(frameOf(finPing, "x")); err != nil {
				return
			}
			time.Sleep(pace / 9) // of the client
		}
	}()
	if code := s.closed(); code != actors.ClosePolicy {
		t.Errorf("closed with %d", code)
	}
	_ = s.conn.Close()
	<-done
	edge.none(t)
}

func TestWhatIsNoHandshakeIsAnsweredAsARequest(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.CORSOrigins = []string{"https://friend.example"} })
	good := []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + rawKey, "Sec-WebSocket-Version: 13"}
	cookie := "Cookie: session=" + edge.bearer(t, "ann")
	without := func(i int, more ...string) []string {
		return append(slices.Delete(slices.Clone(good), i, i+1), more...)
	}
	for _, test := range []struct {
		name, request string
		headers       []string
		status        int
	}{
		{"no upgrade", "GET /comments/v/ws HTTP/1.1", nil, 426},
		{"no Upgrade", "GET /comments/v/ws HTTP/1.1", without(0), 426},
		{"another Upgrade", "GET /comments/v/ws HTTP/1.1", without(0, "Upgrade: h2c"), 426},
		{"no Connection", "GET /comments/v/ws HTTP/1.1", without(1), 426},
		{"no key", "GET /comments/v/ws HTTP/1.1", without(2), 400},
		{"a short key", "GET /comments/v/ws HTTP/1.1", without(2, "Sec-WebSocket-Key: eA=="), 400},
		{"two keys", "GET /comments/v/ws HTTP/1.1", append(good[:4:4], good[2]), 400},
		{"another version", "GET /comments/v/ws HTTP/1.1", without(3, "Sec-WebSocket-Version: 8"), 426},
		{"HTTP/1.0", "GET /comments/v/ws HTTP/1.0", good, 426},
		{"POST", "POST /comments/v/ws HTTP/1.1", append(good[:4:4], "Content-Length: 0"), 405},
		{"HEAD", "HEAD /comments/v/ws HTTP/1.1", good, 405},
		{"DELETE", "DELETE /comments/v/ws HTTP/1.1", good, 405},
		{"a bad video", "GET /comments/v%20/ws HTTP/1.1", good, 400},
		{"a bad history", "GET /comments/v/ws?history=201 HTTP/1.1", good, 400},
		{"a bad resume point", "GET /comments/v/ws?lastEventId=x HTTP/1.1", good, 400},
		{"a bad token", "GET /comments/v/ws?token=x HTTP/1.1", good, 401},
		{"another site with a cookie", "GET /comments/v/ws HTTP/1.1", append(good[:4:4], cookie, "Origin: https://evil.example"), 403},
		{"another site without", "GET /comments/v/ws HTTP/1.1", append(good[:4:4], "Origin: https://evil.example"), 101},
		{"another site with a token", "GET /comments/v/ws?token=" + edge.bearer(t, "ann") + " HTTP/1.1", append(good[:4:4], "Origin: https://evil.example"), 101},
		{"a listed site with a cookie", "GET /comments/v/ws HTTP/1.1", append(good[:4:4], cookie, "Origin: https://friend.example"), 101},
		{"the same site with a cookie", "GET /comments/v/ws HTTP/1.1", append(good[:4:4], cookie, "Origin: https://chat.example"), 101},
		{"no browser with a cookie", "GET /comments/v/ws HTTP/1.1", append(good[:4:4], cookie), 101},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\r\n%s\r\n\r\n", test.request, strings.Join(append([]string{"Host: chat.example"}, test.headers...), "\r\n"))
		method, _, _ := strings.Cut(test.request, " ")
		res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if res.StatusCode != test.status {
			t.Errorf("%s: status %d, not %d", test.name, res.StatusCode, test.status)
		}
		if res.StatusCode != 101 && method != http.MethodHead && res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %v", test.name, res.Header)
		}
		_ = res.Body.Close()
		_ = conn.Close()
	}
	edge.none(t)
}

func TestOnlyUsersPostOverASocket(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	anonymous := openSocket(t, address, "/comments/v/ws")
	anonymous.text(`{"type":"post","message":"x"}`)
	if e := anonymous.until("error"); !bytes.Contains(e.Data, []byte(`"status":401`)) {
		t.Errorf("anonymous: %s", e.Data)
	}
	short, err := edge.auth.sign(&user{id: "ann", role: roleViewer}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	s := openSocket(t, address, "/comments/v/ws?token="+short)
	for e := (rawEvent{}); e.Event != "error"; {
		s.text(`{"type":"post","message":"x"}`)
		for e.Event = ""; e.Event != "error" && e.Event != "posted"; {
			e = s.event()
		}
		if e.Event == "error" && !bytes.Contains(e.Data, []byte("The token has expired.")) {
			t.Errorf("%s", e.Data)
		}
	}
}

func TestASocketThatIsPutOffIsToldWhenToComeBack(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.MaxStreams = 1 })
	putOff := func(address string) {
		t.Helper()
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
	}
	first := openSocket(t, address, "/comments/v/ws")
	first.until("viewers")
	putOff(address)
	edge.Drain()
	putOff(address)
	first.text(`{"type":"nonsense"}`) // it goes on
	first.until("error")
	edge.backend.Node.EndStreams()
	first.until("retry")
	if code := first.closed(); code != actors.CloseGoingAway {
		t.Errorf("closed with %d", code)
	}

	starting, err := New(Config{
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		JWTSecret: []byte("secret"), CookieName: "session", MaxBodyBytes: 8192,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- starting.Serve(listener) }()
	putOff(listener.Addr().String())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(starting.Shutdown(ctx), <-served); err != nil {
		t.Error(err)
	}
}
