package bench

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMessageCarriesItsStamp(t *testing.T) {
	const due = 1_893_456_000_123_456_789 // in 2030
	for _, size := range []int{minMessageSize, 60, 500} {
		tag := newTag()
		c := newComposer(tag, size, 7)
		for _, seq := range []int{0, 1, 35, 36, 1023, 1024, 5_000_000} {
			text := c.appendMessage(nil, seq, due)
			if n := utf8.RuneCount(text); n != size {
				t.Errorf("message of %d characters, want %d: %q", n, size, text)
			}
			if !utf8.Valid(text) || strings.TrimSpace(string(text)) != string(text) {
				t.Errorf("message %q is not valid UTF-8, or would be trimmed", text)
			}
			if quoted, err := json.Marshal(string(text)); err != nil || string(quoted) != `"`+string(text)+`"` {
				t.Errorf("message %q needs escaping in JSON", text)
			}
			gotSeq, gotDue, ok := parseMessage(tag, text)
			if !ok || gotSeq != seq || gotDue != due {
				t.Errorf("parseMessage(%q) = %d, %d, %t; want %d, %d", text, gotSeq, gotDue, ok, seq, int64(due))
			}
			if _, _, ok := parseMessage("other0", text); ok {
				t.Errorf("message %q was taken for another run's", text)
			}
		}
	}
}

func TestSameSeedSameTexts(t *testing.T) {
	a, b := newComposer("aaaaaa", 80, 3), newComposer("aaaaaa", 80, 3)
	for seq := range 10 {
		if x, y := a.appendMessage(nil, seq, 5), b.appendMessage(nil, seq, 5); string(x) != string(y) {
			t.Errorf("message %d is %q and %q", seq, x, y)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte("tag000-1-2 text"))
	f.Add([]byte("tag000-zzzzzzzzzzzzz-2 text"))
	f.Fuzz(func(t *testing.T, text []byte) {
		seq, due, ok := parseMessage(testTag, text)
		if ok && (seq < 0 || due < 0) {
			t.Errorf("parseMessage(%q) = %d, %d", text, seq, due)
		}
	})
}
