package httpedge

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/persistence"
)

func TestLiveVideoIDsAreAsTheContractSays(t *testing.T) {
	for _, good := range []string{"a", "A-Z_09", strings.Repeat("x", actors.MaxLiveVideoID)} {
		if !actors.ValidLiveVideoID(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "a b", "a,b", "弹幕", "a/b", "..", "a%20", "a\x00", strings.Repeat("x", actors.MaxLiveVideoID+1)} {
		if actors.ValidLiveVideoID(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestPercentEncodedIDsAreTheSameIDs(t *testing.T) {
	edge, address := newTestEdge(t, nil)
	postRaw(t, edge, address, "v-1", "hello")
	comments := pageOf(t, askFor(t, address, "/comments/%76%2d%31")).Comments
	if len(comments) != 1 {
		t.Fatalf("%+v", comments)
	}
	id := comments[0].ID
	for path, status := range map[string]int{
		fmt.Sprintf("/comments/v-1/%%%x%s", id[0], id[1:]): 200,
		"/comments/v-1/" + id + "%20":                      400,
		"/comments/v-1/%25" + id:                           400,
		"/comments/v-1/" + id + "%":                        400,
		"/comments/v-1/%30":                                404,
		"/comments/v%2F1":                                  400,
		"/comments/v%2576":                                 400,
		"/comments/v%":                                     400,
		"/videos/%76-1":                                    200,
	} {
		if a := answerOf(t, askFor(t, address, path)); a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestAnEmptyCursorAsksForTheFirstPage(t *testing.T) {
	for query, want := range map[string]persistence.Range{
		"cursor=&pageSize=10&sort=desc": {Limit: 10, Desc: true},
		"cursor=&sort=asc":              {Limit: defaultPageSize},
		"cursor=7&pageSize=1":           {Limit: 1, Desc: true, Before: 7},
		"cursor=7&sort=asc":             {Limit: defaultPageSize, After: 7},
		"since=5&cursor=7":              {Limit: defaultPageSize, After: 7},
	} {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI("/comments/v?" + query)
		if got, err := pageRange(&ctx); err != nil || got != want {
			t.Errorf("?%s: %+v, %v", query, got, err)
		}
	}
}

func TestMessagesAreTrimmedAndBounded(t *testing.T) {
	for in, want := range map[string]string{
		" hi \n": "hi", "弹幕": "弹幕", "a\n\tb": "a\n\tb", "\u3000宽\u3000": "宽",
		strings.Repeat("弹", actors.MaxMessage):             strings.Repeat("弹", actors.MaxMessage),
		" " + strings.Repeat("😀", actors.MaxMessage) + " ": strings.Repeat("😀", actors.MaxMessage),
	} {
		if got, err := cleanMessage(in); err != nil || got != want {
			t.Errorf("%.20q became %.20q: %v", in, got, err)
		}
	}
	for _, bad := range []string{"", " \n\t ", strings.Repeat("x", actors.MaxMessage+1), "a\x00b", "a\rb", "a\x1bb", "a\u0085b", "a\x7fb"} {
		if got, err := cleanMessage(bad); err == nil {
			t.Errorf("%.20q became %.20q", bad, got)
		}
	}
}

func TestHalfSurrogatePairsAreRefused(t *testing.T) {
	for body, lone := range map[string]bool{
		`{"m":"a"}`: false, `{"m":"\u5f39\u5e55"}`: false, `{"m":"\ud83d\ude00"}`: false, `{"m":"\\ud83d"}`: false, `{"m":"\n\ud83d\ude00\t"}`: false,
		`{"m":"\ud83d"}`: true, `{"m":"\ude00"}`: true, `{"m":"\ud83dx"}`: true, `{"m":"\ud83d\n"}`: true, `{"m":"\ud83d\ud83d"}`: true, `{"m":"\ude00\ud83d"}`: true,
	} {
		if actors.HasLoneSurrogate([]byte(body)) != lone {
			t.Errorf("%s: %v", body, !lone)
		}
	}
}

func TestABodyIsJSONInUTF8(t *testing.T) {
	e := &Edge{config: Config{MaxBodyBytes: 8192}}
	for contentType, taken := range map[string]bool{
		"application/json": true, "Application/JSON": true, "application/json;charset=utf-8": true, "application/json; charset=\"UTF-8\"": true,
		"application/json; charset=utf8": true, "application/json; charset=UTF8": true,
		"application/json; charset=utf-16": false, "application/json; charset=latin1": false, "application/json; charset=": false,
		"": false, "text/json": false, "application/jsonx": false,
	} {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetContentType(contentType)
		ctx.Request.SetBodyString("{}")
		var into struct{}
		var p *problem
		err := e.body(&ctx, &into)
		if (err == nil) != taken || err != nil && (!errors.As(err, &p) || p.Status != fasthttp.StatusUnsupportedMediaType) {
			t.Errorf("Content-Type: %s: %v", contentType, err)
		}
	}
}

// FuzzBody puts anything where a comment's JSON is expected: what is taken is
// a message that may be kept.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{"message":"hi"}`, `{"message":"\ud83d\ude00","parentId":"12"}`, `{"message":1}`, `[]`, `{}`, "{\"message\":\"\xff\"}", `{"message":"a"}{}`} {
		f.Add([]byte(seed))
	}
	e := &Edge{config: Config{MaxBodyBytes: 8192}}
	f.Fuzz(func(t *testing.T, body []byte) {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetContentType("application/json")
		ctx.Request.SetBody(body)
		var into commentBody
		err := e.body(&ctx, &into)
		var p *problem
		if err != nil && !errors.As(err, &p) {
			t.Fatalf("%q: %v is no problem", body, err)
		}
		if err != nil || into.Message == nil {
			return
		}
		message, err := cleanMessage(*into.Message)
		if err == nil && (!utf8.ValidString(message) || !json.Valid(body) || strings.ContainsAny(message, "\x00\r")) {
			t.Errorf("%q was taken as %q", body, message)
		}
	})
}

// FuzzRequest sends anything as the path, query and headers of requests that
// read.
func FuzzRequest(f *testing.F) {
	f.Add("/comments/v", "cursor=1&pageSize=5", "Last-Event-ID", "7")
	f.Add("/comments/v/stream", "history=-1", "Accept-Encoding", "gzip;q=0")
	f.Add("/stream", "videos=a,b", "Idempotency-Key", "x")
	f.Fuzz(func(t *testing.T, path, query, header, value string) {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI(path + "?" + query)
		ctx.Request.Header.Set(header, value)
		if _, err := pageRange(&ctx); err != nil {
			mustBeProblem(t, err)
		}
		if _, _, err := resumePoint(&ctx); err != nil {
			mustBeProblem(t, err)
		}
		if key, err := idempotencyKey(&ctx); err != nil {
			mustBeProblem(t, err)
		} else if len(key) > maxIdempotencyKey {
			t.Errorf("key %q was taken", key)
		}
		acceptsGzip(&ctx)
		wantsStream(&ctx)
	})
}

func mustBeProblem(t *testing.T, err error) {
	t.Helper()
	var p *problem
	if !errors.As(err, &p) || p.Status != fasthttp.StatusBadRequest {
		t.Errorf("%v is not a 400", err)
	}
}
