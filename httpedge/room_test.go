package httpedge

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"barrage/actors"
	"barrage/actors/wire"
)

func TestTextsThatSayTheSameHaveOneHash(t *testing.T) {
	same := [][]string{
		{"Hello, World!", "hello world", "HELLO   WORLD…", "ｈｅｌｌｏ world", "hel\u200blo world", "hello\nworld"},
		{"你好，弹幕！", "你好弹幕", "你好 弹幕"},
		{"Straße", "STRASSE"},
		{"👍", "👍\ufe0f"},
		{"?!", "?!"},
		{"!?"},
		{"…", "..."},
	}
	seen := map[uint64]string{}
	for _, texts := range same {
		hash := TextHash(texts[0])
		if other, known := seen[hash]; known || hash == 0 {
			t.Errorf("%q has the hash of %q (%d)", texts[0], other, hash)
		}
		seen[hash] = texts[0]
		for _, text := range texts {
			if TextHash(text) != hash {
				t.Errorf("%q and %q differ", text, texts[0])
			}
		}
	}
}

func FuzzTextHash(f *testing.F) {
	f.Add("Hello, World!")
	f.Add("\u200b")
	f.Add("ﷺ")
	f.Fuzz(func(t *testing.T, message string) {
		hash := TextHash(message)
		if hash == 0 || TextHash(message+" \u200b") != hash {
			t.Errorf("%d, with nothing behind it %d", hash, TextHash(message+" \u200b"))
		}
	})
}

func FuzzSplicedIsJSON(f *testing.F) {
	f.Add("like", uint64(3), "word-list")
	f.Add("\"\\\n\x00<é\xff", uint64(math.MaxUint64), "")
	f.Add("", uint64(0), "\u2028")
	f.Fuzz(func(t *testing.T, name string, n uint64, reason string) {
		body := spliced(nil, []byte(`{"id":"1"}`), number("replyCount", n), counts("reactions", map[string]uint64{name: n, name + "x": 1}), text("reason", reason))
		var got struct {
			ID         string            `json:"id"`
			ReplyCount uint64            `json:"replyCount"`
			Reactions  map[string]uint64 `json:"reactions"`
			Reason     string            `json:"reason"`
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v in %q", err, body)
		}
		valid := strings.ToValidUTF8(name, "") == name && strings.ToValidUTF8(reason, "") == reason
		if got.ID != "1" || got.ReplyCount != n || valid && (got.Reactions[name] != n || got.Reason != reason) {
			t.Errorf("%q gives %+v", body, got)
		}
	})
}

func TestSplicedWithoutMembersIsTheSame(t *testing.T) {
	if got := string(spliced(nil, []byte(`{"id":"1"}`), number("n", 0), counts("c", nil), text("t", ""))); got != `{"id":"1"}` {
		t.Errorf("got %s", got)
	}
}

func TestPageShowsAnswersAndReactions(t *testing.T) {
	page := &actors.Page{
		Rows: []*wire.Row{
			{Id: 3, Event: []byte("id: 3\ndata: {\"id\":\"3\"}\n\n")},
			{Id: 2, Event: []byte("id: 2\ndata: {\"id\":\"2\"}\n\n")},
			{Id: 1, Event: []byte("id: 1\ndata: {\"id\":\"1\"}\n\n")},
		},
		Replies:   map[uint64]uint64{3: 2},
		Reactions: map[uint64]map[string]uint64{3: {"wow": 1, "like": 5}, 2: {"like": 1}},
	}
	want := `{"comments":[{"id":"3","replyCount":2,"reactions":{"like":5,"wow":1}},{"id":"2","reactions":{"like":1}}],"nextCursor":"2"}`
	if got := string(pageJSON(page, 2, nil)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestHeldAreOfThePageOnlyThatTheyAreIn(t *testing.T) {
	var all []*wire.HeldRow
	for id := uint64(1); id <= 9; id++ {
		all = append(all, &wire.HeldRow{Row: &wire.Row{Id: id, ParentId: id % 3}})
	}
	for _, row := range []struct {
		from, through, parent uint64
		want                  int
	}{{0, 0, 0, 9}, {5, 0, 0, 5}, {0, 4, 0, 4}, {3, 5, 0, 3}, {0, 0, 2, 3}, {4, 6, 1, 1}} {
		if got := within(all, row.from, row.through, row.parent); len(got) != row.want {
			t.Errorf("%+v: %d", row, len(got))
		}
	}
}

func FuzzAuditCursor(f *testing.F) {
	f.Add("")
	f.Add("1700000000000-12")
	f.Add("-1-2")
	f.Add("9223372036854775807-18446744073709551615")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := auditCursor(text)
		if err == nil && text != "" && p.String() != text {
			t.Errorf("%q is read as %q", text, p)
		}
	})
}

func FuzzLobbyCursor(f *testing.F) {
	f.Add("12-room-1")
	f.Add("-")
	f.Add("18446744073709551615-x")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseLobbyPlace(text); err == nil && (p.String() != text || !actors.ValidLiveVideoID(p.id)) {
			t.Errorf("%q is read as %q", text, p)
		}
	})
}

func FuzzPathUser(f *testing.F) {
	for _, s := range []string{"ann", "a%2Fb", "%", "%00", "%ff", "..", strings.Repeat("a", 129)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		var ctx fasthttp.RequestCtx
		ctx.SetUserValue("userId", encoded)
		id, err := pathUser(&ctx)
		if err == nil && (id == "" || len(id) > actors.MaxUserID || strings.ContainsAny(id, "\x00\r\n")) {
			t.Errorf("%q is taken as %q", encoded, id)
		}
	})
}

func TestFaultsOfOwnersAreKindsOfProblems(t *testing.T) {
	want := map[wire.Code]string{
		wire.Code_NOT_FOUND: "not-found 404", wire.Code_FORBIDDEN: "forbidden 403", wire.Code_KEY_REUSED: "idempotency-key-reused 422",
		wire.Code_NO_PARENT: "malformed 400", wire.Code_ENDED: "ended 409", wire.Code_SLOW_MODE: "slow-mode 429",
		wire.Code_MUTED: "muted 403", wire.Code_REPEATED: "repeated 429", wire.Code_TOO_MANY_HELD: "rate-limited 429", wire.Code_UNAVAILABLE: "unavailable 503",
	}
	got := map[wire.Code]string{}
	for code := range want {
		p := problemOf(&wire.Fault{Code: code, RetryMs: 1500})
		got[code] = strings.TrimPrefix(p.Type, "urn:barrage:problem:") + " " + string(fmtStatus(p.Status))
		if (p.Status == 429 || p.Status == 503) != (p.retryAfter > 0) {
			t.Errorf("%v: Retry-After is %v", code, p.retryAfter)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func fmtStatus(status int) []byte { return fasthttp.AppendUint(nil, status) }
