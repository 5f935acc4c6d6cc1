package httpedge

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// answerTo sends a request as it is written and gives what is answered.
func answerTo(t *testing.T, address, request string) answer {
	t.Helper()
	conn := dial(t, address)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return answerOf(t, conn)
}

func TestAFormIsNotJSONWhateverIsInIt(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	token := "Authorization: Bearer " + edge.bearer(t, "ann") + "\r\n"
	for _, body := range []string{"", "x", "--b\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nhi\r\n--b--\r\n"} {
		request := func(headers string) string {
			return fmt.Sprintf("POST /comments/v HTTP/1.1\r\nHost: x\r\n%sContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s",
				headers, len(body), body)
		}
		if a := answerTo(t, address, request(token)); a.status != 415 {
			t.Errorf("%q: %d %s", body, a.status, a.body)
		}
		if a := answerTo(t, address, request("")); a.status != 401 {
			t.Errorf("%q without a token: %d %s", body, a.status, a.body)
		}
	}
}

// logged is a log that can be read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestTheLogDoesNotQuoteWhatIsNoRequest(t *testing.T) {
	var log logged
	_, address := newTestEdge(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	for i, request := range []string{
		"GET /comments/v/stream?token=SECRET\r\n\r\n",
		"GET /comments/v/stream?token=SECRET\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /comments/v/stream?token=SECRET HTTP/9.SECRET\r\nHost: x\r\n\r\n",
		"GET /comments/v HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET\x01\r\n\r\n",
		"GET /comments/v HTTP/1.1\r\nHost: x\r\nAuthorization Bearer SECRET\r\n\r\n",
	} {
		if a := answerTo(t, address, request); a.status != 400 {
			t.Errorf("%q: %d %s", request, a.status, a.body)
		}
		waitFor(t, fmt.Sprintf("%q is in the log", request), func() bool {
			return strings.Count(log.String(), "error when reading request headers") == i+1
		})
	}
	if strings.Contains(log.String(), "SECRET") {
		t.Errorf("the log says\n%s", log.String())
	}
}

func TestAPageIsShownRefusalsBeforeTheRequestIsLookedAt(t *testing.T) {
	const friend = "https://friend.example"
	for origins, allowed := range map[string]string{friend: friend, "*": "*", friend + ",*": friend} {
		t.Run(origins, func(t *testing.T) { // one node at a time
			_, address := newTestEdge(t, func(c *Config) { c.CORSOrigins = strings.Split(origins, ",") })
			for _, row := range []struct {
				head   string
				status int
			}{
				{"POST /comments/v HTTP/1.1\r\nContent-Length: 1000000", 413},
				{"GET /" + strings.Repeat("x", maxURLBytes) + " HTTP/1.1", 414},
				{"GET /comments/v HTTP/1.1" + strings.Repeat("\r\nX: x", maxHeaderLines), 431},
				{"GET /comments/v?" + strings.Repeat("&", maxQueryParams) + " HTTP/1.1", 400},
			} {
				a := answerTo(t, address, row.head+"\r\nHost: x\r\nOrigin: "+friend+"\r\n\r\n")
				if a.status != row.status || a.header.Get("Access-Control-Allow-Origin") != allowed || a.header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%s: %.40q is answered %d with %v", origins, row.head, a.status, a.header)
				}
				_, target, _ := strings.Cut(row.head, " ")
				target, _, _ = strings.Cut(target, "\r\nContent-Length")
				a = answerTo(t, address, "OPTIONS "+target+"\r\nHost: x\r\nOrigin: "+friend+"\r\nAccess-Control-Request-Method: POST\r\n\r\n")
				if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != allowed {
					t.Errorf("%s: the preflight of %.40q is answered %d with %v", origins, row.head, a.status, a.header)
				}
			}
		})
	}
	t.Run("nobody knows whose page sends a head that is too large", func(t *testing.T) {
		_, address := newTestEdge(t, func(c *Config) { c.CORSOrigins = []string{"*"} })
		a := answerTo(t, address, "GET / HTTP/1.1\r\nHost: x\r\nOrigin: "+friend+"\r\nX: "+strings.Repeat("x", headerBytes)+"\r\n\r\n")
		if a.status != 431 || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%d with %v", a.status, a.header)
		}
	})
}

func TestOptionsSaysWhichMethodsAPathHas(t *testing.T) {
	edge, address := newTestEdge(t, func(c *Config) { c.CORSOrigins = []string{"*"} })
	edge.started.Store(false) // no need to wait for the journal
	for path, allow := range map[string]string{
		"/healthz":              "GET, HEAD, OPTIONS",
		"/comments/v":           "GET, HEAD, OPTIONS, POST",
		"/comments/v/1":         "DELETE, GET, HEAD, OPTIONS",
		"/comments/v/stream":    "GET, HEAD, OPTIONS",
		"/comments/v/reactions": "POST, OPTIONS",
		"/comments/v/ws":        "GET, OPTIONS",
		"/videos/v/mutes/ann":   "DELETE, OPTIONS, PUT",
		"*":                     "DELETE, GET, HEAD, OPTIONS, POST, PUT",
		"/*":                    "",
		"/nope":                 "",
		"/guest":                "", // there are none
	} {
		want := 204
		if allow == "" {
			want = 404
		}
		request := "OPTIONS " + path + " HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n"
		if a := answerTo(t, address, request+"\r\n"); a.status != want || a.header.Get("Allow") != allow || want == 204 && len(a.body) > 0 {
			t.Errorf("%s: %d, Allow is %q, %s", path, a.status, a.header.Get("Allow"), a.body)
		}
		a := answerTo(t, address, request+"Access-Control-Request-Method: POST\r\n\r\n")
		if a.status != 204 || a.header.Get("Access-Control-Allow-Methods") == "" {
			t.Errorf("the preflight of %s: %d, %v", path, a.status, a.header)
		}
	}
}
