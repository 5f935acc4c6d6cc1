package e2e

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"barrage/test/harness"
)

// badInput is a request that must be refused. {id} in its path or body stands
// for a comment that exists.
type badInput struct {
	name    string
	request string // method and path
	body    any    // nil: none
	header  http.Header
	status  []int // any of these
}

var (
	malformed    = []int{http.StatusBadRequest}
	notThere     = []int{http.StatusNotFound}
	badPath      = []int{http.StatusBadRequest, http.StatusNotFound}
	refusedReply = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
)

func message(text string) string { return `{"message":"` + text + `"}` }

func key(value string) http.Header { return harness.Header("Idempotency-Key", value) }

func badPosts() []badInput {
	const post = "POST /comments/room"
	return []badInput{
		{"no body", post, "", nil, malformed},
		{"not JSON", post, "hello", nil, malformed},
		{"half of JSON", post, `{"message":"x"`, nil, malformed},
		{"two documents", post, message("x") + message("y"), nil, malformed},
		{"JSON and more", post, message("x") + "x", nil, malformed},
		{"null", post, "null", nil, malformed},
		{"a list", post, `["x"]`, nil, malformed},
		{"a text", post, `"x"`, nil, malformed},
		{"a number", post, "1", nil, malformed},
		{"no message", post, "{}", nil, malformed},
		{"message null", post, `{"message":null}`, nil, malformed},
		{"message a number", post, `{"message":1}`, nil, malformed},
		{"message an object", post, `{"message":{}}`, nil, malformed},
		{"message empty", post, message(""), nil, malformed},
		{"message of spaces", post, message(` \n\t\u00a0\u3000 `), nil, malformed},
		{"message of 501", post, message(strings.Repeat("x", 501)), nil, malformed},
		{"NUL", post, message(`a\u0000b`), nil, malformed},
		{"escape", post, message(`a\u001bb`), nil, malformed},
		{"carriage return", post, message(`a\rb`), nil, malformed},
		{"DEL", post, message(`a\u007fb`), nil, malformed},
		{"C1 control", post, message(`a\u009bb`), nil, malformed},
		{"raw control", post, message("a\x01b"), nil, malformed},
		{"not UTF-8", post, message("a\xffb"), nil, malformed},
		{"overlong UTF-8", post, message("a\xc0\xafb"), nil, malformed},
		{"surrogate as UTF-8", post, message("a\xed\xa0\x80b"), nil, malformed},
		{"parent a number", post, `{"message":"x","parentId":1}`, nil, malformed},
		{"parent not an id", post, `{"message":"x","parentId":"abc"}`, nil, malformed},
		{"parent negative", post, `{"message":"x","parentId":"-1"}`, nil, malformed},
		{"parent unknown", post, `{"message":"x","parentId":"1"}`, nil, refusedReply},
		{"parent in another room", "POST /comments/other", `{"message":"x","parentId":"{id}"}`, nil, refusedReply},
		{"deep nesting", post, strings.Repeat("[", 4000), nil, malformed},
		{"form", post, "message=x", harness.Header("Content-Type", "application/x-www-form-urlencoded"), []int{http.StatusUnsupportedMediaType}},
		{"text", post, message("x"), harness.Header("Content-Type", "text/plain"), []int{http.StatusUnsupportedMediaType}},
		{"almost JSON", post, message("x"), harness.Header("Content-Type", "application/jsonx"), []int{http.StatusUnsupportedMediaType}},
		{"over 8 KiB", post, message(strings.Repeat("x", 8192)), nil, []int{http.StatusRequestEntityTooLarge}},
		{"over 8 KiB of spaces", post, message("x") + strings.Repeat(" ", 8192), nil, []int{http.StatusRequestEntityTooLarge}},
		{"over 8 KiB, in chunks", post, chunked(message(strings.Repeat("x", 20000))), nil, []int{http.StatusRequestEntityTooLarge}},
		{"key of 129", post, message("x"), key(strings.Repeat("k", 129)), malformed},
		{"key with a space", post, message("x"), key("a b"), malformed},
		{"key with a tab", post, message("x"), key("a\tb"), malformed},
		{"key not ASCII", post, message("x"), key("clé"), malformed},
		{"video with a dot", "POST /comments/a.b", message("x"), nil, badPath},
		{"video with a space", "POST /comments/a%20b", message("x"), nil, badPath},
		{"video of 65", "POST /comments/" + strings.Repeat("v", 65), message("x"), nil, badPath},
		{"video not ASCII", "POST /comments/%E5%BC%B9", message("x"), nil, badPath},
		{"video with a slash", "POST /comments/a%2Fb", message("x"), nil, badPath},
		{"no video", "POST /comments/", message("x"), nil, badPath},
		{"no video, no slash", "POST /comments", message("x"), nil, badPath},
	}
}

func badReads() []badInput {
	rows := []badInput{
		{"unknown path", "GET /nothing", nil, nil, notThere},
		{"below a known one", "GET /comments/room/{id}/replies/1", nil, nil, notThere},
		{"traversal", "GET /comments/../../etc/passwd", nil, nil, notThere},
		{"unknown comment", "GET /comments/room/1", nil, nil, notThere},
		{"id 0", "GET /comments/room/0", nil, nil, notThere},
		{"replies of id 0", "GET /comments/room/0/replies", nil, nil, notThere},
		{"delete id 0", "DELETE /comments/room/0", nil, nil, notThere},
		{"approve id 0", "POST /videos/room/held/0/approve", nil, nil, notThere},
		{"reject id 0", "POST /videos/room/held/0/reject", nil, nil, notThere},
		{"largest id", "GET /comments/room/9223372036854775807", nil, nil, notThere},
		{"id not a number", "GET /comments/room/abc", nil, nil, badPath},
		{"id too large", "GET /comments/room/99999999999999999999", nil, nil, badPath},
		{"id negative", "GET /comments/room/-1", nil, nil, badPath},
		{"id with a sign", "GET /comments/room/+1", nil, nil, badPath},
		{"id with zeros", "GET /comments/room/0{id}", nil, nil, badPath},
		{"replies of an unknown comment", "GET /comments/room/1/replies", nil, nil, notThere},
		{"replies of no id", "GET /comments/room/abc/replies", nil, nil, badPath},
		{"replies with a bad cursor", "GET /comments/room/{id}/replies?cursor=!", nil, nil, malformed},
		{"replies with a bad size", "GET /comments/room/{id}/replies?pageSize=0", nil, nil, malformed},
		{"delete an unknown comment", "DELETE /comments/room/1", nil, nil, notThere},
		{"delete in another room", "DELETE /comments/other/{id}", nil, nil, notThere},
		{"delete no id", "DELETE /comments/room/abc", nil, nil, badPath},
		{"video of 65", "GET /videos/" + strings.Repeat("v", 65), nil, nil, badPath},
		{"video with a dot", "GET /videos/a.b", nil, nil, badPath},
		{"no video", "GET /videos/", nil, nil, badPath},
		{"stream of a bad video", "GET /comments/a.b/stream", nil, nil, badPath},
		{"resume id by header", "GET /comments/room/stream", nil, harness.Header("Last-Event-ID", "abc"), malformed},
		{"resume id negative", "GET /comments/room/stream", nil, harness.Header("Last-Event-ID", "-5"), malformed},
		{"resume id too large", "GET /comments/room/stream", nil, harness.Header("Last-Event-ID", "99999999999999999999"), malformed},
		{"resume id huge", "GET /comments/room/stream", nil, harness.Header("Last-Event-ID", strings.Repeat("9", 3000)), malformed},
		{"resume id empty", "GET /comments/room/stream?lastEventId=", nil, nil, malformed},
		{"resume id of several empty", "GET /stream?videos=room,other&lastEventId=", nil, nil, malformed},
		{"resume id of several, of one", "GET /stream?videos=room,other&lastEventId=5", nil, nil, malformed},
		{"resume id by query", "GET /comments/room/stream?lastEventId=1x", nil, nil, malformed},
		{"guest where none are welcome", "POST /guest", `{"name":"x"}`, nil, []int{http.StatusForbidden, http.StatusNotFound}},
	}
	for query, values := range map[string][]string{
		"pageSize": {"0", "101", "-1", "x", "1.5", "", "1e1", "99999999999999999999", "%2010", "0x10"},
		"sort":     {"up", "", "ASC", "asc%20", "desc,asc"},
		"cursor":   {"!", "%00", strings.Repeat("A", 2000), "%FF", "x%27--", "-1"},
		"since":    {"", "x", "-1", "1.0", "99999999999999999999", "%00", "0x1f"},
	} {
		for _, value := range values {
			rows = append(rows, badInput{query + "=" + clip(value), "GET /comments/room?" + query + "=" + value, nil, nil, malformed})
		}
	}
	for query, values := range map[string][]string{
		"history": {"-1", "201", "x", "", "1.5", "99999999999999999999"},
		"rate":    {"-1", "x"},
	} {
		for _, value := range values {
			rows = append(rows, badInput{"stream " + query + "=" + clip(value), "GET /comments/room/stream?" + query + "=" + value, nil, nil, malformed})
		}
	}
	return rows
}

func clip(text string) string { return text[:min(len(text), 24)] }

// chunked is a body whose length is not known beforehand. It can be sent once.
func chunked(text string) any {
	return struct{ *strings.Reader }{strings.NewReader(text)}
}

// refusedWithin is how long a refusal may take.
const refusedWithin = 20 * time.Second

// problemTypes are the types of problems by status. Clients may rely on them.
var problemTypes = map[int]string{
	http.StatusBadRequest:            "urn:barrage:problem:malformed",
	http.StatusUnauthorized:          "urn:barrage:problem:unauthorized",
	http.StatusForbidden:             "urn:barrage:problem:forbidden",
	http.StatusNotFound:              "urn:barrage:problem:not-found",
	http.StatusMethodNotAllowed:      "urn:barrage:problem:method-not-allowed",
	http.StatusRequestEntityTooLarge: "urn:barrage:problem:too-large",
	http.StatusUnsupportedMediaType:  "urn:barrage:problem:not-json",
	http.StatusUnprocessableEntity:   "urn:barrage:problem:idempotency-key-reused",
	http.StatusTooManyRequests:       "urn:barrage:problem:rate-limited",
	http.StatusServiceUnavailable:    "urn:barrage:problem:unavailable",
}

func TestBadInputIsRefusedAndChangesNothing(t *testing.T) { badInputIn(t, harness.Start(t)) }

func badInputIn(t *testing.T, n *harness.Node) {
	t.Helper()
	admin := n.User("ad", "admin")
	known := postMany(t, admin, "room", 5)
	other := postMany(t, admin, "other", 2)
	watch := openedStream(t, n, n.Anyone(), "room", "", nil)
	rooms := []string{"room", "other", "a", "never"}
	state := func() (all []any) {
		for _, room := range rooms {
			v := video(t, admin, room)
			v.Viewers = 0 // streams of refused requests don't count at all, see below
			all = append(all, history(t, admin, room), v)
		}
		return all
	}
	before := state()
	for _, row := range slices.Concat(badPosts(), badReads()) {
		t.Run(row.name, func(t *testing.T) {
			method, path, _ := strings.Cut(strings.ReplaceAll(row.request, "{id}", known[0].ID), " ")
			if text, ok := row.body.(string); ok {
				row.body = strings.ReplaceAll(text, "{id}", known[0].ID)
			}
			ctx, cancel := context.WithTimeout(t.Context(), refusedWithin)
			defer cancel()
			answer, err := admin.Do(ctx, method, path, row.body, row.header)
			if err != nil { // a stream was opened, for instance
				t.Fatal(err)
			}
			if !slices.Contains(row.status, answer.Status) {
				t.Fatalf("%s: got %v, want status %v", row.request, answer, row.status)
			}
			p, err := readProblem(answer)
			if err != nil {
				t.Fatal(err)
			}
			if want := problemTypes[answer.Status]; p.Type != want || p.Detail == "" {
				t.Errorf("got %s, want type %s and a detail", answer.Body, want)
			}
		})
	}
	if after := state(); !reflect.DeepEqual(before, after) {
		t.Errorf("something changed:\nbefore %+v\nafter  %+v", before, after)
	}
	eventually(t, func() error {
		if got := video(t, admin, "room").Viewers; got != 1 {
			return fmt.Errorf("%d viewers, want the one that watches", got)
		}
		return nil
	})
	mark := post(t, admin, "room", "mark")
	if got, err := watch.NextComment(); err != nil || got != mark {
		t.Errorf("a viewer was sent %+v, %v", got, err)
	}
	if want := fmt.Sprint(len(known)+1, len(other)); want != fmt.Sprint(video(t, admin, "room").Comments, video(t, admin, "other").Comments) {
		t.Errorf("the counts are not %s", want)
	}
}

func TestUnknownLiveVideoIs404WithoutAutocreate(t *testing.T) {
	n := harness.Start(t, harness.Flags("--videos-autocreate=false"))
	ann := n.User("ann", "viewer")
	for _, request := range []string{
		"POST /comments/room", "GET /comments/room", "GET /comments/room?since=1", "GET /comments/room/stream", "GET /videos/room", "GET /comments/room/1",
	} {
		method, path, _ := strings.Cut(request, " ")
		var body any
		if method == http.MethodPost {
			body = message("x")
		}
		expectProblem(t, do(t, ann, method, path, body, nil), http.StatusNotFound)
	}
}
