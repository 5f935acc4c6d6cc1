package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"barrage/test/harness"
)

// forged is what an attacker would like to appear on other viewers' streams,
// or in the head of an answer.
const (
	forgedEvent  = "forged-event"
	forgedHeader = "X-Forged"
)

// breaks are ways to end a line, to those who read one too freely.
var breaks = map[string]string{
	"CRLF": "\r\n", "LF": "\n", "CR": "\r", "NUL": "\x00", "two LF": "\n\n", "LS": "\u2028", "PS": "\u2029", "NEL": "\u0085", "VT": "\v",
}

// payload would begin a header, an event, or both.
func payload(br string) string {
	return "x" + br + forgedHeader + ": 1" + br + "event: " + forgedEvent + br + "data: {}" + br + br
}

// rawStream records all bytes of a stream.
type rawStream struct {
	conn net.Conn
	mu   sync.Mutex
	got  bytes.Buffer
}

func openRawStream(t *testing.T, n *harness.Node, target, headers string) *rawStream {
	t.Helper()
	conn, err := net.Dial("tcp", n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &rawStream{conn: conn}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n%s\r\n", target, headers)
	go func() {
		b := make([]byte, 32<<10)
		for {
			n, err := conn.Read(b)
			s.mu.Lock()
			s.got.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *rawStream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

// exchange sends a request as it is and gives all that is answered.
func rawExchange(t *testing.T, n *harness.Node, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) { // it was closed while it was sent to
		t.Fatalf("%.100q is answered %.100q, %v", request, answer, err)
	}
	return string(answer)
}

// noForgery fails if a line of an answer or a stream is an attacker's own.
func noForgery(t *testing.T, what, got string) {
	t.Helper()
	for line := range strings.FieldsFuncSeq(got, func(r rune) bool { return r == '\r' || r == '\n' }) {
		low := strings.ToLower(line)
		if strings.HasPrefix(low, strings.ToLower(forgedHeader)) || strings.HasPrefix(low, "event: "+forgedEvent) || strings.HasPrefix(low, "data: {}") {
			t.Errorf("%s: the line %.100q was forged", what, line)
		}
	}
	if strings.ContainsRune(got, 0) {
		t.Errorf("%s: there is a NUL in %.200q", what, got)
	}
}

// Whatever ends a line somewhere, put into every field that comes near a
// stream or the head of an answer, makes no line there.
func TestNoFieldBreaksOutOfItsLine(t *testing.T) {
	n := harness.Start(t, harness.Flags("--http-cors-origins=https://site.example", "--auth-guest"))
	const room = "room"
	author := n.User("author", "admin")
	watching := []*rawStream{
		openRawStream(t, n, "/comments/"+room+"/stream", ""),
		openRawStream(t, n, "/stream?videos="+room+",other", ""),
	}
	for _, s := range watching {
		eventually(t, func() error {
			if !strings.Contains(s.String(), "retry: ") {
				return fmt.Errorf("the stream has not begun")
			}
			return nil
		})
	}
	ask := func(what, method, target, headers, body string) {
		t.Helper()
		if body != "" {
			headers += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
		}
		answer := rawExchange(t, n, method+" "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+headers+"\r\n"+body)
		if !strings.HasPrefix(answer, "HTTP/1.1 ") {
			t.Errorf("%s is answered %.100q", what, answer)
		}
		noForgery(t, what, answer)
	}
	bearer := "Authorization: Bearer " + author.Token + "\r\n"
	for name, br := range breaks {
		p := payload(br)
		escaped, inQuery := jsonText(t, p), url.QueryEscape(p)
		say := func(field string) string { return name + " in " + field }
		ask(say("message"), "POST", "/comments/"+room, bearer, `{"message":`+escaped+`}`)
		ask(say("message, as it is"), "POST", "/comments/"+room, bearer, `{"message":"`+p+`"}`)
		ask(say("parentId"), "POST", "/comments/"+room, bearer, `{"message":"m","parentId":`+escaped+`}`)
		ask(say("reaction type"), "POST", "/comments/"+room+"/reactions", bearer, `{"type":`+escaped+`,"count":1}`)
		ask(say("guest's name"), "POST", "/guest", "", `{"name":`+escaped+`}`)
		for _, header := range []string{"Idempotency-Key", "Last-Event-ID", "Origin", "X-Forwarded-For", "Accept-Encoding", "X-Session-Token", "Cookie"} {
			value := p
			if strings.ContainsAny(br, "\r\n") {
				value = strings.ReplaceAll(p, br, br+" ") // folded: otherwise it is a header of its own
			}
			ask(say(header), "POST", "/comments/"+room, bearer+header+": "+value+"\r\n", `{"message":"m"}`)
			ask(say(header+" of a read"), "GET", "/comments/"+room, header+": "+value+"\r\n", "")
		}
		for _, target := range []string{
			"/comments/" + inQuery, "/comments/" + inQuery + "/stream", "/videos/" + inQuery, "/comments/" + room + "/" + inQuery,
			"/comments/" + room + "?cursor=" + inQuery, "/comments/" + room + "?since=" + inQuery, "/comments/" + room + "?sort=" + inQuery,
			"/comments/" + room + "?pageSize=" + inQuery, "/comments/" + room + "/stream?history=" + inQuery,
			"/comments/" + room + "/stream?rate=" + inQuery, "/comments/" + room + "/stream?lastEventId=" + inQuery,
			"/comments/" + room + "/stream?token=" + inQuery, "/stream?videos=" + inQuery, "/stream?videos=" + room + ",other&lastEventId=" + inQuery,
			"/cluster?liveVideoId=" + inQuery, "/" + inQuery,
		} {
			ask(say(target[:min(len(target), 40)]), "GET", target, "", "")
		}
		// Tokens are signed by the site; what it takes over from its users is
		// not to be trusted.
		for _, claims := range []jwt.MapClaims{{"sub": p}, {"sub": "u", "name": p}, {"sub": "u", "role": p}} {
			claims["exp"] = time.Now().Add(time.Hour).Unix()
			token := n.SignedToken(jwt.SigningMethodHS256, claims)
			ask(say(fmt.Sprint("claims ", len(claims))), "POST", "/comments/"+room, "Authorization: Bearer "+token+"\r\n", `{"message":"by `+name+`"}`)
		}
	}
	mark := post(t, author, room, "mark")
	for _, s := range watching {
		eventually(t, func() error {
			if !strings.Contains(s.String(), mark.ID) {
				return fmt.Errorf("the last comment has not come")
			}
			return nil
		})
		noForgery(t, "a viewer's stream", s.String())
	}
	// What came through is one line of JSON each, and the same in history.
	reader := openedStream(t, n, n.Anyone(), room, "history=200", nil)
	for {
		c, err := reader.NextComment()
		if err != nil {
			t.Fatal(err)
		}
		for field, text := range map[string]string{"message": c.Message, "userName": c.UserName, "userId": c.UserID} {
			if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && (field != "message" || r != '\n' && r != '\t') || r == 0x7f }); i >= 0 {
				t.Errorf("the %s of %s has a control character: %q", field, c.ID, text)
			}
		}
		if c.ID == mark.ID {
			break
		}
	}
}

// jsonText is a text as JSON with every character that is not plain escaped,
// so that it gets past whatever looks at the bytes alone.
func jsonText(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if r < ' ' || r == '"' || r == '\\' || r > '~' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
