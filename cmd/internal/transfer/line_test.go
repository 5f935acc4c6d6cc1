package transfer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"barrage/actors"
	"barrage/persistence"
	"barrage/persistence/records"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// idAt is the n-th id of a moment.
func idAt(at time.Time, n int) uint64 {
	return persistence.FirstIDAt(at) + uint64(n)<<persistence.IDNodeBits
}

func comment(video string, n int) *records.Comment {
	at := now.Add(time.Duration(n)*time.Millisecond - time.Hour)
	return &records.Comment{
		Id: idAt(at, n%4000), LiveVideoId: video, UserId: fmt.Sprint("user-", n%7), UserName: "弹幕",
		Message: fmt.Sprintf("message %d\n第二行\t\u2028 <b>&\"\\ 👩‍👩‍👧", n), CreatedAtMs: at.UnixMilli(),
	}
}

func TestALineIsTheCommentThatWasExported(t *testing.T) {
	reply := comment("a-Z_9", 2)
	reply.ParentId = comment("a-Z_9", 1).Id
	anonymous := comment(strings.Repeat("v", actors.MaxLiveVideoID), 3)
	anonymous.UserName = ""
	anonymous.Message = strings.Repeat("👍", actors.MaxMessage)
	for _, c := range []*records.Comment{comment("room", 0), reply, anonymous} {
		text := AppendLine(nil, c)
		if strings.Count(string(text), "\n") != 1 || text[len(text)-1] != '\n' || !strings.HasPrefix(string(text), firstBytes) {
			t.Fatalf("not a line: %q", text)
		}
		got, err := ParseLine(text[:len(text)-1], now)
		if err != nil || !proto.Equal(got, c) {
			t.Errorf("%s became %v, %v", text, got, err)
		}
	}
}

// goodLine is a line with some of its fields replaced, or left out if the new
// value is empty.
func goodLine(replace map[string]string) string {
	c := comment("room", 1)
	fields := []string{"id", "liveVideoId", "userId", "userName", "message", "parentId", "createdAt"}
	values := map[string]string{
		"id": fmt.Sprintf(`"%d"`, c.Id), "liveVideoId": `"room"`, "userId": `"ann"`, "userName": `"Ann"`, "message": `"hello"`,
		"parentId": fmt.Sprintf(`"%d"`, comment("room", 0).Id), "createdAt": `"` + now.Add(time.Millisecond-time.Hour).Format(time.RFC3339Nano) + `"`,
	}
	for name, value := range replace {
		values[name] = value
	}
	var parts []string
	for _, name := range fields {
		if values[name] != "" {
			parts = append(parts, fmt.Sprintf("%q: %s", name, values[name]))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

var lineTests = []struct{ name, line, want string }{ // want: a part of the error; empty: none
	{"whole", goodLine(nil), ""},
	{"no name, parent, time", goodLine(map[string]string{"userName": "", "parentId": "", "createdAt": ""}), ""},
	{"null for none", goodLine(map[string]string{"userName": "null", "parentId": "null", "createdAt": "null"}), ""},
	{"unknown fields", goodLine(map[string]string{"userName": `"Ann", "color": {"r": [1, 2]}, "likes": 5`}), ""},
	{"spaces and a carriage return", "  " + goodLine(nil) + " \t\r", ""},
	{"time in another zone", goodLine(map[string]string{"createdAt": `"2026-05-04T13:00:00.001+02:00"`}), ""},
	{"more of the time than milliseconds", goodLine(map[string]string{"createdAt": `"2026-05-04T11:00:00.001999Z"`}), ""},
	{"surrogate pair", goodLine(map[string]string{"message": `"\ud83d\udc4d"`}), ""},
	{"text with spaces around", goodLine(map[string]string{"message": `"  hello \n"`}), ""},

	{"nothing", "", "not a JSON object"},
	{"array", "[]", "not a JSON object"},
	{"cut", goodLine(nil)[:60], "not JSON"},
	{"two", goodLine(nil) + goodLine(nil), "not JSON"},
	{"not UTF-8", goodLine(map[string]string{"message": "\"\xff\""}), "UTF-8"},
	{"too long", goodLine(map[string]string{"color": `"` + strings.Repeat("x", MaxLine) + `"`, "userName": `"` + strings.Repeat("x", MaxLine) + `"`}), "longer"},
	{"half a surrogate pair", goodLine(map[string]string{"message": `"\ud83d"`}), "surrogate"},
	{"halves in the wrong order", goodLine(map[string]string{"message": `"\udc4d\ud83d"`}), "surrogate"},
	{"half before an escape", goodLine(map[string]string{"message": `"\ud83d\n"`}), "surrogate"},

	{"no id", goodLine(map[string]string{"id": ""}), "id is missing"},
	{"id a number", goodLine(map[string]string{"id": "5"}), "id may not be a number"},
	{"id 0", goodLine(map[string]string{"id": `"0"`}), "id is not"},
	{"id with a sign", goodLine(map[string]string{"id": `"+5"`}), "id is not"},
	{"id with a zero", goodLine(map[string]string{"id": `"05"`}), "id is not"},
	{"id of 64 bits", goodLine(map[string]string{"id": `"9223372036854775808"`}), "id is not"},
	{"id of the future", goodLine(map[string]string{"id": `"9223372036854775807"`, "createdAt": ""}), "yet to come"},
	{"no video", goodLine(map[string]string{"liveVideoId": ""}), "liveVideoId"},
	{"video with a slash", goodLine(map[string]string{"liveVideoId": `"a/b"`}), "liveVideoId"},
	{"video too long", goodLine(map[string]string{"liveVideoId": `"` + strings.Repeat("v", 65) + `"`}), "liveVideoId"},
	{"no user", goodLine(map[string]string{"userId": ""}), "userId"},
	{"user too long", goodLine(map[string]string{"userId": `"` + strings.Repeat("u", 129) + `"`}), "userId"},
	{"user with a control character", goodLine(map[string]string{"userId": `"a\u0007"`}), "userId"},
	{"name too long", goodLine(map[string]string{"userName": `"` + strings.Repeat("弹", 65) + `"`}), "userName"},
	{"name of two lines", goodLine(map[string]string{"userName": `"a\nb"`}), "userName"},
	{"no message", goodLine(map[string]string{"message": ""}), "message"},
	{"message of spaces", goodLine(map[string]string{"message": `" \n "`}), "message"},
	{"message too long", goodLine(map[string]string{"message": `"` + strings.Repeat("弹", 501) + `"`}), "501"},
	{"message with a control character", goodLine(map[string]string{"message": `"a\u001b[2J"`}), "U+001B"},
	{"message a list", goodLine(map[string]string{"message": `["a"]`}), "message may not be a array"},
	{"parent no id", goodLine(map[string]string{"parentId": `""`}), "parentId"},
	{"parent itself", goodLine(map[string]string{"parentId": fmt.Sprintf(`"%d"`, comment("room", 1).Id)}), "parentId"},
	{"another time", goodLine(map[string]string{"createdAt": `"2026-05-04T11:00:00.002Z"`}), "2026-05-04T11:00:00.001Z"},
	{"no time", goodLine(map[string]string{"createdAt": `"yesterday"`}), "RFC 3339"},
}

func TestLines(t *testing.T) {
	for _, row := range lineTests {
		c, err := ParseLine([]byte(row.line), now)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
		if err == nil && (c.Id != comment("room", 1).Id || c.CreatedAtMs != comment("room", 1).CreatedAtMs) {
			t.Errorf("%s: got %v", row.name, c)
		}
		if err != nil && strings.Contains(err.Error(), "hello") {
			t.Errorf("%s: %v quotes the message", row.name, err)
		}
	}
}

// FuzzParseLine: what is taken can be exported, and is then taken as the same.
func FuzzParseLine(f *testing.F) {
	for _, row := range lineTests {
		f.Add([]byte(row.line))
	}
	f.Add(AppendLine(nil, comment("room", 5)))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseLine(text, now)
		if err != nil {
			return
		}
		line := AppendLine(nil, c)
		again, err := ParseLine(line[:len(line)-1], now)
		if err != nil || !proto.Equal(c, again) {
			t.Fatalf("%q was taken as %v, exported as %s, taken as %v, %v", text, c, line, again, err)
		}
	})
}

// BenchmarkParseLine measures lines a second on one processor.
func BenchmarkParseLine(b *testing.B) {
	line := AppendLine(nil, comment("room", 5))
	for b.Loop() {
		if _, err := ParseLine(line, now); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
